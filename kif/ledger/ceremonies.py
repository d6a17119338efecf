"""Key ceremonies on the record: begun by two operators, approved and filled by custodians, closed.

1. Two operators open the token for a plan and the keys that it forms; 2. custodians sign exactly
that; 3. each enters one component of each key; 4. a key is formed of them; 5. the closing makes all
of them active. A ceremony that ends before takes what it formed with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import Owner, purpose_of
from kif.formats.state import KeyState
from kif.ledger.approval import CEREMONY
from kif.ledger.events.ceremony import PlanApproved, Role
from kif.ledger.events.key import (
    ComponentEntered,
    Deviation,
    KeyCeremonyAborted,
    KeyCeremonyBegun,
    KeyCeremonyClosed,
    KeyFormed,
)
from kif.ledger.issuers import Issuers
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys
from kif.ledger.people import People, same_statement

_COMPONENTS = 2


@dataclass(frozen=True)
class Running:
    """A ceremony that is not closed."""

    name: str
    plan: str
    keys: tuple[KeyRef, ...]
    site: str
    approved: tuple[str, ...] = ()
    """The custodians who signed it."""
    entered: tuple[tuple[KeyRef, int, str], ...] = ()
    """Which component of which key came from whom."""
    formed: tuple[KeyRef, ...] = ()

    def statement(self) -> bytes:
        """Return exactly what each custodian signs (canonical JSON)."""
        return key_statement(self.site, self.name, self.plan, self.keys)


class KeyCeremonies:
    """The ceremony that is running, if one is: one at a time."""

    def __init__(self, journal: Journal, people: People, keys: Keys, issuers: Issuers) -> None:
        self._journal, self._people, self._keys, self._issuers = journal, people, keys, issuers
        self.running: Running | None = None

    def begin(self, event: KeyCeremonyBegun, site: str) -> None:
        """Begin a ceremony for keys that come next in their lines."""
        if self.running is not None:
            raise Refused(
                Control.CEREMONY, f"The ceremony '{self.running.name}' is running; one at a time."
            )
        _require(len(set(event.keys)) == len(event.keys), "A ceremony forms each key once.")
        for key in event.keys:
            self._require_owner(key)
            following = self._keys.next_version(key.owner, key.purpose)
            _require(key == following, f"{key} does not come next: {following} does.")
        self._set(Running(event.ceremony, event.plan, event.keys, site))

    def approve(self, event: PlanApproved) -> None:
        """Take a custodian's signature over the plan and its keys, before any component."""
        running = self.require_running()
        self._people.require(event.person, Role.CUSTODIAN)
        _require(event.person not in running.approved, f"{event.person} has signed it already.")
        _require(not running.entered, "Nobody signs the plan after a component was entered.")
        same_statement(event.statement, running.statement(), "this ceremony")
        self._people.verify(event.person, CEREMONY, event.statement, event.signature)
        self._set(dataclasses.replace(running, approved=(*running.approved, event.person)))

    def component(self, event: ComponentEntered) -> None:
        """Note a component: each of a key has another custodian, who signed the plan."""
        running = self._for(event.key, event.person)
        others = [(n, who) for key, n, who in running.entered if key == event.key]
        if event.component in dict(others) or event.person in dict(others).values():
            raise Refused(
                Control.CUSTODIANS,
                f"Component {event.component} of {event.key} was entered before, or by "
                f"{event.person}, who has entered another. Each has a custodian of its own.",
            )
        entered = (*running.entered, (event.key, event.component, event.person))
        self._set(dataclasses.replace(running, entered=entered))

    def deviate(self, event: Deviation) -> None:
        """Note a slip of a custodian of this ceremony."""
        self._for(event.key, event.person)

    def form(self, event: KeyFormed) -> None:
        """Enter a key that has its components."""
        running = self.require_running()
        count = sum(key == event.key for key, _, _ in running.entered)
        if count < _COMPONENTS or event.key not in running.keys:
            raise Refused(
                Control.COMPONENT,
                f"{event.key} is formed of {count} components; it takes at least {_COMPONENTS}.",
            )
        self._keys.formed(event)
        self._set(dataclasses.replace(running, formed=(*running.formed, event.key)))

    def close(self, event: KeyCeremonyClosed) -> None:
        """Close the ceremony when every key stands: they are active from here on."""
        running = self._named(event.ceremony)
        missing = [str(key) for key in running.keys if key not in running.formed]
        _require(not missing, f"The ceremony has not formed {', '.join(missing)} yet.")
        self._keys.step_all(running.keys, KeyState.ACTIVE)
        self._set(None)

    def abort(self, event: KeyCeremonyAborted) -> None:
        """End the ceremony; the keys that it formed are never used."""
        running = self._named(event.ceremony)
        self._keys.step_all(running.formed, KeyState.DESTROYED)
        self._set(None)

    def require_running(self) -> Running:
        """Return the running ceremony, or raise ``Refused`` (CEREMONY)."""
        if self.running is None:
            raise Refused(Control.CEREMONY, "No key ceremony is running; begin it first.")
        return self.running

    def _named(self, name: str) -> Running:
        running = self.require_running()
        _require(running.name == name, f"The ceremony '{running.name}' is running, not '{name}'.")
        return running

    def _for(self, key: KeyRef, person: str) -> Running:
        running = self.require_running()
        _require(key in running.keys, f"The ceremony '{running.name}' does not form {key}.")
        _require(
            len(running.approved) >= _COMPONENTS,
            "Two custodians sign the plan before a component is entered.",
        )
        if person not in running.approved:
            raise Refused(Control.CUSTODIANS, f"{person} is not a custodian who signed the plan.")
        return running

    def _require_owner(self, key: KeyRef) -> None:
        row = purpose_of(key)
        _require(row.formed, f"{key} is not formed of components; the site makes it by itself.")
        if row.owner is Owner.ISSUER:
            self._issuers.require(key.owner)

    def _set(self, running: Running | None) -> None:
        self._journal.set(self, "running", running)

    def encode(self) -> dict[str, Any] | None:
        """Return the running ceremony as JSON values."""
        if self.running is None:
            return None
        return vars(self.running) | {
            "keys": [str(key) for key in self.running.keys],
            "formed": [str(key) for key in self.running.formed],
            "entered": [[str(key), number, who] for key, number, who in self.running.entered],
        }

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        if fields is not None:
            self.running = Running(
                **fields
                | {
                    "keys": tuple(map(KeyRef.parse, fields["keys"])),
                    "formed": tuple(map(KeyRef.parse, fields["formed"])),
                    "approved": tuple(fields["approved"]),
                    "entered": tuple((KeyRef.parse(k), n, who) for k, n, who in fields["entered"]),
                }
            )


def key_statement(site: str, ceremony: str, plan: str, keys: Sequence[KeyRef]) -> bytes:
    """Return exactly what a custodian signs: canonical JSON; ``plan`` is its SHA-256, hex."""
    return canonical.encode(
        {
            "approve": CEREMONY,
            "ceremony": ceremony,
            "keys": [str(key) for key in keys],
            "plan": plan,
            "site": site,
        }
    )


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise Refused(Control.CEREMONY, sentence)
