"""The custodians' desk: key ceremonies on a site that stands, and the states of its keys.

A key's entry is durable before its object stands in the token, and its state before it goes. A
ceremony that ends in between, by whatever, is aborted at the next opening, and takes with it what
it formed: no key without a record, no record without a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.purpose import purpose_of
from kif.formats.secret import Secret
from kif.formats.state import KeyState
from kif.formats.text import for_the_record
from kif.hsm.component import Combination, component_kcv
from kif.hsm.key import Algorithm
from kif.hsm.token import Token
from kif.ledger.events.ceremony import PlanApproved, Role
from kif.ledger.events.key import (
    ComponentEntered,
    Deviation,
    KeyCeremonyAborted,
    KeyCeremonyBegun,
    KeyCeremonyClosed,
    KeyFormed,
    KeyStateChanged,
)
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.interface import KeyView
from kif.oracle.rows import key_row, move_keys


@dataclass(frozen=True)
class Custody:
    """Implements :class:`kif.oracle.interface.CustodyOracle`."""

    desk: Desk
    _combinations: dict[KeyRef, Combination] = field(default_factory=dict)

    def custodians(self) -> Sequence[str]:
        """Return the names of the site's custodians."""
        with self.desk.record.deciding() as state:
            return state.people.of_role(Role.CUSTODIAN)

    def inventory(self) -> Sequence[KeyView]:
        """Return every key, by reference."""
        with self.desk.record.deciding() as state:
            return [
                KeyView(key, each.usage, each.algorithm, each.kcv, each.state)
                for key, each in sorted(state.keys.known.items())
            ]

    def begin(
        self, ceremony: str, plan: str, owner: str, purposes: Sequence[str]
    ) -> tuple[Sequence[KeyRef], bytes]:
        """Begin a ceremony for the next versions of these purposes of an owner.

        Return the keys, and the statement that each custodian signs (canonical JSON).
        """

        def work(step: Step) -> tuple[Sequence[KeyRef], bytes]:
            keys = tuple(step.state.keys.next_version(owner, each) for each in purposes)
            step.record(KeyCeremonyBegun(step.by, ceremony, plan, keys))
            return keys, step.state.ceremonies.require_running().statement()

        return self.desk.record.write(work)

    def approve(self, person: str, statement: bytes, signature: str) -> None:
        """Take a custodian's SSH signature over the statement."""
        event = PlanApproved(person, statement.decode(errors="replace"), signature)
        self.desk.record.write(lambda step: step.record(event))

    def enter(
        self,
        key: KeyRef,
        algorithm: str,
        person: str,
        number: int,
        component: Secret,
        check_value: str,
    ) -> Kcv:
        """Fold a component in, whose check value (hex) is its sheet's; return that.

        Raises ``BadInput`` (COMPONENT) when it is not; the slip is on the record then.
        """
        try:
            kcv = _checked(self.desk.keys.token, Algorithm(algorithm), component, check_value)
        except BadInput as wrong:
            self.slip(key, person, wrong)
            raise
        event = ComponentEntered(person, key, number, str(kcv))
        self.desk.record.write(lambda step: step.record(event))
        if key not in self._combinations:
            self._combinations[key] = Combination(self.desk.keys.token, Algorithm(algorithm))
        self._combinations[key].enter(component)
        return kcv

    def slip(self, key: KeyRef, person: str, wrong: BadInput) -> None:
        """Record that a custodian's entry was not one."""
        event = Deviation(person, key, wrong.control, for_the_record(wrong.sentence))
        self.desk.record.write(lambda step: step.record(event))

    def form(self, key: KeyRef, algorithm: str, years: int | None = None) -> Kcv:
        """Form a key of its components inside the token; return its check value.

        ``years`` is its cryptoperiod from now, if it has one. Raises ``Refused`` (KEY_WEAK) for a
        weak one, and leaves nothing.
        """
        combination = self._combinations.pop(key)
        try:
            combination.require_strong()
            values = combination.check_values()
            kcv, derived = str(values.kcv), str(values.derived)
            usage = purpose_of(key).usage

            def work(step: Step) -> None:
                until = None if years is None else _after(step.now, years)
                step.record(KeyFormed(step.by, key, usage, algorithm, kcv, derived, until))
                step.session.add(key_row(step.state, key))

            self.desk.record.write(work)
            combination.form(str(key))
        finally:
            combination.close()
        return values.kcv

    def close(self, ceremony: str) -> None:
        """Close the ceremony: its keys are active."""

        def work(step: Step) -> None:
            keys = step.state.ceremonies.require_running().keys
            step.record(KeyCeremonyClosed(step.by, ceremony))
            move_keys(step, keys)

        self.desk.record.write(work)

    def abort(self, reason: str) -> None:
        """End the running ceremony, if one is; what it formed is destroyed."""
        for combination in self._combinations.values():
            combination.close()
        self._combinations.clear()
        for key in self.desk.record.write(lambda step: aborted(step, reason)):
            self.desk.keys.destroy(key)

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


def _after(time: datetime, years: int) -> datetime:
    """Return the same moment some years later; of 29 February, a day before."""
    day = min(time.day, 28) if time.month == 2 else time.day
    return time.replace(year=time.year + years, day=day)


def _checked(token: Token, algorithm: Algorithm, component: Secret, check_value: str) -> Kcv:
    kcv = component_kcv(token, algorithm, component)
    if kcv.value.hex().upper() != check_value.strip().upper():
        raise BadInput(
            Control.COMPONENT,
            f"The component's check value is {kcv}, but its sheet says another. It was not "
            "entered; read it from the sheet again.",
        )
    return kcv


def aborted(step: Step, reason: str) -> Sequence[KeyRef]:
    """Abort the running ceremony within a work; return the keys that go with it."""
    running = step.state.ceremonies.running
    if running is None:
        return ()
    step.record(KeyCeremonyAborted(step.by, running.name, for_the_record(reason)))
    move_keys(step, running.formed)
    return running.formed
