"""The desk of packages: bags that are closed and opened before everyone's eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kif.ledger.events.custody import PackageClosed, PackageOpened
from kif.oracle.desk import Desk


@dataclass(frozen=True)
class PackageDesk:
    """What a ceremony asks for about bags."""

    desk: Desk

    def count(self) -> int:
        """Return how many bags are on the record."""
        with self.desk.record.deciding() as state:
            return len(state.packages.known)

    def closed_of(self, person: str) -> Sequence[str]:
        """Return the numbers of somebody's bags that are closed."""
        with self.desk.record.deciding() as state:
            return state.packages.closed_of(person)

    def is_closed_here(self, person: str) -> bool:
        """Return whether somebody closed a package in the open step, before an interruption."""
        with self.desk.record.deciding() as state:
            return person in state.ceremonies.require_running().moved

    def close(self, person: str, bag: str, what: str, place: str) -> None:
        """Record a bag that was closed."""
        self.desk.record.write(lambda step: step.record(PackageClosed(person, bag, what, place)))

    def open(self, person: str, bag: str) -> None:
        """Record a bag that was opened."""
        self.desk.record.write(lambda step: step.record(PackageOpened(person, bag)))
