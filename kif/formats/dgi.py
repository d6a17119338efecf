"""Data grouping identifiers and STORE DATA (GPC Card Specification 2.3.1, 11.11; EMV CPS 2.0).

A DGI is two bytes, a length (one byte up to FE, or FF and two bytes), and its data. One that is
longer than a block goes on in the next; its length stands in the first block only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.error import BadInput

LAST_BLOCK = 0x80
ENCRYPTED = 0x60
ANSWERED = 0x01
FORMAT_DGI = 0x08


@dataclass(frozen=True)
class Dgi:
    """One data grouping; ``encrypted`` says that its data is a cryptogram under the Key-DEK.

    ``answered`` says that the card answers it with data.
    """

    identifier: int
    data: bytes
    encrypted: bool = False
    answered: bool = False

    def __repr__(self) -> str:
        return f"Dgi({self.identifier:04X}, {len(self.data)} bytes)"

    def encode(self) -> bytes:
        """Return identifier, length and data. Raises ``BadInput`` above 65535 bytes of data."""
        size = len(self.data)
        if size > 0xFFFF:
            raise BadInput(
                Control.BYTES,
                f"DGI {self.identifier:04X} has {size} bytes; its length says up to 65535.",
            )
        length = bytes((size,)) if size < 0xFF else b"\xff" + size.to_bytes(2, "big")
        return self.identifier.to_bytes(2, "big") + length + self.data


def read_dgis(raw: bytes) -> Iterator[Dgi]:
    """Yield the groupings of one whole STORE DATA content. Raises ``BadInput`` if one is cut."""
    at = 0
    while at < len(raw):
        identifier, size, at = _read_head(raw, at)
        if at + size > len(raw):
            raise BadInput(Control.BYTES, f"DGI {identifier:04X} is {at + size - len(raw)} short.")
        yield Dgi(identifier, raw[at : at + size])
        at += size


def dgi_size(raw: bytes) -> int | None:
    """Return how many bytes the first grouping has in all, or None if its head is not whole."""
    try:
        _, size, at = _read_head(raw, 0)
    except BadInput:
        return None
    return at + size


def _read_head(raw: bytes, at: int) -> tuple[int, int, int]:
    head = raw[at : at + 3]
    if len(head) == 3 and head[2] < 0xFF:
        return int.from_bytes(head[:2], "big"), head[2], at + 3
    head = raw[at : at + 5]
    if len(head) < 5:
        raise BadInput(Control.BYTES, "A DGI's head is cut off.")
    return int.from_bytes(head[:2], "big"), int.from_bytes(head[3:], "big"), at + 5


def store_data(
    dgis: Sequence[Dgi],
    block: int,
    first: int = 0,
    *,
    more: bool = False,
    structure: int = FORMAT_DGI,
) -> list[Command]:
    """Return STORE DATA commands: each grouping in blocks of its own, the last with b8 set.

    ``block`` is the most bytes of plain data that one command carries under the chosen security
    level. P2 counts the blocks, the ``first`` one here from 00; b8 is not set when ``more`` follow.
    ``structure`` is what P1 says of the data's: that they are DGIs, or nothing (EMV CPS).
    Raises ``BadInput`` above 256 blocks.
    """
    parts = [
        (structure | _p1(dgi, at + block >= len(encoded)), encoded[at : at + block])
        for dgi in dgis
        for encoded in (dgi.encode(),)
        for at in range(0, len(encoded), block)
    ]
    count = first + len(parts)
    if count > 256:
        raise BadInput(Control.BYTES, f"A script needs {count} blocks; P2 counts up to 256.")
    if not more:
        parts[-1] = (parts[-1][0] | LAST_BLOCK, parts[-1][1])
    return [
        Command(0x80, 0xE2, p1, first + number, part, 256 if p1 & ANSWERED else None)
        for number, (p1, part) in enumerate(parts)
    ]


def _p1(dgi: Dgi, last: bool) -> int:
    """Return what P1 says of a block; the ``last`` one of a grouping is answered (11.11.2.1)."""
    answered = ANSWERED if dgi.answered and last else 0
    return (ENCRYPTED if dgi.encrypted else 0) | answered
