"""The forms that an event's fields have: how each reads from JSON, and how it is written.

A field's type names its form once, and nothing else decides what may stand on the record::

    BatchId = Annotated[str, matching("[0-9a-f]{16}")]

A field that is marked ``COMMITTED`` stands in the entry's payload, behind its commitment: it may be
shown to one issuer and not to another, and it may be erased. Nothing is decided on it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Annotated, Any, Final

from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.text import is_name, is_reference, is_sentence


class _Mark(Enum):
    COMMITTED = "committed"


COMMITTED: Final = _Mark.COMMITTED
_LONGEST_PLAN = 40_000
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\+00:00"
).fullmatch


@dataclass(frozen=True)
class Form:
    """How a field's value is read from JSON (``ValueError`` when it does not fit), and written."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] = lambda value: value


def matching(pattern: str) -> Form:
    """Return the form of text that fits a pattern as a whole."""
    fits = re.compile(pattern).fullmatch

    def read(value: Any) -> str:
        if isinstance(value, str) and fits(value):
            return value
        raise ValueError(pattern)

    return Form(read)


def satisfying(fits: Callable[[str], bool]) -> Form:
    """Return the form of text that a function accepts."""

    def read(value: Any) -> str:
        if isinstance(value, str) and fits(value):
            return value
        raise ValueError(fits.__name__)

    return Form(read)


def number(low: int, high: int) -> Form:
    """Return the form of an integer in a range; JSON's true is none."""

    def read(value: Any) -> int:
        if type(value) is int and low <= value <= high:
            return value
        raise ValueError(f"{low} to {high}")

    return Form(read)


def _read_flag(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise ValueError("true or false")


def one_of(choices: type[StrEnum]) -> Form:
    """Return the form of an enumeration's value."""
    return Form(choices, lambda value: value.value)


def list_of(form: Form, least: int, most: int) -> Form:
    """Return the form of a list, whose value is a tuple."""

    def read(value: Any) -> tuple[Any, ...]:
        if isinstance(value, list) and least <= len(value) <= most:
            return tuple(map(form.read, value))
        raise ValueError("a list")

    return Form(read, lambda value: [form.write(each) for each in value])


def optional(form: Form) -> Form:
    """Return the form of a value or JSON's null."""
    return Form(
        lambda value: None if value is None else form.read(value),
        lambda value: None if value is None else form.write(value),
    )


def encoded(size: int) -> Form:
    """Return the form of a number of bytes, as base64."""

    def read(value: Any) -> bytes:
        try:
            raw = base64.b64decode(value, validate=True)
        except (TypeError, binascii.Error):
            raise ValueError("base64") from None
        if len(raw) == size and base64.b64encode(raw).decode() == value:
            return raw
        raise ValueError("base64")

    return Form(read, lambda value: base64.b64encode(value).decode())


def read_time(value: Any) -> datetime:
    """Return a time that ``write_time`` wrote. Raises ``ValueError``."""
    if not isinstance(value, str) or not _TIME(value):
        raise ValueError("a time in UTC with six decimals")
    return datetime.fromisoformat(value)


def write_time(time: datetime) -> str:
    """Return a time as UTC with six decimals. Raises ``ValueError`` for a naive one."""
    if time.utcoffset() is None:
        raise ValueError("a time without its offset can't be recorded")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _read_key(value: Any) -> KeyRef:
    try:
        return KeyRef.parse(value)
    except (BadInput, TypeError):
        raise ValueError("a key's reference") from None


def _read_check_values(value: Any) -> dict[KeyRef, str]:
    if not isinstance(value, dict) or not value:
        raise ValueError("keys and their check values")
    return {_read_key(key): KCV_FORM.read(kcv) for key, kcv in value.items()}


def _is_plan(text: str) -> bool:
    return text.isprintable() and text.startswith("{") and len(text) <= _LONGEST_PLAN


NAME_FORM = satisfying(is_name)
KEY_FORM = Form(_read_key, str)
KCV_FORM = matching(r"[a-z0-9-]{1,24}:[0-9A-F]{6,16}")

Name = Annotated[str, NAME_FORM]
"""A person, issuer, product, station, site: see :func:`kif.formats.text.is_name`."""
Sentence = Annotated[str, satisfying(is_sentence)]
"""Text of ours about a fault, at most 400 characters, with no long number in it."""
Reason = Annotated[str | None, satisfying(is_sentence), COMMITTED]
"""The same, for the eyes of those concerned; None when an entry is read without its payload."""
Reference = Annotated[str | None, satisfying(is_reference), COMMITTED]
"""An issuer's own name for a file. It may be a long number, so it is not public."""
BatchId = Annotated[str, matching(r"[0-9a-f]{16}")]
CardNumber = Annotated[int, number(1, 10_000_000)]
"""A card's number in its batch, from 1."""
Count = Annotated[int, number(0, 10_000_000)]
Flag = Annotated[bool, Form(_read_flag)]
Digest = Annotated[str, matching(r"[0-9a-f]{64}")]
"""SHA-256, hex; of card data only where it is sealed."""
KeyedDigest = Annotated[str, matching(r"[0-9a-f]{32}")]
"""AES-CMAC by a key in the HSM, hex."""
Chip = Annotated[str, matching(r"[0-9A-F]{20}")]
"""A chip's serial: the ten bytes of key diversification data, hex."""
Key = Annotated[KeyRef, KEY_FORM]
Kcv = Annotated[str, KCV_FORM]
"""A check value with its method by name: ``gp-aes-01:504A77``."""
KeysIfAny = Annotated[tuple[KeyRef, ...], list_of(KEY_FORM, 0, 2000)]
CheckValues = Annotated[
    dict[KeyRef, str],
    Form(_read_check_values, lambda value: {str(key): kcv for key, kcv in value.items()}),
]
Label = Annotated[str, matching(r"[ -~]{0,64}")]
"""What a device says of itself, or an algorithm's name: printable ASCII, at most 64."""
Place = Annotated[str, matching(r"/[ -~]{1,255}")]
"""An absolute path."""
Line = Annotated[str, matching(r"[ -~]{1,1600}")]
"""An OpenSSH public key line; of RSA with 8192 bits it has 1,400."""
Armour = Annotated[str, matching(r"[ -~\n]{1,4000}")]
"""A certificate or an SSH signature in its text form."""
Statement = Annotated[str, matching(r"\{[ -~]{1,4000}\}")]
"""What a person signed: canonical JSON, ASCII."""
PlanText = Annotated[str, satisfying(_is_plan)]
"""A ceremony's plan: canonical JSON, at most 40,000 characters; what is in it is read later."""
Instant = Annotated[datetime, Form(read_time, write_time)]
Openers = Annotated[tuple[str, ...], list_of(NAME_FORM, 2, 9)]
"""The operators who opened the token for this: as many as its PIN's seal asks for."""
Two = Annotated[tuple[str, ...], list_of(NAME_FORM, 2, 2)]
Holders = Annotated[tuple[str, ...], list_of(NAME_FORM, 2, 20)]
Digests = Annotated[tuple[str, ...], list_of(matching(r"[0-9a-f]{64}"), 2, 20)]
"""SHA-256, hex."""
Names = Annotated[tuple[str, ...], list_of(NAME_FORM, 0, 100)]
