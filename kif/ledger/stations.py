"""The stations: how many blanks in a row failed at each, and which are stopped for it."""

from __future__ import annotations

from typing import Any

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.ledger.journal import Journal

MOST = 3
"""Blanks in a row that may fail at a station: the fourth is not tried."""


class Stations:
    """Failures by a station's name; none is kept for one whose last card proved its keys."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.failures: dict[str, int] = {}

    def rejected(self, station: str) -> None:
        """Count a blank that failed."""
        self._journal.put(self.failures, station, self.failures.get(station, 0) + 1)

    def proved(self, station: str) -> None:
        """Forget what failed before: a card proved its keys."""
        if station in self.failures:
            self._journal.drop(self.failures, station)

    def resumed(self, station: str) -> None:
        """Let a station that was stopped go on."""
        if self.failures.get(station, 0) < MOST:
            raise Refused(Control.STATION, f"{station} is not stopped.")
        self._journal.drop(self.failures, station)

    def require(self, station: str) -> None:
        """Require that a station is not stopped (STATION)."""
        if self.failures.get(station, 0) >= MOST:
            raise Refused(
                Control.STATION,
                f"{station} is stopped: {MOST} blanks in a row failed before any key was sent. "
                "Look at the blanks (vendor, key version) and at the reader; then two people "
                f"resume it with 'kif station resume {station}'.",
            )

    def encode(self) -> dict[str, int]:
        """Return the failures as JSON values."""
        return self.failures

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.failures = dict(fields)
