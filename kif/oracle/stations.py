"""The desk of stations: which are enrolled, with which key, and which are stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kif.formats.sshkey import SshKey
from kif.formats.text import for_the_record
from kif.ledger.events.ceremony import StationEnrolled
from kif.ledger.events.site import StationResumed, StationWithdrawn
from kif.ledger.state import State
from kif.ledger.stations import MOST
from kif.oracle.desk import Desk
from kif.oracle.messages import StationView


@dataclass(frozen=True)
class Stations:
    """Implements :class:`kif.oracle.interface.StationsOracle`."""

    desk: Desk

    def all(self) -> Sequence[StationView]:
        """Return every enrolled station, by name."""
        with self.desk.record.deciding() as state:
            return stations_of(state)

    def enrol(self, name: str, public_key: str) -> None:
        """Enrol a station, in the ceremony that is about it. Raises ``Refused`` (STATION)."""
        self.desk.record.write(lambda step: step.record(StationEnrolled(step.by, name, public_key)))

    def withdraw(self, name: str, reason: str) -> None:
        """Take a station out: nothing is made at it from here on. Raises ``Refused`` (STATION)."""
        told = for_the_record(reason)
        self.desk.record.write(lambda step: step.record(StationWithdrawn(step.by, name, told)))

    def resume(self, name: str, reason: str) -> None:
        """Let a station go on that was stopped because its blanks kept failing."""
        told = for_the_record(reason)
        self.desk.record.write(lambda step: step.record(StationResumed(step.by, name, told)))


def stations_of(state: State) -> list[StationView]:
    """Return every enrolled station of a state, by name."""
    return [
        StationView(
            name,
            SshKey.parse(key).fingerprint,
            stopped=state.stations.failures.get(name, 0) >= MOST,
        )
        for name, key in sorted(state.stations.enrolled.items())
    ]
