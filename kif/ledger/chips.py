"""Every chip that keys ever left for, ten bytes each: a chip is used once in the life of a site."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from kif.ledger.journal import Journal

SIZE = 10
"""Bytes of a serial: the key diversification data of INITIALIZE UPDATE."""
_RECENT = 1 << 14


@dataclass(frozen=True)
class _Run:
    """Serials in their order, end to end."""

    serials: bytes

    def __len__(self) -> int:
        return len(self.serials) // SIZE

    def __getitem__(self, place: int) -> bytes:
        return self.serials[place * SIZE : (place + 1) * SIZE]

    def __iter__(self) -> Iterator[bytes]:
        return (self[place] for place in range(len(self)))

    def __contains__(self, serial: bytes) -> bool:
        place = bisect_left(self, serial)
        return place < len(self) and self[place] == serial


class Chips:
    """A set of serials that takes ten bytes for each.

    New ones are in a dict; ``settle()`` moves them into sorted runs, of which each is at least
    twice as long as the next, so that there are few to look into.
    """

    def __init__(self, serials: bytes = b"") -> None:
        self._runs = [_Run(serials)] if serials else []
        self._recent: dict[bytes, None] = {}

    def __contains__(self, serial: bytes) -> bool:
        return serial in self._recent or any(serial in run for run in self._runs)

    def __len__(self) -> int:
        return len(self._recent) + sum(map(len, self._runs))

    def add(self, serial: bytes, journal: Journal) -> None:
        """Add a serial that is not there yet."""
        journal.put(self._recent, serial, None)

    def settle(self) -> None:
        """Move the new ones into the runs when they are many. Nothing is taken back after it."""
        if len(self._recent) < _RECENT:
            return
        self._runs.append(_sorted(self._recent))
        self._recent.clear()
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(_sorted([*before, *last]))

    def encode(self) -> bytes:
        """Return every serial in order, end to end."""
        if len(self._runs) == 1 and not self._recent:
            return self._runs[0].serials
        return _sorted([*self._recent, *chain.from_iterable(self._runs)]).serials


def _sorted(serials: list[bytes] | dict[bytes, None]) -> _Run:
    return _Run(b"".join(sorted(serials)))
