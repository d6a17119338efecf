"""The application file locator, tag 94 (EMV Book 3, 10.2): which records a terminal reads."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kif.formats.control import Control
from kif.formats.error import BadInput

Place = tuple[int, int]
"""Short file identifier and record number."""


def locator(places: Sequence[Place], covered: Collection[Place] = ()) -> bytes:
    """Return the AFL: SFI, first and last record, how many are signed; four bytes a file.

    ``covered`` are those that offline data authentication covers: the first ones of their files.
    """
    located = b""
    for sfi in dict.fromkeys(sfi for sfi, _ in places):
        numbers = [number for each, number in places if each == sfi]
        first = sum((sfi, number) in covered for number in numbers)
        located += bytes((sfi << 3, min(numbers), max(numbers), first))
    return located


def signed(afl: bytes) -> list[Place]:
    """Return the place of each record that offline data authentication covers (10.3)."""
    return [
        place for at in range(0, len(afl), 4) for place in located(afl[at : at + 4])[: afl[at + 3]]
    ]


def located(afl: bytes) -> list[Place]:
    """Return the place of each record. Raises ``BadInput`` (BYTES) for what is no AFL."""
    places = []
    if len(afl) % 4:
        raise BadInput(Control.BYTES, "An AFL has four bytes for each file.")
    for at in range(0, len(afl), 4):
        sfi, first, last = afl[at] >> 3, afl[at + 1], afl[at + 2]
        if not 1 <= sfi <= 30 or not 1 <= first <= last:
            raise BadInput(Control.BYTES, "An AFL has an SFI from 1 to 30, and records from 1.")
        places += [(sfi, number) for number in range(first, last + 1)]
    return places
