"""Keys that come from another party, and leave to one, in a ceremony."""

from __future__ import annotations

from typing import Any

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import ZONE_MASTER
from kif.formats.state import KeyState
from kif.ledger.ceremonies import Ceremonies
from kif.ledger.events.key import KeyExported, KeyImported, KeyWrapped
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys


class Exchange:
    """What a running ceremony takes in and gives out, under the key of the zone or a public one."""

    def __init__(self, journal: Journal, ceremonies: Ceremonies, keys: Keys) -> None:
        self._journal, self._ceremonies, self._keys = journal, ceremonies, keys
        self.under: dict[KeyRef, tuple[KeyRef, ...]] = {}
        """Which keys came or left under a zone's master key."""

    def imported(self, event: KeyImported) -> None:
        """Enter a key that came in a block."""
        running = self._ceremonies.making(event.key, event.algorithm)
        expected = running.used(ZONE_MASTER)
        _require(event.under == expected, f"{expected} is the key that blocks come under here.")
        self._keys.formed(event)
        self._ceremonies.made(event.key)
        self._travelled(event.key, event.under)

    def exported(self, event: KeyExported) -> None:
        """Note that the key which was named left in a block."""
        running = self._ceremonies.require_running()
        expected = running.used(ZONE_MASTER)
        _require(
            event.under == expected != event.key,
            f"A key leaves under {expected}, which does not leave under itself.",
        )
        self._left(event.key)
        self._travelled(event.key, event.under)

    def wrapped(self, event: KeyWrapped) -> None:
        """Note that the key which was named left wrapped to a public key."""
        self._left(event.key)

    def _travelled(self, key: KeyRef, under: KeyRef) -> None:
        known = self.under.get(under, ())
        if key not in known:
            self._journal.put(self.under, under, (*known, key))

    def _left(self, key: KeyRef) -> None:
        running = self._ceremonies.require_running()
        _require(key == running.named, f"{running.named} is the key that this is about.")
        _require(self._keys.require(key).state is KeyState.ACTIVE, f"{key} is not active.")
        _require(bool(running.officers), "The security officer's PIN is not opened.")
        self._ceremonies.change(running, carried=True)

    def encode(self) -> dict[str, list[str]]:
        """Return everything as JSON values."""
        return {str(under): list(map(str, keys)) for under, keys in self.under.items()}

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.under = {
            KeyRef.parse(under): tuple(map(KeyRef.parse, keys)) for under, keys in fields.items()
        }


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise Refused(Control.EXCHANGE, sentence)
