"""The custodians' desk: the inventory of keys, and the states that they move along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.formats.text import for_the_record
from kif.ledger.batch import Batch
from kif.ledger.events.key import KeyCompromised, KeyStateChanged, KeySuperseded
from kif.ledger.state import State
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.messages import KeyView
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

    def certificates(self) -> Mapping[KeyRef, IssuerCertificate]:
        """Return the certificate that a scheme gave, of each issuer's key that has one."""
        with self.desk.record.deciding() as state:
            return dict(sorted(state.schemes.certificates.items()))

    def change_state(self, key: KeyRef, to: KeyState, reason: str) -> KeyView:
        """Move a key along its states; a destroyed one leaves the token once that is durable."""

        def work(step: Step) -> KeyView:
            now = step.state.keys.require(key).state
            if to is KeyState.DESTROYED and now in (KeyState.ACTIVE, KeyState.SUSPENDED):
                first = KeyState.DEACTIVATED
                step.record(KeyStateChanged(step.by, key, first, for_the_record(reason)))
            step.record(KeyStateChanged(step.by, key, to, for_the_record(reason)))
            move_keys(step, (key,))
            entry = step.state.keys.require(key)
            return KeyView(key, entry.usage, entry.algorithm, entry.kcv, entry.state)

        view = self.desk.record.write(work)
        if to is KeyState.DESTROYED:
            self.desk.keys.destroy(key)
        return view

    def state(self, key: KeyRef) -> KeyState:
        """Return the state of a key. Raises ``BadInput`` (KEY_FOUND)."""
        with self.desk.record.deciding() as state:
            return state.keys.require(key).state

    def supersede(self, key: KeyRef) -> Sequence[Batch]:
        """Have a key end with the ceremony; return the batches for which it goes on instead."""

        def work(step: Step) -> list[Batch]:
            depending = step.state.batches.depending(key)
            step.record(KeySuperseded(step.by, key, tuple(depending)))
            return [step.state.batches.known[each] for each in depending]

        return self.desk.record.write(work)

    def impact(self, key: KeyRef) -> Impact:
        """Return what depends on a key."""
        with self.desk.record.deciding() as state:
            return _impact(state, key)

    def compromise(self, key: KeyRef, reason: str) -> None:
        """Declare a key compromised, with every batch that depends on it."""

        def work(step: Step) -> None:
            impact = _impact(step.state, key)
            batches = tuple(each.id for each in impact.batches)
            told = for_the_record(reason)
            step.record(KeyCompromised(step.by, key, tuple(impact.keys), batches, told))
            move_keys(step, (key,))

        self.desk.record.write(work)


@dataclass(frozen=True)
class Impact:
    """What depends on a key."""

    batches: Sequence[Batch]
    keys: Sequence[KeyRef]
    """Those that came or left under it."""
    backups: Sequence[KeyRef]
    """The quorums whose backup holds it, as far as it is in use."""


def _impact(state: State, key: KeyRef) -> Impact:
    batches = [state.batches.known[each] for each in state.batches.made_with(key)]
    return Impact(batches, state.exchange.under.get(key, ()), state.custody.backups_of(key))
