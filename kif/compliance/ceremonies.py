"""The ceremonies as the log tells them: who took part, each step and its time, and the end."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kif.formats.keyref import KeyRef
from kif.ledger.event import KINDS, Entry, Event
from kif.ledger.events.batch import WindowErased
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyBegun,
    CeremonyClosed,
    GenesisBegun,
    KeyGenerated,
    LogSignerReplaced,
    PersonAppointed,
    PinSealed,
    Role,
    SiteFounded,
    StepDone,
    TokenMade,
)
from kif.ledger.events.custody import PackageClosed, QuorumMade, ShareGiven
from kif.ledger.events.key import KeyFormed, KeyImported, KeyStateChanged, KeySuperseded
from kif.ledger.plan import Plan


class Outcome(StrEnum):
    """How a ceremony ended, or that it did not yet."""

    CLOSED = "closed"
    ABORTED = "aborted"
    STANDING = "standing"


@dataclass
class Told:
    """A ceremony: its entries, in the order of the log."""

    number: int
    """From 1, which is the genesis."""
    plan: Plan
    subject: str
    people: list[tuple[str, Role]]
    entries: list[Entry] = field(default_factory=list)
    outcome: Outcome = Outcome.STANDING

    @property
    def begun(self) -> datetime:
        """When it began."""
        return self.entries[0].time

    @property
    def ended(self) -> datetime | None:
        """When it was closed or aborted."""
        return None if self.outcome is Outcome.STANDING else self.entries[-1].time

    def of_kind(self, *kinds: type[Event]) -> list[Entry]:
        """Return its entries of some kinds."""
        return [each for each in self.entries if isinstance(each.event, kinds)]

    def of_step(self, number: int) -> list[Entry]:
        """Return the entries of a step, its end among them."""
        done, found = 0, []
        for entry in self.entries[1:]:
            if done + 1 == number:
                found.append(entry)
            if isinstance(entry.event, StepDone):
                done = entry.event.step
        return found


@dataclass
class Ceremonies:
    """Every ceremony of a log, and the appointments that its signatures are verified by."""

    told: list[Told] = field(default_factory=list)
    appointed: dict[str, Entry] = field(default_factory=dict)
    """The entry of each person's appointment."""
    keys: dict[KeyRef, list[Entry]] = field(default_factory=dict)
    """The entries by which each key, and each share of it, came to be."""
    packages: dict[str, Entry] = field(default_factory=dict)
    """The entry by which each bag was closed."""
    succeeded: list[Entry] = field(default_factory=list)
    """The entries by which another key came to sign the log."""
    site: list[Entry] = field(default_factory=list)
    """The entries that say whose log it is, and how many operators open the token."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Ceremonies:
        """Tell the ceremonies out of a log that was verified."""
        found = cls()
        for entry in entries:
            found._tell(entry)
        return found

    def _tell(self, entry: Entry) -> None:
        event = entry.event
        match event:
            case GenesisBegun():
                self._begin(Plan.decode(event.plan), event.site, [])
            case CeremonyBegun():
                people = [
                    (name, role) for role, names in event.taking_part.items() for name in names
                ]
                self._begin(Plan.decode(event.plan), event.subject, people)
            case PersonAppointed():
                self.appointed[event.person] = entry
            case KeyFormed() | KeyGenerated() | KeyImported() | KeyStateChanged():
                self.keys.setdefault(event.key, []).append(entry)
            case ShareGiven() | QuorumMade():
                self.keys.setdefault(event.key, []).append(entry)
            case PackageClosed():
                self.packages[event.bag] = entry
            case LogSignerReplaced():
                self.succeeded.append(entry)
            case SiteFounded() | PinSealed() | TokenMade():
                self.site.append(entry)
        running = self.told[-1] if self.told else None
        if running is None or running.outcome is not Outcome.STANDING:
            return
        if isinstance(event, PersonAppointed):
            running.people.append((event.person, event.role))
        if _belongs(event) or _changes(event, running):
            running.entries.append(entry)
        if isinstance(event, CeremonyClosed):
            running.outcome = Outcome.CLOSED
            for each in running.of_kind(KeySuperseded):
                if isinstance(each.event, KeySuperseded):
                    self.keys[each.event.key].append(each)
        if isinstance(event, CeremonyAborted):
            running.outcome = Outcome.ABORTED

    def _begin(self, plan: Plan, subject: str, people: list[tuple[str, Role]]) -> None:
        self.told.append(Told(len(self.told) + 1, plan, subject, people))


def concerns_ceremonies(leaf: bytes) -> bool:
    """Return whether a leaf may be about a ceremony; others need not be decoded."""
    return _MARK.search(leaf) is not None


def _changes(event: Event, told: Told) -> bool:
    """Return whether an event is the change of the key that a ceremony is about."""
    begun = told.entries[0].event if told.entries else None
    about = begun.uses if isinstance(begun, CeremonyBegun) else ()
    return isinstance(event, _CHANGES) and event.key in about


def _belongs(event: Event) -> bool:
    """Return whether an event belongs to the ceremony in which it stands."""
    return type(event) in _OF_CEREMONIES


_OF_CEREMONIES = tuple(
    kind
    for kind in KINDS.values()
    if kind.__module__.endswith((".ceremony", ".custody", ".key")) and kind is not KeyStateChanged
)
_CHANGES = (KeyStateChanged, WindowErased)
"""What may happen in a ceremony about a key, and without one."""
_KINDS: tuple[type[Event], ...] = (*_OF_CEREMONIES, *_CHANGES)
_MARK = re.compile("|".join(f'"kind":"{each.kind}"' for each in _KINDS).encode())
