"""The custodians' desk: the inventory of keys, and the states that they move along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.formats.text import for_the_record
from kif.ledger.events.key import KeyStateChanged
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.interface import KeyView
from kif.oracle.rows import move_keys


@dataclass(frozen=True)
class Custody:
    """Implements :class:`kif.oracle.interface.CustodyOracle`."""

    desk: Desk

    def inventory(self) -> Sequence[KeyView]:
        """Return every key, by reference."""
        with self.desk.record.deciding() as state:
            return [
                KeyView(key, each.usage, each.algorithm, each.kcv, each.state)
                for key, each in sorted(state.keys.known.items())
            ]

    def change_state(self, key: KeyRef, to: KeyState, reason: str) -> KeyView:
        """Move a key along its states; a destroyed one leaves the token once that is durable."""

        def work(step: Step) -> KeyView:
            step.record(KeyStateChanged(step.by, key, to, for_the_record(reason)))
            move_keys(step, (key,))
            entry = step.state.keys.require(key)
            return KeyView(key, entry.usage, entry.algorithm, entry.kcv, entry.state)

        view = self.desk.record.write(work)
        if to is KeyState.DESTROYED:
            self.desk.keys.destroy(key)
        return view
