"""What vendors delivered: of a vendor that registers its blanks, no others get a key."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from kif.formats.control import Control
from kif.formats.error import DeviceFailed, Refused
from kif.formats.purpose import CARD_MANAGER
from kif.ledger.chips import SIZE, Chips
from kif.ledger.events.site import BlanksDelivered
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys


@dataclass(frozen=True)
class Delivery:
    """A delivery: whose, its number, and the serials of its chips, one after another."""

    vendor: str
    name: str
    chips: bytes

    def __iter__(self) -> Iterator[bytes]:
        return (self.chips[at : at + SIZE] for at in range(0, len(self.chips), SIZE))

    def __len__(self) -> int:
        return len(self.chips) // SIZE


class Deliveries:
    """Every delivery, and the chips that each vendor delivered."""

    def __init__(self, journal: Journal, keys: Keys) -> None:
        self._journal, self._keys = journal, keys
        self.known: dict[tuple[str, str], Delivery] = {}
        self._chips: dict[str, Chips] = {}
        """Those of each vendor that delivered any."""

    def register(self, event: BlanksDelivered, used: Chips) -> None:
        """Take a delivery that is not there yet, of blanks that nobody delivered or used."""
        if not any((k.owner, k.purpose) == (event.vendor, CARD_MANAGER) for k in self._keys.known):
            raise _refused(f"{event.vendor} is no vendor whose keys are here")
        delivery = Delivery(event.vendor, event.delivery, bytes.fromhex(event.chips))
        if (event.vendor, event.delivery) in self.known:
            raise _refused(f"{event.vendor}'s delivery {event.delivery} is registered already")
        serials = list(delivery)
        if len(set(serials)) < len(serials):
            raise _refused("a serial is in it twice")
        for serial in serials:
            if serial in used or any(serial in chips for chips in self._chips.values()):
                raise _refused(f"the blank {serial.hex().upper()} was delivered or used before")
        self._journal.put(self.known, (event.vendor, event.delivery), delivery)
        if event.vendor not in self._chips:
            self._journal.put(self._chips, event.vendor, Chips())
        for serial in serials:
            self._chips[event.vendor].add(serial, self._journal)

    def require(self, vendor: str, chip: bytes) -> None:
        """Require a blank that its vendor delivered, if that vendor registers its deliveries."""
        delivered = self._chips.get(vendor)
        if delivered is not None and chip not in delivered:
            raise DeviceFailed(
                Control.CARD_DELIVERED,
                f"The card {chip.hex().upper()} is of no delivery of {vendor}. No key was sent; "
                "put it in the reject box, and find out where it comes from.",
            )

    def settle(self) -> None:
        """Keep what came compactly. Nothing is taken back after it."""
        for chips in self._chips.values():
            chips.settle()

    def encode(self) -> list[list[str]]:
        """Return every delivery as JSON values."""
        return [
            [each.vendor, each.name, base64.b64encode(each.chips).decode()]
            for each in self.known.values()
        ]

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        for vendor, name, chips in fields:
            self.known[vendor, name] = Delivery(vendor, name, base64.b64decode(chips))
        for vendor in {vendor for vendor, _ in self.known}:
            there = [each for (owner, _), each in self.known.items() if owner == vendor]
            self._chips[vendor] = Chips(b"".join(sorted(chain.from_iterable(there))))


def _refused(why: str) -> Refused:
    return Refused(Control.CARD_DELIVERED, f"The delivery is not taken: {why}. Nothing was noted.")
