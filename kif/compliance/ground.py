"""What a ceremony's record stands on: people, seals and keys that there were before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kif.compliance.ceremonies import Ceremonies, Told
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.keyref import SITE, KeyRef
from kif.formats.purpose import RETENTION
from kif.formats.state import BatchState, KeyState
from kif.ledger.batch import Batch
from kif.ledger.custody import share_of
from kif.ledger.event import Entry
from kif.ledger.events.batch import WindowErased
from kif.ledger.events.ceremony import (
    CeremonyBegun,
    KeyGenerated,
    PersonAppointed,
    PersonReleased,
    PinSealed,
    SiteFounded,
    TokenMade,
)
from kif.ledger.events.custody import (
    BackupMade,
    MastersRestored,
    PackageClosed,
    PackageOpened,
    QuorumMade,
    ShareGiven,
)
from kif.ledger.events.key import KeyFormed, KeyImported, KeyStateChanged, KeySuperseded
from kif.ledger.genesis import Sealed, token_of
from kif.ledger.note import verifier_key
from kif.ledger.plan import Plan
from kif.ledger.possible import check
from kif.ledger.running import Running
from kif.ledger.state import State


def ground_of(told: Told, ceremonies: Ceremonies) -> Iterator[Entry]:
    """Yield the entries of a log that a ceremony on a site stands on."""
    yield from ceremonies.site
    for name in dict.fromkeys((*(name for name, _ in told.people), *_named(told))):
        yield ceremonies.appointed[name]
    for key in _keys(told):
        yield from ceremonies.keys[key]
    for entry in told.of_kind(PackageOpened):
        if isinstance(entry.event, PackageOpened):
            yield ceremonies.packages[entry.event.bag]


def stand_on(state: State, entries: list[Entry], verifier: str) -> None:
    """Have a state know what these entries tell, without asking whether they may stand there."""
    sealed: dict[str, Any] = {}
    token: dict[str, str] = {}
    site = ""
    for entry in entries:
        match event := entry.event:
            case PersonAppointed():
                state.people.appoint(event)
                if event.manager is not None:
                    state.custody.report(event.person, event.manager)
            case PinSealed():
                sealed[event.purpose] = vars(Sealed.of(event))
            case SiteFounded():
                site = event.site
                if event.log_key != verifier_key(verifier):
                    raise CheckFailed(
                        Control.LEDGER_INTACT, "The site was founded with another log key."
                    )
            case TokenMade():
                token = token_of(event)
            case PackageClosed():
                state.packages.close(event)
            case KeyGenerated():
                state.keys.generated(event)
                if event.key.owner != SITE:
                    state.keys.step(event.key, KeyState.ACTIVE)
            case KeyFormed() | KeyImported():
                state.keys.formed(event)
                state.keys.step(event.key, KeyState.ACTIVE)
            case KeyStateChanged():
                state.keys.step(event.key, event.state)
            case KeySuperseded():
                state.keys.end(() if event.batches else (event.key,))
            case QuorumMade():
                state.keys.quorum_made(event)
                state.keys.step(event.key, KeyState.ACTIVE)
                _give_shares(state, entries, event)
    fields = {"site": site, "plan": "", "token": token, "certificates": {}, "sealed": sealed}
    state.genesis.restore(fields | {"log_key": verifier_key(verifier).hex()})


def begin(state: State, event: CeremonyBegun, plan: Plan) -> None:
    """Begin a ceremony on what a state knows, with people who are appointed."""
    check(plan)
    named = tuple(
        (state.people.require(name, role).name, role.value)
        for role, names in event.taking_part.items()
        for name in names
    )
    site = state.genesis.site
    running = Running(plan, site, event.subject, event.keys, event.uses, named)
    state.ceremonies.running = running


def know_windows(state: State, entries: list[Entry]) -> None:
    """Have a state know the retention keys that end in a ceremony: batches brought them.

    Of the batches of a window that it erases the record has the number alone.
    """
    for entry in entries:
        match event := entry.event:
            case MastersRestored():
                for key in event.lost:
                    if key.purpose == RETENTION:
                        state.keys.retained(key, "")
            case WindowErased():
                state.keys.retained(event.key, "")
                for number in range(event.batches):
                    there = Batch(f"{number:016x}", event.key.owner, "", 0, "", str(event.key), "")
                    state.batches.put(replace(there, state=BatchState.CLOSED))


def _give_shares(state: State, entries: list[Entry], made: QuorumMade) -> None:
    state.custody.make(str(made.key), made.threshold)
    for entry in entries:
        event = entry.event
        if isinstance(event, ShareGiven) and event.key == made.key:
            state.custody.hold(str(event.key), share_of(event.key, event.number), event.person)


def _keys(told: Told) -> set[KeyRef]:
    """Return the keys that a ceremony is about, and did not make itself."""
    keys: set[KeyRef] = set()
    for entry in told.entries:
        match event := entry.event:
            case CeremonyBegun():
                keys |= {key for key in event.uses if key.purpose != RETENTION}
            case BackupMade():
                keys |= set(event.keys)
            case MastersRestored():
                keys |= {key for key in (*event.keys, *event.lost) if key.purpose != RETENTION}
    return keys


def _named(told: Told) -> Iterator[str]:
    """Yield who was appointed before and is named in a ceremony, without taking part."""
    new: set[str] = set()
    for entry in told.entries:
        match event := entry.event:
            case PersonAppointed():
                new.add(event.person)
            case PersonReleased():
                yield event.person
            case PinSealed():
                yield from (name for name in event.holders if name not in new)
