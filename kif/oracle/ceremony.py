"""The ceremonies' desk: what is recorded, and what the HSM does, as a ceremony goes along its plan.

A key's entry is durable before its object stands in the token. Whatever ends the process leaves the
ceremony at its step; it is resumed there, or aborted. What an interrupted step had made goes from
the token before the record says so: no key without a record, no record without a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kif.formats.control import Control
from kif.formats.error import BadInput, KifError, Refused
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.purpose import PAIRS, purpose_of
from kif.formats.secret import Secret
from kif.formats.state import KeyState
from kif.formats.text import for_the_record
from kif.hsm.component import Combination, component_kcv, draw_component
from kif.hsm.form import drawn_master
from kif.hsm.key import Algorithm
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.approval import CEREMONY
from kif.ledger.event import Event
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyAttested,
    CeremonyBegun,
    CeremonyClosed,
    CeremonyDeviated,
    CeremonyResumed,
    KeyGenerated,
    PlanApproved,
    Role,
    StepDone,
)
from kif.ledger.events.custody import OfficerOpened
from kif.ledger.events.key import ComponentEntered, ComponentGiven, KeyFormed
from kif.ledger.plan import Plan
from kif.ledger.running import Running
from kif.oracle.custody import Custody
from kif.oracle.desk import Desk
from kif.oracle.exchange import Exchange
from kif.oracle.group import Step
from kif.oracle.masters import enter_master
from kif.oracle.packages import PackageDesk
from kif.oracle.privacy import Privacy
from kif.oracle.quorums import Quorums
from kif.oracle.rows import forget_keys, move_keys, move_site
from kif.oracle.staff import Staff
from kif.oracle.stations import Stations
from kif.oracle.succession import Succession


@dataclass(frozen=True)
class Ceremonies:
    """The desk of whoever holds a ceremony on a site that stands."""

    desk: Desk
    quorums: Quorums
    succession: Succession
    staff: Staff
    custody: Custody
    privacy: Privacy
    packages: PackageDesk
    stations: Stations
    exchange: Exchange
    officers: tuple[str, ...] = ()
    """The custodians who opened the security officer's PIN with the token, if any did."""
    _combinations: dict[KeyRef, Combination] = field(default_factory=dict)

    def standing(self) -> Running | None:
        """Return the ceremony that is not closed, if there is one."""
        with self.desk.record.deciding() as state:
            return state.ceremonies.running

    def running(self) -> Running:
        """Return the ceremony that is not closed. Raises ``Refused`` (CEREMONY)."""
        with self.desk.record.deciding() as state:
            return state.ceremonies.require_running()

    def of_role(self, role: Role) -> Sequence[str]:
        """Return the names of the people who have a role."""
        with self.desk.record.deciding() as state:
            return state.people.of_role(role)

    def begin(
        self,
        plan: Plan,
        subject: str,
        custodians: Sequence[str],
        witnesses: Sequence[str],
        named: KeyRef | None = None,
    ) -> None:
        """Begin a ceremony with those who take part, beside the two who opened the token.

        ``named`` is the key that it is about, for a plan that has one named.
        """

        def work(step: Step) -> None:
            uses = step.state.ceremonies.beginning.next_uses(plan, subject)
            uses += () if named is None else (named,)
            keys = step.state.ceremonies.beginning.next_keys(plan, subject)
            people = (tuple(custodians), tuple(witnesses))
            step.record(CeremonyBegun(step.by, plan.text, subject, *people, keys, uses))

        self.desk.record.write(work)

    def approve(self, person: str, signature: str) -> None:
        """Take somebody's SSH signature over the statement of the running ceremony."""
        statement = self.running().statement().decode()
        self._record(PlanApproved(person, statement, signature))

    def miss(self, person: str, wrong: KifError) -> None:
        """Record that somebody's attempt in the open step was not taken."""
        self._record(self.running().missed(person, wrong))

    def deviate(self, reason: str, signatures: Mapping[str, str]) -> None:
        """Record a deviation that two of those present have signed."""
        at = self.running().done + 1
        people, given = tuple(signatures), tuple(signatures.values())
        self._record(CeremonyDeviated(at, reason, people, given))

    def done(self) -> None:
        """Take the open step as done."""
        self._record(StepDone(self.running().done + 1))

    def enter(
        self,
        key: KeyRef,
        algorithm: Algorithm,
        person: str,
        number: int,
        component: Secret,
        check_value: str,
    ) -> Kcv:
        """Fold a component in, whose check value (hex) is its sheet's; return that.

        Raises ``BadInput`` (COMPONENT) when it is not.
        """
        kcv = _checked(self.desk.keys.token, algorithm, component, check_value)
        self._fold(ComponentEntered(person, key, number, str(kcv)), algorithm, component)
        return kcv

    def draw(self, algorithm: Algorithm) -> tuple[Secret, Kcv]:
        """Draw a component in the HSM; return it with its check value."""
        component = draw_component(self.desk.keys.token, algorithm)
        return component, component_kcv(self.desk.keys.token, algorithm, component)

    def give(
        self,
        key: KeyRef,
        algorithm: Algorithm,
        person: str,
        number: int,
        component: Secret,
        kcv: Kcv,
    ) -> None:
        """Fold a component in that was drawn, and that a custodian has on a sheet."""
        self._fold(ComponentGiven(person, key, number, str(kcv)), algorithm, component)

    def _fold(
        self, event: ComponentEntered | ComponentGiven, algorithm: Algorithm, component: Secret
    ) -> None:
        self._record(event)
        if event.key not in self._combinations:
            self._combinations[event.key] = Combination(self.desk.keys.token, algorithm)
        self._combinations[event.key].enter(component)

    def form(self, key: KeyRef, algorithm: Algorithm, years: int | None) -> Kcv:
        """Form a key of its components inside the token; return its check value.

        ``years`` is its cryptoperiod from now, if it has one. Raises ``Refused`` (KEY_WEAK) for a
        weak one, and leaves nothing.
        """
        combination = self._combinations.pop(key)
        try:
            combination.require_strong()
            usage = purpose_of(key).usage
            values = combination.check_values(Usage(usage))
            kcv, derived = str(values.kcv), str(values.derived)
            made = (key, usage, algorithm.value, kcv, derived)
            enter_master(
                self.desk, key, years, lambda step, until: KeyFormed(step.by, *made, until)
            )
            combination.form(str(key), Usage(usage))
        finally:
            combination.close()
        return values.kcv

    def generate(self, key: KeyRef, algorithm: str, years: int | None) -> Kcv:
        """Generate a key inside the token; return its check value."""
        token, usage = self.desk.keys.token, purpose_of(key).usage
        if key.purpose in PAIRS:
            return self.exchange.generate_pair(key, algorithm, years)
        with drawn_master(token, Algorithm(algorithm), Usage(usage)) as drawn:
            kcv, derived = str(drawn.values.kcv), str(drawn.values.derived)
            made = (key, usage, algorithm, kcv, derived, None)
            enter_master(self.desk, key, years, lambda _, until: KeyGenerated(*made, until))
            drawn.form(str(key))
        return drawn.values.kcv

    def resume(self) -> None:
        """Go on with an interrupted ceremony, at the beginning of its step."""
        running = self.running()
        self._forget_components()
        for key in running.made_here:
            self.desk.keys.destroy(key)

        def work(step: Step) -> None:
            step.record(CeremonyResumed(running.done + 1, running.made_here))
            if self.officers:
                step.record(OfficerOpened(self.officers))
            forget_keys(step, running.made_here)

        self.desk.record.write(work)

    def attestation(self) -> bytes:
        """Return what everyone signs at the end: the head of the log, as it is signed now."""
        with self.desk.record.deciding() as state:
            return state.ceremonies.require_running().attestation(state.head)

    def verify(self, person: str, statement: bytes, signature: str) -> None:
        """Verify somebody's signature. Raises ``Refused`` or ``BadInput`` (APPROVAL_SIGNATURE)."""
        with self.desk.record.deciding() as state:
            state.people.verify(person, CEREMONY, statement.decode(), signature)

    def close(
        self, signatures: Mapping[str, str], misses: Sequence[tuple[str, KifError]] = ()
    ) -> None:
        """Close the ceremony with everyone's signature over its end: its keys are active."""
        running, statement = self.running(), self.attestation()

        def work(step: Step) -> list[KeyRef]:
            before = [key for made in running.made for key in step.state.keys.in_use_before(made)]
            record_closing(step, statement, signatures, misses)
            move_keys(step, (*running.made, *before))
            move_site(step)
            known = step.state.keys.known
            return [key for key in before if known[key].state is KeyState.DESTROYED]

        for key in self.desk.record.write(work):
            self.desk.keys.destroy(key)

    def abort(self, reason: str) -> None:
        """End the running ceremony; what it made is destroyed."""
        self._forget_components()
        running = self.running()

        def work(step: Step) -> None:
            sentence = for_the_record(reason)
            step.record(CeremonyAborted(step.by, running.name, running.done + 1, sentence))
            move_keys(step, running.made)

        self.desk.record.write(work)
        with self.desk.record.deciding() as state:
            used = {
                key for key, entry in state.keys.known.items() if entry.state is KeyState.ACTIVE
            }
        for key in set(running.keys) - used:
            self.desk.keys.destroy(key)

    def _record(self, event: Event) -> None:
        self.desk.record.write(lambda step: step.record(event))

    def open_officer(self) -> tuple[str, ...]:
        """Record who opened the security officer's PIN. Raises ``Refused`` (SEAL) if nobody did."""
        if not self.officers:
            raise Refused(
                Control.SEAL,
                "The security officer's PIN was not opened with the token. End here; 'kif ceremony "
                "resume' asks for it.",
            )
        self._record(OfficerOpened(self.officers))
        return self.officers

    def _forget_components(self) -> None:
        self.quorums.forget()
        for combination in self._combinations.values():
            combination.close()
        self._combinations.clear()


def record_closing(
    step: Step,
    statement: bytes,
    signatures: Mapping[str, str],
    misses: Sequence[tuple[str, KifError]],
) -> None:
    """Record the end of the running ceremony, whose head everyone has signed.

    ``misses`` came while they signed: recorded before, they would have moved the end.
    """
    running = step.state.ceremonies.require_running()
    for person, wrong in misses:
        step.record(running.missed(person, wrong))
    for person, signature in signatures.items():
        step.record(CeremonyAttested(person, statement.decode(), signature))
    step.record(CeremonyClosed(step.by, running.name))


def _checked(token: Token, algorithm: Algorithm, component: Secret, check_value: str) -> Kcv:
    kcv = component_kcv(token, algorithm, component)
    if kcv.value.hex().upper() != check_value.strip().upper():
        raise BadInput(
            Control.COMPONENT,
            f"The component's check value is {kcv}, but its sheet says another. It was not "
            "entered; read it from the sheet again.",
        )
    return kcv
