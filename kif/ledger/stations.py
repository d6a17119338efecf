"""The stations: which are enrolled, and how many blanks in a row failed at each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.ledger.approval import fingerprint
from kif.ledger.events.ceremony import StationEnrolled
from kif.ledger.journal import Journal
from kif.ledger.people import Person

MOST = 3
"""Blanks in a row that may fail at a station: the fourth is not tried."""


class Stations:
    """Those that are enrolled, and what failed at them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.enrolled: dict[str, str] = {}
        """The public key (OpenSSH) of each by its name."""
        self.failures: dict[str, int] = {}
        """None is kept for a station whose last card proved its keys."""

    def enrol(self, event: StationEnrolled, people: Iterable[Person]) -> None:
        """Enrol a station whose name and key are nobody else's."""
        mark = fingerprint(event.public_key)
        known = [(name, fingerprint(key)) for name, key in self.enrolled.items()]
        known += [(each.name, fingerprint(each.public_key)) for each in people]
        for name, other in known:
            if event.station == name:
                raise Refused(Control.STATION, f"{name} is there already; name another station.")
            if mark == other:
                raise Refused(
                    Control.STATION,
                    f"This is the key of {name}. Make a key pair in the station itself.",
                )
        self._journal.put(self.enrolled, event.station, event.public_key)

    def withdraw(self, station: str) -> None:
        """Take a station out."""
        self.require_enrolled(station)
        self._journal.drop(self.enrolled, station)

    def every(self) -> tuple[str, ...]:
        """Return the names of all that are enrolled, or raise (STATION) when none is."""
        if not self.enrolled:
            raise Refused(
                Control.STATION, "No station is enrolled: hold ceremonies/enrol-station.yaml first."
            )
        return tuple(sorted(self.enrolled))

    def require_enrolled(self, station: str) -> None:
        """Require that a station is enrolled (STATION)."""
        if station not in self.enrolled:
            raise Refused(
                Control.STATION,
                f"There is no enrolled station {station}. 'kif station list' lists them; "
                "ceremonies/enrol-station.yaml enrols one.",
            )

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
        """Require that a station is enrolled and not stopped (STATION)."""
        self.require_enrolled(station)
        if self.failures.get(station, 0) >= MOST:
            raise Refused(
                Control.STATION,
                f"{station} is stopped: {MOST} blanks in a row failed before any key was sent. "
                "Look at the blanks (vendor, key version) and at the reader; then two people "
                f"resume it with 'kif station resume {station}'.",
            )

    def encode(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"enrolled": self.enrolled, "failures": self.failures}

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.enrolled, self.failures = dict(fields["enrolled"]), dict(fields["failures"])
