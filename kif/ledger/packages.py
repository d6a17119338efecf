"""Packages: what each custodian keeps, in which bag, where; a bag is used once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.ledger.events.custody import PackageClosed, PackageOpened
from kif.ledger.journal import Journal


@dataclass(frozen=True)
class Package:
    """A bag: whose it is, what is in it, where it is kept, and whether it was opened."""

    person: str
    what: str
    place: str
    opened: bool = False


class Packages:
    """Every bag by its number."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.known: dict[str, Package] = {}

    def close(self, event: PackageClosed) -> None:
        """Note a bag that was closed. Raises ``BadInput`` (PACKAGE) for a number that was used."""
        if event.bag in self.known:
            raise BadInput(
                Control.PACKAGE,
                f"The bag {event.bag} was used before, by {self.known[event.bag].person}. A bag is "
                "used once: compare the number, or take another.",
            )
        package = Package(event.person, event.what, event.place)
        self._journal.put(self.known, event.bag, package)

    def open(self, event: PackageOpened) -> None:
        """Note a bag that was opened. Raises ``BadInput`` (PACKAGE) for another than was closed."""
        package = self.known.get(event.bag)
        if package is None or package.opened or package.person != event.person:
            raise BadInput(
                Control.PACKAGE,
                f"There is no closed bag {event.bag} of {event.person} on the record. Don't open "
                "it: compare its number and its seal once more.",
            )
        self._journal.put(self.known, event.bag, replace(package, opened=True))

    def closed_of(self, person: str) -> list[str]:
        """Return the numbers of somebody's bags that are closed."""
        return [
            bag for bag, each in self.known.items() if each.person == person and not each.opened
        ]

    def encode(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {bag: vars(each) for bag, each in self.known.items()}

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.known = {bag: Package(**each) for bag, each in fields.items()}
