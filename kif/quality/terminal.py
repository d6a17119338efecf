"""What a terminal sees of a card without any key: its applications, records and counters.

EMV Book 1, 12 (PSE, list of AIDs); Book 3, 10.1 and 10.2 (processing options, records).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kif.formats.afl import located, signed
from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT, name_of
from kif.formats.error import CheckFailed
from kif.formats.link import CardLink
from kif.formats.pan import masked
from kif.formats.tlv import find, read_all, read_dol, tlv

_DIRECTORIES = (PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT)
_FORMAT_1 = 0x80
_DATA = (0x9F36, 0x9F13, 0x9F17, 0x9F4F)
"""What GET DATA is asked for: counters, and the format of a transaction log (Book 3, 6.5.7)."""
_ACCOUNT = frozenset({0x56, 0x57, 0x5A, 0x9F6B})
"""Data that has the account number in it."""
_MOST_RECORDS = 31
_OF_EMV = 10
"""The last SFI whose records are templates 70."""


@dataclass(frozen=True)
class Object:
    """A primitive data object, and where it was found."""

    where: str
    tag: int
    value: bytes

    def __repr__(self) -> str:
        return f"Object({self.where}, {self.tag:X}, redacted)"

    @property
    def name(self) -> str:
        """Its name in EMV."""
        return name_of(self.tag)

    def shown(self, *, clear: bool) -> str:
        """Return its value, hex; unless ``clear``, of an account number what may be shown."""
        text = self.value.hex().upper()
        if clear or self.tag not in _ACCOUNT:
            return text
        return masked(_account(text))


@dataclass(frozen=True)
class Reading:
    """One application as it was read; ``repr`` shows none of its data."""

    application: bytes
    objects: list[Object] = field(default_factory=list)
    static: list[bytes] = field(default_factory=list)
    """What the AFL says is signed of the records (Book 3, 10.3)."""

    def __repr__(self) -> str:
        return f"Reading({self.application.hex().upper()}, {len(self.objects)} objects)"

    def value(self, tag: int) -> bytes | None:
        """Return the value of the first object with this tag, or None."""
        return next((each.value for each in self.objects if each.tag == tag), None)


def read_card(link: CardLink, known: Sequence[bytes]) -> Iterator[Reading]:
    """Yield every application that the card's directories name, or that it has of ``known``.

    It is selected still when it is yielded.

    Raises ``CheckFailed`` (CHIP_DATA) when it has none, and ``BadInput`` for what is no BER.
    """
    named = [aid for directory in _DIRECTORIES for aid in _in_directory(link, directory)]
    found = False
    for aid in dict.fromkeys([*named, *known]):
        reading = read_application(link, aid)
        if reading is not None:
            found = True
            yield reading
    if not found:
        raise CheckFailed(
            Control.CHIP_DATA,
            "The card has no payment system directory, and none of the applications that the "
            "products have.",
        )


def _in_directory(link: CardLink, name: bytes) -> Iterator[bytes]:
    """Yield the AIDs that a directory names: in its FCI (PPSE), or in its records (PSE)."""
    answer = asked(link, Command(0x00, 0xA4, 0x04, 0x00, name, 256))
    if answer is None:
        return
    yield from _applications(answer)
    sfi = find(answer, 0x88) or b""
    for number in range(1, _MOST_RECORDS if sfi else 0):
        record = asked(link, Command(0x00, 0xB2, number, sfi[0] << 3 | 0x04, le=256))
        if record is None:
            return
        yield from _applications(record)


def _applications(raw: bytes) -> Iterator[bytes]:
    for each in read_all(raw):
        if each.tag == 0x4F:
            yield each.value
        elif each.constructed:
            yield from _applications(each.value)


def read_application(link: CardLink, aid: bytes) -> Reading | None:
    """Select an application and read it as far as it lets a terminal; None when it is not there."""
    selected = asked(link, Command(0x00, 0xA4, 0x04, 0x00, aid, 256))
    if selected is None:
        return None
    reading = Reading(find(selected, 0x84) or aid)
    reading.objects.extend(_primitive("selection", selected))
    pdol = find(selected, 0x9F38) or b""
    wanted = tlv(0x83, bytes(sum(size for _, size in read_dol(pdol))))
    options = asked(link, Command(0x80, 0xA8, 0x00, 0x00, wanted, 256))
    if options is not None:
        afl = _options(reading, options)
        covered = signed(afl)
        for sfi, number in located(afl):
            record = asked(link, Command(0x00, 0xB2, number, sfi << 3 | 0x04, le=256))
            if record is None:
                raise CheckFailed(
                    Control.CHIP_DATA, f"Record {number} of SFI {sfi} is located, and not there."
                )
            reading.objects.extend(_primitive(f"SFI {sfi} record {number}", record))
            if (sfi, number) in covered:
                reading.static.append(_of_record(sfi, record))
    for tag in _DATA:
        value = asked(link, Command(0x80, 0xCA, tag >> 8, tag & 0xFF, le=256))
        if value is not None:
            reading.objects.extend(_primitive("data", value))
    return reading


def _of_record(sfi: int, record: bytes) -> bytes:
    """Return what of a record is signed: not its template, in files of EMV's own (10.3)."""
    return find(record, 0x70) or b"" if sfi <= _OF_EMV else record


def _options(reading: Reading, answer: bytes) -> bytes:
    """Note AIP and AFL, in format 2 or 1 (Book 3, 6.5.8.4); return the AFL."""
    joined = find(answer, _FORMAT_1)
    if joined is not None:
        answer = tlv(0x82, joined[:2]) + tlv(0x94, joined[2:])
    reading.objects.extend(_primitive("processing options", answer))
    return find(answer, 0x94) or b""


def _primitive(where: str, raw: bytes) -> Iterator[Object]:
    for each in read_all(raw):
        if each.constructed:
            yield from _primitive(where, each.value)
        else:
            yield Object(where, each.tag, each.value)


def _account(text: str) -> str:
    """Return the account number at the beginning of its data, hex or track 1."""
    if text.startswith("42"):  # track 1, format code B: characters
        return bytes.fromhex(text[2:]).split(b"^")[0].decode("ascii", "replace")
    return text.split("D")[0].rstrip("F")


def asked(link: CardLink, command: Command) -> bytes | None:
    """Return the answer's data, or None where the card refuses."""
    response = Response.decode(link.transmit(command.encode()))
    return response.data if response.ok else None
