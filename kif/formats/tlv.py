"""BER-TLV as EMV and GlobalPlatform use it (EMV Book 3, annex B): definite lengths only."""

from collections.abc import Iterator
from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput


@dataclass(frozen=True)
class Tlv:
    """A data object: its tag as it is written (``0x9F26``) and its value."""

    tag: int
    value: bytes

    def __repr__(self) -> str:
        return f"Tlv({self.tag:X}, {len(self.value)} bytes)"

    @property
    def constructed(self) -> bool:
        """Whether the value is itself a sequence of data objects (bit 6 of the first tag byte)."""
        return bool(_tag_bytes(self.tag)[0] & 0x20)

    def encode(self) -> bytes:
        """Return tag, length in the fewest bytes, value."""
        return _tag_bytes(self.tag) + encode_length(len(self.value)) + self.value

    def children(self) -> list["Tlv"]:
        """Read the value as a sequence of data objects."""
        return list(read_all(self.value))


def tlv(tag: int, value: bytes) -> bytes:
    """Encode one data object."""
    return Tlv(tag, value).encode()


def encode_length(length: int) -> bytes:
    """Encode a length below 2^24 in the fewest bytes."""
    if length < 0x80:
        return bytes((length,))
    size = (length.bit_length() + 7) // 8
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def read_all(raw: bytes) -> Iterator[Tlv]:
    """Yield the data objects of a sequence. Raises ``BadInput`` when one does not fit."""
    at = 0
    while at < len(raw):
        tag, at = _read_tag(raw, at)
        length, at = _read_length(raw, at)
        if at + length > len(raw):
            missing = at + length - len(raw)
            raise BadInput(Control.BYTES, f"The value of tag {tag:X} is {missing} bytes short.")
        yield Tlv(tag, raw[at : at + length])
        at += length


def find(raw: bytes, tag: int) -> bytes | None:
    """Return the value of the first object with this tag, at any depth, or None."""
    for each in read_all(raw):
        if each.tag == tag:
            return each.value
        if each.constructed and (inner := find(each.value, tag)) is not None:
            return inner
    return None


def read_dol(raw: bytes) -> list[tuple[int, int]]:
    """Read a data object list, such as a CDOL: pairs of tag and length in bytes."""
    pairs, at = [], 0
    while at < len(raw):
        tag, at = _read_tag(raw, at)
        length, at = _read_length(raw, at)
        pairs.append((tag, length))
    return pairs


def _tag_bytes(tag: int) -> bytes:
    return tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")


def _read_tag(raw: bytes, at: int) -> tuple[int, int]:
    start = at
    more = raw[at] & 0x1F == 0x1F
    at += 1
    while more:
        if at >= len(raw) or at - start > 3:
            raise BadInput(Control.BYTES, "A tag does not end within four bytes.")
        more = bool(raw[at] & 0x80)
        at += 1
    return int.from_bytes(raw[start:at], "big"), at


def _read_length(raw: bytes, at: int) -> tuple[int, int]:
    if at >= len(raw):
        raise BadInput(Control.BYTES, "A tag has no length after it.")
    first = raw[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 3 or at + 1 + size > len(raw):
        raise BadInput(Control.BYTES, f"A length starts with {first:02X}, which is not allowed.")
    return int.from_bytes(raw[at + 1 : at + 1 + size], "big"), at + 1 + size
