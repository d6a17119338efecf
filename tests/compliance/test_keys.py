"""The lives of keys, from the log alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from kif.compliance.keys import COMPONENTS, GENERATED, concerns_keys, key_lives
from kif.formats.keyref import of_site
from kif.formats.purpose import LOG_SIGNER
from kif.formats.state import KeyState
from kif.ledger.event import Boundary, Entry
from kif.ledger.events.batch import WindowErased
from kif.ledger.events.ceremony import CeremonyAborted, CeremonyResumed, StepDone
from kif.ledger.events.key import KeyStateChanged
from tests.ledger.history import (
    BY,
    CUSTODIANS,
    MASTER,
    START,
    WINDOW,
    World,
    ceremony_begun,
    components_entered,
    key_formed,
    keys_approved,
    received,
    registered,
    released,
    site,
)

SECOND = replace(MASTER, version=2)


def entries(world: World) -> list[Entry]:
    """One entry a minute."""
    return [
        Entry(at, at, START + timedelta(minutes=at), Boundary.HSM, event, None)
        for at, event in enumerate(world.events)
    ]


def test_a_key_of_components_has_its_ceremony_its_custodians_and_each_step() -> None:
    world = site()
    world.admit(KeyStateChanged(BY, MASTER, KeyState.SUSPENDED, "A look at it."))
    told = entries(world)
    life = key_lives(told)[MASTER]
    assert (life.origin, life.ceremony) == (COMPONENTS, "vendor-keys")
    assert life.custodians == tuple(each.name for each in CUSTODIANS)
    assert [step.state for step in life.steps] == [
        KeyState.PRE_ACTIVE,
        KeyState.ACTIVE,
        KeyState.SUSPENDED,
    ]
    assert [step.why for step in life.steps][1:] == ["its ceremony was closed", "A look at it."]
    assert all(step.by == BY for step in life.steps)
    last = life.steps[-1]
    assert told[last.index].time == last.time
    assert life.state_at(last.time) is KeyState.SUSPENDED
    assert life.state_at(last.time - timedelta(seconds=1)) is KeyState.ACTIVE
    assert life.state_at(START - timedelta(days=1)) is None
    assert life.active_since == life.steps[1].time


def test_keys_of_the_site_are_generated_and_active_from_the_genesis_on() -> None:
    life = key_lives(entries(site()))[of_site(LOG_SIGNER)]
    assert (life.origin, life.ceremony, life.custodians) == (GENERATED, "genesis", ())
    assert life.state_at(None) is KeyState.ACTIVE
    assert life.public_key is not None


def test_a_ceremony_that_is_aborted_takes_its_keys_with_it() -> None:
    world = site()
    world.admit(
        ceremony_begun(SECOND),
        StepDone(1),
        keys_approved(SECOND),
        StepDone(2),
        components_entered(SECOND),
        key_formed(SECOND),
        CeremonyAborted(BY, "vendor-keys", 3, "The power was lost."),
    )
    lives = key_lives(entries(world))
    assert lives[SECOND].steps[-1].why == "The power was lost."
    assert lives[SECOND].state_at(None) is KeyState.DESTROYED
    assert lives[MASTER].state_at(None) is KeyState.ACTIVE


def test_a_key_that_is_made_again_after_an_interruption_lives_once() -> None:
    world = site()
    world.admit(
        ceremony_begun(SECOND),
        StepDone(1),
        keys_approved(SECOND),
        StepDone(2),
        components_entered(SECOND),
        key_formed(SECOND),
        CeremonyResumed(3, (SECOND,)),
        components_entered(SECOND),
        key_formed(SECOND),
    )
    told = entries(world)
    life = key_lives(told)[SECOND]
    assert [each.index for each in life.steps] == [len(told) - 1]
    assert life.custodians == tuple(each.name for each in CUSTODIANS)


def test_a_retention_key_begins_with_its_first_batch_and_ends_with_its_window() -> None:
    world = World(site().events, registered(), received(1))
    told = [*entries(world)]
    erased = WindowErased(BY, WINDOW, 1, "It was due.")
    told.append(Entry(len(told), 9, START + timedelta(days=400), Boundary.HSM, erased, None))
    life = key_lives(told)[WINDOW]
    assert [step.state for step in life.steps] == [KeyState.ACTIVE, KeyState.DESTROYED]
    assert life.steps[0].why == "the first batch of its window was received"


def test_a_cryptoperiod_is_over_at_its_end() -> None:
    world = World(
        site().events,
        ceremony_begun(SECOND),
        StepDone(1),
        keys_approved(SECOND),
        StepDone(2),
        components_entered(SECOND),
        replace(key_formed(SECOND), valid_until=START + timedelta(days=9)),
    )
    lives = key_lives(entries(world))
    assert lives[SECOND].is_over(None)
    assert lives[SECOND].is_over(START + timedelta(days=9))
    assert not lives[SECOND].is_over(START + timedelta(days=8))
    assert not lives[MASTER].is_over(START + timedelta(days=9000))


def test_what_is_left_out_is_about_no_key() -> None:
    told = entries(released(2))
    needed = [each for each in told if concerns_keys(_encoded(each))]
    assert len(needed) < len(told)
    assert key_lives(needed).keys() == key_lives(told).keys()
    for key, life in key_lives(told).items():
        assert key_lives(needed)[key].steps == life.steps


def _encoded(entry: Entry) -> bytes:
    committed = entry.event.kind in ("batch-received", "key-state-changed")
    return replace(entry, commit="00" * 32 if committed else None).encode()
