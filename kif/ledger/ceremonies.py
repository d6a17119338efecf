"""Ceremonies on the record: begun by a plan, gone through step by step, attested, closed.

1. Two operators open the token for a plan that can work, and name who takes part; 2. its steps come
in their order, and in each only what its action is about; 3. a step is done when everything that it
asks for has happened; 4. at the end everyone signs the head of the log, and the keys that were made
become active. Misses, deviations and interruptions stay on the record. A ceremony that is aborted
takes what it made with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import BACKUP_KEK, LOG_SIGNER, purpose_of
from kif.formats.state import KeyState
from kif.ledger.approval import CEREMONY
from kif.ledger.custody import Custody
from kif.ledger.event import Event
from kif.ledger.events import ceremony as of_ceremony
from kif.ledger.events import custody as of_custody
from kif.ledger.events import key as of_key
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyAttested,
    CeremonyBegun,
    CeremonyClosed,
    CeremonyDeviated,
    CeremonyResumed,
    GenesisBegun,
    PersonReleased,
    PinSealed,
    PlanApproved,
    Role,
    StepDone,
    StepMissed,
)
from kif.ledger.issuers import Issuers
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys
from kif.ledger.people import People, same_statement
from kif.ledger.plan import About, Plan, Step
from kif.ledger.possible import check
from kif.ledger.running import Head, Running

_PLANS = {KeyState.DESTROYED: "destroy-key", KeyState.COMPROMISED: "compromise"}
_ACTIONS_OF: dict[type[Event], tuple[str, ...]] = {
    of_ceremony.PersonAppointed: ("appoint", "appoint-person"),
    of_ceremony.PlanApproved: ("approve",),
    of_ceremony.PinSealed: ("seal", "reseal"),
    of_ceremony.TokenMade: ("make-token",),
    of_ceremony.KeyGenerated: ("generate", "renew", "generate-key"),
    of_ceremony.CertificateIssued: ("certify", "renew"),
    of_ceremony.PersonReleased: ("release-person",),
    of_custody.QuorumRetired: ("retire-quorum",),
    of_ceremony.LogSignerReplaced: ("replace-log-signer",),
    of_key.ComponentEntered: ("form",),
    of_key.KeyFormed: ("form",),
    of_key.KeyCompromised: ("declare-compromise",),
    of_custody.ShareGiven: ("make-quorum",),
    of_custody.QuorumMade: ("make-quorum",),
    of_custody.ShareEntered: ("back-up", "drill", "restore"),
    of_custody.PackageClosed: ("bag",),
    of_custody.PackageOpened: ("unbag",),
    of_custody.MastersRestored: ("restore",),
    of_custody.BackupMade: ("back-up",),
    of_ceremony.SiteFounded: ("close",),
    of_ceremony.CeremonyAttested: ("close",),
    of_ceremony.CeremonyClosed: ("close",),
}
"""The actions in whose steps an event may stand; others are not bound to a ceremony."""


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
        self._journal, self._people, self._keys, self._issuers = journal, people, keys, issuers
        self._custody = custody
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
        plan = Plan.decode(event.plan)
        require(not plan.founds, "A site has one genesis.")
        check(plan)
        self._require_subject(plan, event.subject)
        people = self._taking_part(plan, event)
        self._require_used(plan, event)
        expected = self.next_keys(plan, event.subject)
        require(
            event.keys == expected,
            f"The plan makes {', '.join(map(str, expected)) or 'no key'} next, not "
            f"{', '.join(map(str, event.keys)) or 'none'}.",
        )
        running = Running(plan, site, event.subject, event.keys, event.uses, people)
        self._custody.require_possible(running.assignments())
        self._set(running)

    def next_keys(self, plan: Plan, subject: str) -> tuple[KeyRef, ...]:
        """Return the keys that a plan would make now, in its order."""
        return tuple(self._keys.next_version(subject, purpose) for purpose in plan.made())

    def next_uses(self, plan: Plan, subject: str) -> tuple[KeyRef, ...]:
        """Return the keys that a plan would be about now; one that is named comes after them."""
        return tuple(self._keys.in_use(subject, purpose) for purpose in plan.used())

    def take_step(self, kind: type[Event]) -> None:
        """Require that an event of a kind may stand in the open step, and count it."""
        actions = _ACTIONS_OF.get(kind)
        if actions is None:
            return
        running = self.require_running()
        if running.open is None or running.open.action not in actions:
            at = "is at its end" if running.open is None else f"is at {_step(running)}"
            those = "' or '".join(actions)
            raise Refused(
                Control.CEREMONY,
                f"The ceremony '{running.name}' {at}; {kind.kind} belongs to '{those}'.",
            )
        self.change(running, happened=running.happened + 1)

    def appointed(self, name: str, role: Role) -> None:
        """Note that somebody was appointed, who takes part from here on."""
        running = self.require_running()
        if not running.plan.founds:
            self._one_moves(running, role)
            self.change(running, moved=(name,))
            running = self.require_running()
        self.change(running, people=(*running.people, (name, role.value)))

    def sealing(self, event: PinSealed) -> None:
        """Require that a PIN is sealed as the open step says."""
        step = self.require_running().open
        values = step.values if step else {}
        require(
            event.threshold == values["threshold"]
            and event.purpose == values.get("purpose", event.purpose),
            f"The plan has another seal than this one of the {event.purpose}.",
        )

    def released(self, event: PersonReleased) -> None:
        """Note that somebody's role has ended, who takes no part."""
        running = self.require_running()
        self._one_moves(running, event.role)
        require(
            event.person not in running.everyone,
            f"{event.person} takes part in this ceremony; somebody else is released in it.",
        )
        self.change(running, moved=(event.person,))

    def bagged(self, person: str) -> None:
        """Note that somebody who takes part has closed a package, the one of the open step."""
        running = self.require_running()
        self._require_part(running, person)
        require(person not in running.moved, f"{person} has closed a package in this step.")
        self.change(running, moved=(*running.moved, person))

    def _one_moves(self, running: Running, role: Role) -> None:
        step = running.open
        wanted = step.values["role"] if step else ""
        require(wanted == role.value, f"{_step(running).capitalize()} is about one {wanted}.")
        require(not running.moved, f"{_step(running).capitalize()} is about one person.")

    def approve(self, event: PlanApproved) -> None:
        """Take a signature of somebody who takes part over the plan."""
        running = self.require_running()
        self._require_part(running, event.person)
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
        if running.open is not None and running.open.action in ("appoint", "appoint-person"):
            return  # whoever could not be appointed is nobody yet
        self._require_part(running, event.person)

    def deviate(self, event: CeremonyDeviated) -> None:
        """Note a deviation that two different people who take part have signed."""
        running = self._at(event.step)
        if len(set(event.people)) < len(event.people):
            raise Refused(Control.CUSTODIANS, "Two different people sign a deviation.")
        statement = running.deviation(event.step, event.reason).decode()
        for person, signature in zip(event.people, event.signatures, strict=True):
            self._require_part(running, person)
            self._people.verify(person, CEREMONY, statement, signature)

    def done(self, event: StepDone) -> None:
        """Take a step as done when everything that it asks for has happened."""
        running = self._at(event.step)
        step = running.plan.steps[running.done]
        missing = list(self._missing(running, step))
        require(not missing, f"{_step(running).capitalize()} is not done: {'; '.join(missing)}.")
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
        self._require_part(running, event.person)
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
        self._set(None)

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

    def _missing(self, running: Running, step: Step) -> Iterator[str]:
        """Yield what a step still asks for."""
        match step.action:
            case "appoint":
                for role in Role:
                    count = len(running.of_role(role))
                    if count != running.plan.roles[role]:
                        yield f"{count} {role.plural} are appointed of {running.plan.roles[role]}"
            case "approve":
                left = [name for name in running.everyone if name not in running.approved]
                yield from (f"{name} has not signed" for name in left)
            case "generate":
                made = [key.purpose for key in running.made]
                yield from (
                    f"{name} is not there" for name in step.values["keys"] if name not in made
                )
            case "form" | "make-quorum" | "renew" | "generate-key":
                keys = map(running.key, step.makes)
                yield from (f"{key} is not made" for key in keys if key not in running.made)
            case "open-officer":
                if not running.officers:
                    yield "the security officer's PIN is not opened"
            case "back-up" | "restore":
                if not running.carried:
                    yield "the masters are not carried over"
            case "replace-log-signer":
                if running.key(LOG_SIGNER) not in self._keys.known:
                    yield "the log is signed by the key that it was signed by before"
            case "drill":
                read = {number for _, number, _ in running.entered}
                for number, person in self._custody.shares(running.used(BACKUP_KEK)).items():
                    if number not in read:
                        yield f"share {number} of {person} was not read"
            case "retire-quorum":
                if self._keys.require(running.used(BACKUP_KEK)).state is not KeyState.DESTROYED:
                    yield f"{running.used(BACKUP_KEK)} is still in use"
            case "appoint-person" | "release-person":
                if not running.moved:
                    yield "it is about nobody yet"
            case "change-key" | "declare-compromise":
                if not running.carried:
                    yield f"{running.named} is as it was before"
            case "bag":
                for person in running.of_role(Role.CUSTODIAN):
                    if person not in running.moved:
                        yield f"the package of {person} is not closed"
            case "unbag":
                pass
            case "close":
                yield "it is done by the closing itself"
            case _ if not running.happened and step.action != "open":
                yield "nothing has happened in it"

    def _taking_part(self, plan: Plan, event: CeremonyBegun) -> tuple[tuple[str, str], ...]:
        """Return everyone who takes part, each in one role and as many as the plan has."""
        people = []
        for role, names in event.taking_part.items():
            if len(set(names)) != len(names):
                raise Refused(Control.CUSTODIANS, f"Somebody is named twice as {role.value}.")
            if role is not Role.OPERATOR and len(names) != plan.roles[role]:
                raise Refused(
                    Control.CUSTODIANS,
                    f"The plan has {plan.roles[role]} {role.plural}, and {len(names)} take part.",
                )
            people += [(self._people.require(name, role).name, role.value) for name in names]
        return tuple(people)

    def _require_subject(self, plan: Plan, subject: str) -> None:
        if plan.about is About.ISSUER:
            self._issuers.require(subject)
        require(
            (plan.about is About.SITE) == (subject == "site"),
            f"A plan about {plan.about.value} is not held for {subject}.",
        )

    def _require_used(self, plan: Plan, event: CeremonyBegun) -> None:
        """Require that the keys stand that the plan is about; a drill has every holder."""
        purposes = list(plan.used())
        expected = self.next_uses(plan, event.subject)
        if plan.names_key:
            expected += self._named_key(event)
        require(
            event.uses == expected,
            f"The plan is about {', '.join(map(str, expected)) or 'no key'}.",
        )
        if any(step.action == "drill" for step in plan.steps):
            holders = self._custody.shares(expected[purposes.index(BACKUP_KEK)])
            if set(holders.values()) != set(event.custodians):
                raise Refused(
                    Control.CUSTODIANS,
                    f"A drill reads every share: {', '.join(holders.values())} hold them, and all "
                    "of them take part.",
                )

    def _named_key(self, event: CeremonyBegun) -> tuple[KeyRef]:
        """Return the key that was named, which is one of an issuer or a vendor."""
        require(bool(event.uses), "This plan is about a key: name it.")
        key = event.uses[-1]
        self._keys.require(key)
        require(purpose_of(key).formed, f"{key} is the site's own; this plan is not for it.")
        return (key,)

    def key_changed(self, key: KeyRef, state: KeyState) -> None:
        """Note a change of a key's state: a key is destroyed in a ceremony about it alone."""
        running = self.running
        step = None if running is None else running.open
        if running is not None and step is not None and step.action == "change-key":
            wanted = KeyState(step.values["state"])
            first = {KeyState.DEACTIVATED} if wanted is KeyState.DESTROYED else set()
            require(
                key == running.named and state in {wanted, *first},
                f"{_step(running).capitalize()} is about {running.named}, to be {wanted.value}.",
            )
            self.change(running, carried=state is wanted)
        elif state in (KeyState.DESTROYED, KeyState.COMPROMISED):
            raise Refused(
                Control.CEREMONY,
                f"A key becomes {state.value} in a ceremony, with custodians: hold 'kif ceremony "
                f"run' with ceremonies/{_PLANS[state]}.yaml and --key {key}.",
            )

    def compromised(self, key: KeyRef) -> None:
        """Note that the key which was named is compromised."""
        running = self.require_running()
        require(key == running.named, f"{running.named} is the key that this is about.")
        self.change(running, carried=True)

    def _require_part(self, running: Running, person: str) -> None:
        if person not in running.everyone:
            raise Refused(
                Control.CUSTODIANS,
                f"{person} does not take part in the ceremony '{running.name}'.",
            )

    def making(self, key: KeyRef) -> Running:
        """Return the running ceremony, whose open step makes this key."""
        running = self.require_running()
        step = running.open
        wanted = [running.key(purpose) for purpose in step.makes] if step else []
        told = " and ".join(map(str, wanted))
        require(key in wanted, f"{_step(running).capitalize()} makes {told}, not {key}.")
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
            f"The ceremony '{running.name}' is at {_step(running)}, not at step {step}.",
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


def _step(running: Running) -> str:
    action = "" if running.open is None else f" ({running.open.action})"
    return f"step {running.done + 1}{action}"


def require(holds: bool, sentence: str) -> None:
    """Raise ``Refused`` (CEREMONY) with a sentence unless something holds."""
    if not holds:
        raise Refused(Control.CEREMONY, sentence)
