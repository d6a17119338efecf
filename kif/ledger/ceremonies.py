"""Ceremonies on the record: begun by a plan, gone through step by step, attested, closed.

1. Two operators open the token for a plan that can work, and name who takes part; 2. its steps come
in their order, and in each only what its action is about; 3. a step is done when everything that it
asks for has happened; 4. at the end everyone signs the head of the log, and the keys that were made
become active. Misses, deviations and interruptions stay on the record. A ceremony that is aborted
takes what it made with it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.ledger.approval import CEREMONY
from kif.ledger.beginning import Beginning
from kif.ledger.custody import Custody
from kif.ledger.event import Event
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyAttested,
    CeremonyBegun,
    CeremonyClosed,
    CeremonyDeviated,
    CeremonyResumed,
    GenesisBegun,
    PlanApproved,
    StepDone,
    StepMissed,
)
from kif.ledger.issuers import Issuers
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys
from kif.ledger.people import People, same_statement
from kif.ledger.plan import Plan
from kif.ledger.possible import check
from kif.ledger.running import Head, Running
from kif.ledger.steps import ACTIONS_OF, require, step_of, still_missing

_OF_NOBODY = ("appoint", "appoint-person", "enrol-station")
"""Actions in which somebody may miss who is not on the record."""


class Ceremonies:
    """The ceremony that is running, if one is: one at a time."""

    def __init__(
        self,
        journal: Journal,
        people: People,
        keys: Keys,
        issuers: Issuers,
        custody: Custody,
    ) -> None:
        self._journal, self._people, self._keys = journal, people, keys
        self._custody = custody
        self.beginning = Beginning(people, keys, issuers, custody)
        self.running: Running | None = None

    def begin_genesis(self, event: GenesisBegun) -> None:
        """Begin the ceremony that makes the site: nobody is appointed yet."""
        plan = Plan.decode(event.plan)
        require(plan.founds, f"The plan '{plan.ceremony}' makes no site.")
        check(plan)
        self._set(Running(plan, event.site, event.site))

    def begin(self, event: CeremonyBegun, site: str) -> None:
        """Begin a ceremony on the site, with those who take part, for keys that come next."""
        if self.running is not None:
            raise Refused(
                Control.CEREMONY,
                f"The ceremony '{self.running.name}' is running, at step {self.running.done + 1}; "
                "one at a time. Go on with it, or abort it.",
            )
        self._set(self.beginning.running(event, site))

    def take_step(self, kind: type[Event]) -> None:
        """Require that an event of a kind may stand in the open step, and count it."""
        actions = ACTIONS_OF.get(kind)
        if actions is None:
            return
        running = self.require_running()
        if running.open is None or running.open.action not in actions:
            at = "is at its end" if running.open is None else f"is at {step_of(running)}"
            those = "' or '".join(actions)
            raise Refused(
                Control.CEREMONY,
                f"The ceremony '{running.name}' {at}; {kind.kind} belongs to '{those}'.",
            )
        self.change(running, happened=running.happened + 1)

    def approve(self, event: PlanApproved) -> None:
        """Take a signature of somebody who takes part over the plan."""
        running = self.require_running()
        self.require_part(running, event.person)
        require(event.person not in running.approved, f"{event.person} has signed it already.")
        same_statement(event.statement, running.statement(), "this ceremony")
        self._people.verify(event.person, CEREMONY, event.statement, event.signature)
        self.change(running, approved=(*running.approved, event.person))

    def made(self, key: KeyRef) -> None:
        """Note that the open step made a key."""
        running = self.require_running()
        self.change(running, made=(*running.made, key), made_here=(*running.made_here, key))

    def miss(self, event: StepMissed) -> None:
        """Note an attempt that was not taken, of somebody who takes part in the open step."""
        running = self._at(event.step)
        if running.open is not None and running.open.action in _OF_NOBODY:
            return  # whoever could not be appointed is nobody yet, nor is a station one of them
        self.require_part(running, event.person)

    def deviate(self, event: CeremonyDeviated) -> None:
        """Note a deviation that two different people who take part have signed."""
        running = self._at(event.step)
        if len(set(event.people)) < len(event.people):
            raise Refused(Control.CUSTODIANS, "Two different people sign a deviation.")
        statement = running.deviation(event.step, event.reason).decode()
        for person, signature in zip(event.people, event.signatures, strict=True):
            self.require_part(running, person)
            self._people.verify(person, CEREMONY, statement, signature)

    def done(self, event: StepDone) -> None:
        """Take a step as done when everything that it asks for has happened."""
        running = self._at(event.step)
        step = running.plan.steps[running.done]
        missing = list(still_missing(running, step, self._keys, self._custody))
        require(not missing, f"{step_of(running).capitalize()} is not done: {'; '.join(missing)}.")
        self.change(
            running,
            done=running.done + 1,
            entered=(),
            made_here=(),
            happened=0,
            moved=(),
            carried=False,
        )

    def resume(self, event: CeremonyResumed) -> None:
        """Go on at the beginning of the open step; what it had made is taken back."""
        running = self._at(event.step)
        require(
            event.undone == running.made_here,
            "What is made again is exactly what the interrupted step had made.",
        )
        self._keys.unmade(event.undone)
        self._forget_entered(running)
        left = tuple(key for key in running.made if key not in event.undone)
        self.change(running, made=left, made_here=(), entered=(), attested=(), happened=0)

    def attest(self, event: CeremonyAttested, head: Head) -> None:
        """Take a signature of somebody who takes part over the head of the log."""
        running = self.require_running()
        self.require_part(running, event.person)
        attested = running.attested if running.head == head else ()
        require(event.person not in attested, f"{event.person} has signed the end already.")
        same_statement(event.statement, running.attestation(head), "the end of this ceremony")
        self._people.verify(event.person, CEREMONY, event.statement, event.signature)
        self.change(running, attested=(*attested, event.person), head=head)

    def close(self, event: CeremonyClosed) -> None:
        """Close the ceremony when everyone has signed its end: its keys are active."""
        running = self._named(event.ceremony)
        missing = [name for name in running.everyone if name not in running.attested]
        require(not missing, f"{', '.join(missing)} did not sign the end of the ceremony.")
        self._keys.step_all(running.made, KeyState.ACTIVE)
        self._keys.supersede(running.made)
        self._keys.end(running.ending)
        self._set(None)

    def require_lasting(self, key: KeyRef) -> None:
        """Require that a key does not end with the ceremony that is running (KEY_STATE)."""
        if self.running is not None and key in self.running.ending:
            raise Refused(
                Control.KEY_STATE,
                f"{key} ends with the ceremony '{self.running.name}', which is running. Prepare "
                "the batch when that is closed.",
            )

    def abort(self, event: CeremonyAborted) -> None:
        """End the ceremony; the keys that it made are never used."""
        running = self._named(event.ceremony)
        self._at(event.step)
        self._keys.step_all(running.made, KeyState.DESTROYED)
        self._forget_entered(running)
        self._set(None)

    def require_running(self) -> Running:
        """Return the running ceremony, or raise ``Refused`` (CEREMONY)."""
        if self.running is None:
            raise Refused(Control.CEREMONY, "No ceremony is running; begin it first.")
        return self.running

    def require_part(self, running: Running, person: str) -> None:
        """Require that somebody takes part in the ceremony (CUSTODIANS)."""
        if person not in running.everyone:
            raise Refused(
                Control.CUSTODIANS,
                f"{person} does not take part in the ceremony '{running.name}'.",
            )

    def making(self, key: KeyRef, algorithm: str = "") -> Running:
        """Return the running ceremony, whose open step makes this key; of its ``algorithm``."""
        running = self.require_running()
        step = running.open
        wanted = [running.key(purpose) for purpose in step.makes] if step else []
        told = " and ".join(map(str, wanted))
        require(key in wanted, f"{step_of(running).capitalize()} makes {told}, not {key}.")
        planned = step.values.get("algorithm", algorithm) if step else algorithm
        require(
            not algorithm or algorithm == planned,
            f"{step_of(running).capitalize()} makes a key of {planned}, not of {algorithm}.",
        )
        return running

    def _forget_entered(self, running: Running) -> None:
        """Let go of a key whose parts were entered in a step that is not done."""
        for key, _, _ in running.entered:
            if key not in running.made or key in running.made_here:
                self._custody.unmake(str(key))

    def _named(self, name: str) -> Running:
        running = self.require_running()
        require(running.name == name, f"The ceremony '{running.name}' is running, not '{name}'.")
        return running

    def _at(self, step: int) -> Running:
        running = self.require_running()
        require(
            step == running.done + 1 <= len(running.plan.steps),
            f"The ceremony '{running.name}' is at {step_of(running)}, not at step {step}.",
        )
        return running

    def change(self, running: Running, **fields: Any) -> None:
        """Set fields of the running ceremony."""
        self._set(dataclasses.replace(running, **fields))

    def _set(self, running: Running | None) -> None:
        self._journal.set(self, "running", running)

    def encode(self) -> dict[str, Any] | None:
        """Return the running ceremony as JSON values."""
        return None if self.running is None else self.running.encode()

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.running = None if fields is None else Running.restore(fields)
