"""The life of each key, as the log tells it: where it comes from, and each step it took.

A pure function of the log's entries: so is what was the case on an earlier day.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kif.formats.keyref import KeyRef
from kif.formats.purpose import purpose_of
from kif.formats.state import KEY_STEPS, KeyState
from kif.ledger.event import Entry, Event
from kif.ledger.events.batch import BatchReceived, WindowErased
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyBegun,
    CeremonyClosed,
    CeremonyResumed,
    GenesisBegun,
    KeyGenerated,
    LogSignerReplaced,
)
from kif.ledger.events.custody import MastersRestored, QuorumMade, QuorumRetired, ShareGiven
from kif.ledger.events.key import (
    ComponentEntered,
    ComponentGiven,
    KeyCompromised,
    KeyFormed,
    KeyImported,
    KeyStateChanged,
    KeySuperseded,
)
from kif.ledger.keys import superseded
from kif.ledger.plan import Plan

GENERATED, COMPONENTS, QUORUM, BLOCK = "generated", "components", "quorum", "key block"
_MADE = {
    GENERATED: "it was generated in the HSM",
    COMPONENTS: "it was made of components",
    BLOCK: "it came in a key block",
    QUORUM: "the shares of a quorum give it",
}
_KINDS = (
    BatchReceived,
    WindowErased,
    CeremonyClosed,
    KeyGenerated,
    ComponentEntered,
    ComponentGiven,
    CeremonyAborted,
    CeremonyBegun,
    CeremonyResumed,
    GenesisBegun,
    KeyCompromised,
    KeyFormed,
    KeyImported,
    KeyStateChanged,
    KeySuperseded,
    LogSignerReplaced,
    MastersRestored,
    QuorumMade,
    QuorumRetired,
    ShareGiven,
)
_MARK = re.compile("|".join(f'"kind":"{each.kind}"' for each in _KINDS).encode())


@dataclass(frozen=True)
class KeyStep:
    """A step of a key: when, to which state, by whom, and why."""

    time: datetime
    state: KeyState
    by: tuple[str, ...]
    why: str
    index: int
    """The entry that says so."""


@dataclass
class KeyLife:
    """A key from its beginning."""

    key: KeyRef
    usage: str
    algorithm: str
    kcv: str | None
    derived: str | None
    public_key: str | None
    origin: str
    ceremony: str
    custodians: tuple[str, ...] = ()
    valid_until: datetime | None = None
    steps: list[KeyStep] = field(default_factory=list)

    def state_at(self, time: datetime | None) -> KeyState | None:
        """Return its state at a time, or now; None before it was there."""
        states = [each.state for each in self.steps if time is None or each.time <= time]
        return states[-1] if states else None

    def is_over(self, time: datetime | None) -> bool:
        """Return whether its cryptoperiod is over at a time; so it is when none is asked for."""
        return time is None or (self.valid_until is not None and self.valid_until <= time)

    @property
    def active_since(self) -> datetime | None:
        """When it became active first."""
        return next((each.time for each in self.steps if each.state is KeyState.ACTIVE), None)


def concerns_keys(leaf: bytes) -> bool:
    """Return whether a leaf may be about a key; others need not be decoded."""
    return _MARK.search(leaf) is not None


def key_lives(entries: Iterable[Entry]) -> Mapping[KeyRef, KeyLife]:
    """Return each key's life by its reference, from the entries that are about keys."""
    told = _Told()
    for entry in entries:
        told.tell(entry)
    return told.lives


class _Told:
    """What was told so far."""

    def __init__(self) -> None:
        self.lives: dict[KeyRef, KeyLife] = {}
        self._ceremony = ""
        self._entered: dict[KeyRef, list[str]] = {}
        self._ending: list[KeyRef] = []

    def tell(self, entry: Entry) -> None:
        event = entry.event
        match event:
            case KeyGenerated():
                made = (event.usage, event.algorithm, event.kcv, event.derived, event.public_key)
                self._begin(entry, event.key, GENERATED, *made)
                self.lives[event.key].valid_until = event.valid_until
            case KeyFormed() | KeyImported():
                made = (event.usage, event.algorithm, event.kcv, event.derived, None)
                origin = COMPONENTS if isinstance(event, KeyFormed) else BLOCK
                self._begin(entry, event.key, origin, *made)
                self.lives[event.key].valid_until = event.valid_until
            case QuorumMade():
                kind = _kind(event.key)
                self._begin(entry, event.key, QUORUM, *kind, event.kcv, None, None)
            case LogSignerReplaced():
                public = event.public_key.hex()
                for key in self._in_use_before(event.key):
                    self._move(entry, key, KeyState.DESTROYED, f"{event.key} signs the log")
                self._begin(entry, event.key, GENERATED, *_kind(event.key), None, None, public)
                self._move(entry, event.key, KeyState.ACTIVE, "everyone signed which key it is")
            case BatchReceived() if event.retention not in self.lives:
                self._retain(entry, event)
            case GenesisBegun() | CeremonyBegun():
                self._ceremony, self._entered = Plan.decode(event.plan).ceremony, {}
                self._ending = []
            case KeySuperseded():
                self._ending += [] if event.batches else [event.key]
            case CeremonyResumed():
                self._entered = {}
                for key in event.undone:
                    del self.lives[key]
            case QuorumRetired():
                self._move(entry, event.key, KeyState.DESTROYED, "another quorum came after it")
            case MastersRestored():
                for key in event.lost:
                    self._move(entry, key, KeyState.DESTROYED, "it was lost with its HSM")
            case ComponentEntered() | ComponentGiven() | ShareGiven():
                self._entered.setdefault(event.key, []).append(event.person)
            case CeremonyClosed():
                for new in self._move_all(entry, KeyState.ACTIVE, "its ceremony was closed"):
                    for key in superseded(new, self._in_use_before(new)):
                        self._move(entry, key, KeyState.DESTROYED, f"{new} came after it")
                for key in self._ending:
                    if KeyState.DEACTIVATED in KEY_STEPS[self._state(key)]:
                        self._move(
                            entry, key, KeyState.DEACTIVATED, "another version came after it"
                        )
            case CeremonyAborted():
                self._move_all(entry, KeyState.DESTROYED, event.reason or "its ceremony ended")
            case KeyStateChanged():
                self._move(entry, event.key, event.state, event.reason or "")
            case KeyCompromised():
                self._move(entry, event.key, KeyState.COMPROMISED, event.reason or "")
            case WindowErased():
                self._move(entry, event.key, KeyState.DESTROYED, event.reason or "")

    def _begin(
        self,
        entry: Entry,
        key: KeyRef,
        origin: str,
        usage: str,
        algorithm: str,
        kcv: str | None,
        derived: str | None,
        public_key: str | None,
    ) -> None:
        entered = tuple(self._entered.get(key, ()))
        made = (usage, algorithm, kcv, derived, public_key)
        self.lives[key] = KeyLife(key, *made, origin, self._ceremony, entered)
        self._move(entry, key, KeyState.PRE_ACTIVE, _MADE[origin])

    def _in_use_before(self, key: KeyRef) -> list[KeyRef]:
        """Return the older active keys of an owner and purpose, newest first."""
        active = (k for k, life in self.lives.items() if life.state_at(None) is KeyState.ACTIVE)
        return key.before(active)

    def _state(self, key: KeyRef) -> KeyState:
        return self.lives[key].steps[-1].state

    def _retain(self, entry: Entry, event: BatchReceived) -> None:
        kind = _kind(event.retention)
        self.lives[event.retention] = KeyLife(
            event.retention, *kind, None, event.derived, None, GENERATED, ""
        )
        why = "the first batch of its window was received"
        self._move(entry, event.retention, KeyState.ACTIVE, why)

    def _move_all(self, entry: Entry, to: KeyState, why: str) -> list[KeyRef]:
        """Move every key that a ceremony made; return them."""
        made = [
            key for key, life in self.lives.items() if life.state_at(None) is KeyState.PRE_ACTIVE
        ]
        for key in made:
            self._move(entry, key, to, why)
        return made

    def _move(self, entry: Entry, key: KeyRef, to: KeyState, why: str) -> None:
        step = KeyStep(entry.time, to, _people(entry.event), why, entry.index)
        self.lives[key].steps.append(step)


def _kind(key: KeyRef) -> tuple[str, str]:
    """Return usage and algorithm of a key whose purpose has one."""
    row = purpose_of(key)
    (algorithm,) = row.algorithms
    return row.usage, algorithm


def _people(event: Event) -> tuple[str, ...]:
    return tuple(getattr(event, "by", ()))
