"""Parts of secrets in a ceremony: components of keys, shares of quorums, and what they open."""

from __future__ import annotations

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef, of_site
from kif.formats.purpose import BACKUP_KEK, DATA_PROTECTION
from kif.ledger.ceremonies import Ceremonies
from kif.ledger.custody import MASTERS, QUORUM, Custody, KeptFile, share_of
from kif.ledger.events.ceremony import Role
from kif.ledger.events.custody import (
    BackupMade,
    MastersRestored,
    QuorumMade,
    QuorumRetired,
    ShareEntered,
    ShareGiven,
)
from kif.ledger.events.key import ComponentEntered, ComponentGiven, KeyFormed
from kif.ledger.keys import Keys
from kif.ledger.running import Running
from kif.ledger.steps import require


class Parts:
    """What the custodians of a running ceremony enter and are given."""

    def __init__(self, ceremonies: Ceremonies, keys: Keys, custody: Custody) -> None:
        self._ceremonies, self._keys, self._custody = ceremonies, keys, custody

    def component(self, event: ComponentEntered | ComponentGiven) -> None:
        """Note a component that came or was drawn: each of a key has another custodian."""
        running = self._ceremonies.making(event.key)
        if event.person not in running.of_role(Role.CUSTODIAN):
            raise Refused(
                Control.CUSTODIANS, f"{event.person} is no custodian who takes part in this."
            )
        for key, number, person in running.entered:
            if key == event.key and (number == event.component or person == event.person):
                raise Refused(
                    Control.CUSTODIANS,
                    f"Component {event.component} of {event.key} is there already, or another one "
                    f"of {event.person}. Each has a custodian of its own.",
                )
        self._custody.make(str(event.key), running.components)
        part = f"the component {event.kcv} of {event.key.owner}/{event.key.purpose}"
        self._custody.hold(str(event.key), part, event.person)
        self._enter(event.key, event.component, event.person)

    def form(self, event: KeyFormed) -> None:
        """Enter a key that has the components of all custodians who take part."""
        running = self._ceremonies.making(event.key, event.algorithm)
        count = sum(key == event.key for key, _, _ in running.entered)
        needed = running.components
        if count < needed:
            raise Refused(
                Control.COMPONENT,
                f"{event.key} is formed of {count} components; here it takes {needed}.",
            )
        self._keys.formed(event)
        self._ceremonies.made(event.key)

    def open_officer(self, people: tuple[str, ...]) -> None:
        """Note who opened the security officer's PIN, for a plan that has a step for it."""
        running = self._ceremonies.require_running()
        require(
            any(step.action == "open-officer" for step in running.plan.steps),
            f"The plan '{running.name}' has no step for the security officer.",
        )
        self._ceremonies.change(running, officers=people)

    def give_share(self, event: ShareGiven) -> None:
        """Note a share: each custodian who takes part gets one, the one of his or her place."""
        running = self._ceremonies.making(event.key)
        custodians = running.of_role(Role.CUSTODIAN)
        if custodians[event.number - 1 : event.number] != (event.person,):
            raise Refused(
                Control.CUSTODIANS, f"Share {event.number} is not the one of {event.person}."
            )
        require(
            (event.key, event.number, event.person) not in running.entered,
            f"{event.person} was given share {event.number} of {event.key} before.",
        )
        self._custody.make(str(event.key), running.threshold)
        share = share_of(event.key, event.number)
        self._custody.hold(str(event.key), share, event.person)
        self._enter(event.key, event.number, event.person)

    def make_quorum(self, event: QuorumMade) -> None:
        """Enter a key that the shares of all custodians who take part give."""
        running = self._ceremonies.making(event.key)
        needed = len(running.of_role(Role.CUSTODIAN))
        if len(running.entered) != needed or event.threshold != running.threshold:
            raise Refused(
                Control.QUORUM,
                f"{event.key} has {len(running.entered)} shares of {needed} and the threshold "
                f"{event.threshold}; the plan says {running.threshold}.",
            )
        self._keys.quorum_made(event)
        self._custody.keep(QUORUM, event.key, KeptFile(event.file))
        self._ceremonies.made(event.key)

    def enter_share(self, event: ShareEntered) -> None:
        """Note a share that was entered by somebody who holds it."""
        running = self._ceremonies.require_running()
        holders = self._custody.holders.get(share_of(event.key, event.number), ())
        if event.person not in holders or event.person not in running.everyone:
            raise Refused(
                Control.CUSTODIANS,
                f"{event.person} does not hold share {event.number} of {event.key}, or takes no "
                "part in this ceremony.",
            )
        self._enter(event.key, event.number, event.person)

    def back_up(self, event: BackupMade) -> None:
        """Note a backup of every master under a key that enough shares brought back."""
        running = self._brought_back(event.key)
        require(event.keys == self._keys.masters(), "A backup holds every master.")
        self._custody.keep(MASTERS, event.key, KeptFile(event.file, event.keys))
        self._ceremonies.change(running, carried=True)

    def restore(self, event: MastersRestored) -> None:
        """Note that masters are in a new token; what the backup did not have is lost."""
        running = self._brought_back(event.key)
        require(
            event.key == running.used(BACKUP_KEK),
            f"{running.used(BACKUP_KEK)} is the quorum that this is about.",
        )
        masters = self._keys.masters()
        require(
            of_site(DATA_PROTECTION) in event.keys and set(event.keys) <= set(masters),
            "A restored site has at least the master that protects its data, and no unknown one.",
        )
        lost = self._keys.lost(event.keys)
        require(event.lost == lost, f"Without the token that is lost: {', '.join(map(str, lost))}.")
        self._keys.lose(lost)
        self._ceremonies.change(running, carried=True)

    def _brought_back(self, key: KeyRef) -> Running:
        """Require that enough shares were entered in the open step to bring a key back."""
        running = self._ceremonies.require_running()
        there = {number for entered, number, _ in running.entered if entered == key}
        threshold = self._custody.secrets[str(key)].threshold
        if len(there) < threshold:
            raise Refused(
                Control.QUORUM, f"{len(there)} shares of {key} were entered; it takes {threshold}."
            )
        return running

    def retire_quorum(self, event: QuorumRetired) -> None:
        """Take the quorum out of use that stood before, once there is another backup."""
        running = self._ceremonies.require_running()
        expected = running.used(BACKUP_KEK)
        require(event.key == expected, f"{expected} is the quorum that this is about.")
        self._keys.erased(event.key)
        for what in (QUORUM, MASTERS):
            self._custody.drop(what, event.key)

    def _enter(self, key: KeyRef, number: int, person: str) -> None:
        """Note in the open step which part of which key came from whom."""
        running = self._ceremonies.require_running()
        self._ceremonies.change(running, entered=(*running.entered, (key, number, person)))
