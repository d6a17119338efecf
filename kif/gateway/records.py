"""The content of an issuer's file: JSON Lines, a header and a card on each further line.

Every error of a file is reported at once, by record number and field, and never with the data.
"""

from __future__ import annotations

import calendar
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.pan import check_digit_is_right, hash_total
from kif.formats.secret import Secret
from kif.formats.track2 import room_on_track2
from kif.gateway.armour import text_encoding
from kif.oracle.messages import Account, ReceivedCard, ReceivedFile

_SHOWN = 20
_LATIN = r"[\p{Latin}&&\p{Lu}]"
_NAME = rf"^{_LATIN}(?:{_LATIN}|[ /.'-]){{1,25}}$"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


Model = TypeVar("Model", bound=_Strict)


def _form(described: str, **rules: Any) -> Any:
    """Return a field's form; ``described`` is what an error says that it has to be."""
    return Field(description=described, **rules)


def _composed(text: Any) -> Any:
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else text


class Header(_Strict):
    """The first line."""

    format: Annotated[Literal["kif-issuer-file-1"], _form("kif-issuer-file-1")]
    issuer: Annotated[str, _form("1 to 64 characters", min_length=1, max_length=64)]
    # Not digits alone: a number could be a PAN, and references stand in the ledger.
    reference: Annotated[
        str,
        _form(
            "1 to 64 of A-Z a-z 0-9 . _ -, not digits alone",
            pattern=r"^[A-Za-z0-9._-]*[A-Za-z._-][A-Za-z0-9._-]*$",
            max_length=64,
        ),
    ]
    product: Annotated[
        str, _form("1 to 64 of A-Z a-z 0-9 . _ -", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    ]
    count: Annotated[int, _form("a number from 1", ge=1)]
    hash_total: Annotated[str, _form("16 digits in quotes", pattern=r"^[0-9]{16}$")]


class Record(_Strict):
    """A card's line (docs/formats/issuer-file.md)."""

    pan: Annotated[str, _form("12 to 19 digits in quotes", pattern=r"^[0-9]{12,19}$")]
    psn: Annotated[str, _form("2 digits in quotes", pattern=r"^[0-9]{2}$")]
    expiry: Annotated[
        str,
        _form(
            "YYYY-MM up to 2049-12, because a terminal reads years from 50 as 19YY",
            pattern=r"^20[0-4][0-9]-(0[1-9]|1[0-2])$",
        ),
    ]
    name: Annotated[
        str,
        BeforeValidator(_composed),
        _form(
            "2 to 26 capital Latin letters, spaces and / . ' -, as SURNAME/GIVEN.TITLE",
            pattern=_NAME,
        ),
    ]
    service_code: Annotated[str, _form("3 digits in quotes", pattern=r"^[0-9]{3}$")]
    discretionary_data: Annotated[str, _form("digits in quotes, or none", pattern=r"^[0-9]*$")]

    def __repr__(self) -> str:
        return "Record(redacted)"

    __str__ = __repr__

    def last_day(self) -> date:
        """Return the last day on which the card is valid."""
        year, month = int(self.expiry[:4]), int(self.expiry[5:])
        return date(year, month, calendar.monthrange(year, month)[1])


@dataclass(frozen=True)
class Fault:
    """What is wrong with one record: its number (the header is 0), and why; no data."""

    control: Control
    number: int
    text: str

    def __str__(self) -> str:
        return f"{'header' if self.number == 0 else f'record {self.number}'}: {self.text}"


def read_content(content: bytes, signer: str, file_digest: str, today: date) -> ReceivedFile:
    """Read and check the whole content of a file that ``signer`` signed.

    Raises ``BadInput`` with every error of the records; FILE_COUNT or FILE_HASH_TOTAL when only
    those are wrong; ``Refused`` (FILE_SIGNER) when the header names another issuer.
    """
    encoding = text_encoding(content)
    if encoding is not None or not content:
        found = "empty" if encoding is None else f"in {encoding}"
        raise BadInput(
            Control.RECORD,
            f"The content of the file is {found}; it has to be JSON Lines in UTF-8, without a mark "
            "before them. Nothing was taken; ask the issuer to send it so.",
        )
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    header, faults = _read(Header, first, 0)
    if header is None:
        raise _all(faults)
    if header.issuer != signer:
        raise Refused(
            Control.FILE_SIGNER,
            f"The file is signed by {signer}, but its header names another issuer. Ask the issuer "
            "which is right.",
        )
    records = _records(lines, header.count, today)
    _check_totals(header, records)
    return ReceivedFile(
        issuer=header.issuer,
        reference=header.reference,
        product=header.product,
        content_digest=Secret(hashlib.sha256(content).digest()),
        file_digest=file_digest,
        cards=[_card(record) for record in records],
    )


def _records(lines: Sequence[bytes], count: int, today: date) -> list[Record]:
    records, faults, seen = [], [], set()
    for number, line in enumerate(lines, start=1):
        record, wrong = _read(Record, line, number)
        faults += wrong
        if record is None:
            continue
        faults += _check(record, number, today)
        if (record.pan, record.psn) in seen:
            faults.append(Fault(Control.RECORD, number, "the same card stands in the file before"))
        seen.add((record.pan, record.psn))
        records.append(record)
    if faults and len(lines) != count:
        faults.append(Fault(Control.FILE_COUNT, 0, f"count: it says {count}, not {len(lines)}"))
    if faults:
        raise _all(faults)
    return records


def _check(record: Record, number: int, today: date) -> list[Fault]:
    faults = []
    if not check_digit_is_right(record.pan):
        faults.append(Fault(Control.PAN_CHECK_DIGIT, number, "pan: the check digit is wrong"))
    if record.last_day() < today:
        faults.append(Fault(Control.CARD_EXPIRED, number, "expiry: the card has expired"))
    room = room_on_track2(record.pan)
    if len(record.discretionary_data) > room:
        told = f"discretionary_data: track 2 has room for {room} digits beside this PAN"
        faults.append(Fault(Control.RECORD, number, told))
    return faults


def _read(model: type[Model], line: bytes, number: int) -> tuple[Model | None, list[Fault]]:
    try:
        fields = json.loads(line.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None, [Fault(Control.RECORD, number, "the line is not one JSON object, or twice so")]
    try:
        return model.model_validate(fields), []
    except ValidationError as invalid:
        wrong = invalid.errors(include_input=False, include_context=False, include_url=False)
    told = [_said(model, each["loc"], each["type"]) for each in wrong]
    return None, [Fault(Control.RECORD, number, words) for words in told]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError
    return fields


def _said(model: type[_Strict], place: tuple[int | str, ...], kind: str) -> str:
    """Say which field is wrong and what it has to be; never what it is."""
    field = model.model_fields.get(str(place[0])) if place else None
    if field is None:
        return "a field: an unknown field" if place else "the line is not one JSON object"
    if kind == "missing":
        return f"{place[0]}: is missing"
    return f"{place[0]}: has to be {field.description}"


def _check_totals(header: Header, records: Sequence[Record]) -> None:
    if len(records) != header.count:
        raise BadInput(
            Control.FILE_COUNT,
            f"The file has {len(records)} records, but its header says {header.count}. Nothing was "
            "taken; ask the issuer to send the whole file again.",
        )
    total = hash_total(record.pan for record in records)
    if total != header.hash_total:
        raise BadInput(
            Control.FILE_HASH_TOTAL,
            "The hash total over the PANs is not the one in the header. Nothing was taken; ask the "
            "issuer to send the whole file again.",
        )


def _card(record: Record) -> ReceivedCard:
    clear = Secret(canonical.encode(record.model_dump()))
    return ReceivedCard(Account(record.pan, record.psn).subject, record.last_day(), clear)


def _all(faults: Sequence[Fault]) -> BadInput:
    shown = "; ".join(str(fault) for fault in faults[:_SHOWN])
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return BadInput(
        faults[0].control,
        f"The file has {len(faults)} error(s): {shown}{more}. Nothing was taken; ask the issuer to "
        "send a corrected file.",
    )
