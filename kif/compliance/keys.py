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
from kif.formats.state import KeyState
from kif.ledger.event import Entry, Event
from kif.ledger.events.batch import BatchReceived, WindowErased
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyBegun,
    CeremonyClosed,
    CeremonyResumed,
    GenesisBegun,
    KeyGenerated,
)
from kif.ledger.events.key import ComponentEntered, KeyFormed, KeyStateChanged
from kif.ledger.plan import Plan

GENERATED, COMPONENTS = "generated", "components"
_KINDS = (
    BatchReceived,
    WindowErased,
    CeremonyClosed,
    KeyGenerated,
    ComponentEntered,
    CeremonyAborted,
    CeremonyBegun,
    CeremonyResumed,
    GenesisBegun,
    KeyFormed,
    KeyStateChanged,
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

    def tell(self, entry: Entry) -> None:
        event = entry.event
        match event:
            case KeyGenerated():
                self._begin(entry, event.key, event, event.kcv, event.public_key, GENERATED)
            case KeyFormed():
                self._begin(entry, event.key, event, event.kcv, None, COMPONENTS)
                self.lives[event.key].valid_until = event.valid_until
            case BatchReceived() if event.retention not in self.lives:
                self._retain(entry, event)
            case GenesisBegun() | CeremonyBegun():
                self._ceremony, self._entered = Plan.decode(event.plan).ceremony, {}
            case CeremonyResumed():
                self._entered = {}
                for key in event.undone:
                    del self.lives[key]
            case ComponentEntered():
                self._entered.setdefault(event.key, []).append(event.person)
            case CeremonyClosed():
                self._move_all(entry, KeyState.ACTIVE, "its ceremony was closed")
            case CeremonyAborted():
                self._move_all(entry, KeyState.DESTROYED, event.reason or "its ceremony ended")
            case KeyStateChanged():
                self._move(entry, event.key, event.state, event.reason or "")
            case WindowErased():
                self._move(entry, event.key, KeyState.DESTROYED, event.reason or "")

    def _begin(
        self,
        entry: Entry,
        key: KeyRef,
        event: KeyGenerated | KeyFormed,
        kcv: str | None,
        public_key: str | None,
        origin: str,
    ) -> None:
        self.lives[key] = KeyLife(
            key,
            event.usage,
            event.algorithm,
            kcv,
            event.derived,
            public_key,
            origin,
            self._ceremony,
            tuple(self._entered.get(key, ())),
        )
        self._move(
            entry,
            key,
            KeyState.PRE_ACTIVE,
            f"it was made of {origin}" if origin == COMPONENTS else "it was generated in the HSM",
        )

    def _retain(self, entry: Entry, event: BatchReceived) -> None:
        row = purpose_of(event.retention)
        (algorithm,) = row.algorithms
        self.lives[event.retention] = KeyLife(
            event.retention, row.usage, algorithm, None, event.derived, None, GENERATED, ""
        )
        why = "the first batch of its window was received"
        self._move(entry, event.retention, KeyState.ACTIVE, why)

    def _move_all(self, entry: Entry, to: KeyState, why: str) -> None:
        for key, life in self.lives.items():
            if life.state_at(None) is KeyState.PRE_ACTIVE:
                self._move(entry, key, to, why)

    def _move(self, entry: Entry, key: KeyRef, to: KeyState, why: str) -> None:
        step = KeyStep(entry.time, to, _people(entry.event), why, entry.index)
        self.lives[key].steps.append(step)


def _people(event: Event) -> tuple[str, ...]:
    return tuple(getattr(event, "by", ()))
