"""Key ceremonies and the states of keys: what the state machine admits of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import KifError
from kif.formats.keyref import KeyRef, of_site
from kif.formats.state import KEY_STEPS, KeyState
from kif.ledger.approval import CEREMONY
from kif.ledger.event import Event
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyClosed,
    CeremonyDeviated,
    CeremonyResumed,
    KeyGenerated,
    StepDone,
    StepMissed,
)
from kif.ledger.events.key import ComponentEntered, KeyStateChanged
from kif.ledger.state import State
from tests.ledger.history import (
    BY,
    CUSTODIANS,
    ISSUER,
    KEYS,
    MASTER,
    PEOPLE,
    START,
    B,
    World,
    attested,
    ceremony_begun,
    claimed,
    components_entered,
    flat,
    genesis,
    genesis_plan,
    key_ceremony,
    key_formed,
    keys_approved,
    prepared,
    received,
    registered,
    released,
    running_for,
    signed,
    site,
)
from tests.ledger.refusal import refused

SECOND = replace(MASTER, version=2)
OTHER = KeyRef("other-vendor", "card-manager", 1)
AC = KeyRef(ISSUER, "emv-ac", 1)
CLOSED = CeremonyClosed(BY, "vendor-keys")
NOW = START + timedelta(days=1)


def aborted(step: int, name: str = "vendor-keys") -> CeremonyAborted:
    return CeremonyAborted(BY, name, step, "The power was lost.")


def bare() -> World:
    return World(genesis())


def begun(*keys: KeyRef) -> World:
    """A ceremony in whose open step the plan is signed."""
    return World(genesis(), ceremony_begun(*keys), StepDone(1))


def approved(*keys: KeyRef) -> World:
    """A ceremony in whose open step the first key is formed."""
    return World(begun(*keys).events, keys_approved(*keys), StepDone(2))


def filled() -> World:
    return World(approved().events, components_entered())


def formed() -> World:
    return World(filled().events, key_formed())


def at_the_end() -> World:
    return World(formed().events, StepDone(3))


def all_signed() -> World:
    return World(at_the_end().events, attested(running_for()))


def changed(to: KeyState, key: KeyRef = MASTER) -> KeyStateChanged:
    return KeyStateChanged(BY, key, to, "Because of a test.")


def component(person: str, number: int, key: KeyRef = MASTER) -> ComponentEntered:
    return ComponentEntered(person, key, number, "gp-aes-01:000001")


def test_a_key_ceremony_makes_active_keys() -> None:
    world = World(genesis(), key_ceremony())
    entry = world.state.keys.known[MASTER]
    assert (entry.state, entry.kcv) == (KeyState.ACTIVE, KEYS[MASTER])
    assert world.state.ceremonies.running is None


def test_a_key_is_pre_active_until_the_closing() -> None:
    assert formed().state.keys.known[MASTER].state is KeyState.PRE_ACTIVE


def test_versions_and_owners_stand_side_by_side() -> None:
    world = World(site().events, key_ceremony(SECOND), key_ceremony(OTHER), registered())
    world.admit(key_ceremony(AC))
    keys = world.state.keys
    assert keys.newest("vendor", "card-manager", NOW) == SECOND
    assert keys.newest("other-vendor", "card-manager", NOW) == OTHER
    assert keys.newest(ISSUER, "emv-ac", NOW) == AC
    assert keys.known[MASTER].state is KeyState.ACTIVE


def test_an_aborted_ceremony_destroys_what_it_formed_and_its_version_never_comes_again() -> None:
    world = formed()
    world.admit(aborted(3))
    assert world.state.keys.known[MASTER].state is KeyState.DESTROYED
    assert world.state.keys.next_version("vendor", "card-manager") == SECOND
    refused(world, ceremony_begun(), "makes vendor/card-manager/2 next, not vendor/card-manager/1")
    world.admit(key_ceremony(SECOND))


def doubled() -> Event:
    """A beginning that names one custodian for both."""
    return replace(ceremony_begun(), custodians=("custodian-1", "custodian-1"))


def deviation(*people: str, step: int = 3, signers: int = 2) -> Event:
    statement = running_for().deviation(step, "A fire drill.")
    by_name = {each.name: each for each in PEOPLE}
    chosen = [by_name[name] for name in (*people, "custodian-1", "operator-1")[:2]]
    signatures = tuple(each.sign(CEREMONY, statement) for each in chosen)
    return CeremonyDeviated(step, "A fire drill.", tuple(people), signatures)


CASES: dict[str, tuple[Callable[[], World], Callable[[], Event], str]] = {
    "before the site": (
        lambda: World(genesis()[:-1]),
        ceremony_begun,
        "genesis is not closed",
    ),
    "a second ceremony": (
        begun,
        lambda: ceremony_begun(OTHER),
        "'vendor-keys' is running, at step 2; one at a time",
    ),
    "another key than the plan's": (
        bare,
        lambda: replace(ceremony_begun(), keys=(OTHER,)),
        "The plan makes vendor/card-manager/1 next, not other-vendor/card-manager/1",
    ),
    "no key, where the plan makes one": (
        bare,
        lambda: replace(ceremony_begun(), keys=()),
        "not none",
    ),
    "a version too far": (bare, lambda: ceremony_begun(SECOND), "makes vendor/card-manager/1 next"),
    "a second genesis": (
        bare,
        lambda: replace(ceremony_begun(), plan=genesis_plan().text),
        "A site has one genesis",
    ),
    "a plan that is impossible": (
        bare,
        lambda: replace(
            ceremony_begun(), plan=ceremony_begun().plan.replace('"custodian":2', '"custodian":1')
        ),
        "would be single-handed: it takes 2 custodians, and the plan has 1",
    ),
    "keys of an issuer that is not registered": (
        bare,
        lambda: ceremony_begun(AC),
        "'bank' is not registered",
    ),
    "one custodian for two": (bare, doubled, "named twice as custodian"),
    "too few custodians": (
        bare,
        lambda: replace(ceremony_begun(), custodians=("custodian-1",)),
        "The plan has 2 custodians, and 1 take part",
    ),
    "an operator as custodian": (
        bare,
        lambda: replace(ceremony_begun(), custodians=("custodian-1", "operator-1")),
        "operator-1 is not a registered custodian",
    ),
    "a witness who is none": (
        bare,
        lambda: replace(ceremony_begun(), witnesses=("operator-1",)),
        "The plan has 0 witnesses, and 1 take part",
    ),
    "nothing running, signed": (bare, lambda: keys_approved()[0], "No ceremony is running"),
    "nothing running, closed": (bare, lambda: CLOSED, "No ceremony is running"),
    "nothing running, aborted": (bare, lambda: aborted(1), "No ceremony is running"),
    "signed before its step": (
        lambda: World(genesis(), ceremony_begun()),
        lambda: keys_approved()[0],
        "is at step 1 (open); plan-approved belongs to 'approve'",
    ),
    "signed twice by one": (
        lambda: World(begun().events, keys_approved()[:1]),
        lambda: keys_approved()[0],
        "custodian-1 has signed it already",
    ),
    "another plan signed": (
        begun,
        lambda: signed(CUSTODIANS[0], running_for(OTHER).statement()),
        "not the one of this ceremony",
    ),
    "a component before everyone signed": (
        begun,
        lambda: component("custodian-1", 1),
        "component-entered belongs to 'form'",
    ),
    "a step done before everyone signed": (
        lambda: World(begun().events, keys_approved()[:-1]),
        lambda: StepDone(2),
        "Step 2 (approve) is not done: operator-2 has not signed",
    ),
    "a component of an operator": (
        approved,
        lambda: component("operator-1", 1),
        "operator-1 is no custodian who takes part",
    ),
    "a component of another key": (
        approved,
        lambda: component("custodian-1", 1, OTHER),
        "makes vendor/card-manager/1, not other-vendor/card-manager/1",
    ),
    "two components of one custodian": (
        lambda: World(approved().events, component("custodian-1", 1)),
        lambda: component("custodian-1", 2),
        "or another one of custodian-1",
    ),
    "one component twice": (
        lambda: World(approved().events, component("custodian-1", 1)),
        lambda: component("custodian-2", 1),
        "Component 1 of vendor/card-manager/1 is there already",
    ),
    "a miss of somebody who takes no part": (
        approved,
        lambda: StepMissed("stranger", 3, Control.COMPONENT, "x"),
        "stranger does not take part",
    ),
    "a miss in another step": (
        approved,
        lambda: StepMissed("custodian-1", 2, Control.COMPONENT, "x"),
        "is at step 3 (form), not at step 2",
    ),
    "a deviation that one person signed twice": (
        approved,
        lambda: deviation("custodian-1", "custodian-1"),
        "Two different people sign",
    ),
    "a deviation of somebody who takes no part": (
        approved,
        lambda: replace(
            deviation("custodian-1", "operator-1"),  # type: ignore[type-var]
            people=("custodian-1", "stranger"),
        ),
        "stranger does not take part",
    ),
    "a deviation that somebody else signed": (
        approved,
        lambda: replace(
            deviation("custodian-1", "operator-1"),  # type: ignore[type-var]
            people=("custodian-1", "operator-2"),
        ),
        "made with another key",
    ),
    "a deviation with another reason than was signed": (
        approved,
        lambda: replace(
            deviation("custodian-1", "operator-1"),  # type: ignore[type-var]
            reason="It rained.",
        ),
        "not over this statement",
    ),
    "resumed at another step": (
        approved,
        lambda: CeremonyResumed(2, ()),
        "is at step 3 (form), not at step 2",
    ),
    "resumed without its key": (
        formed,
        lambda: CeremonyResumed(3, ()),
        "exactly what the interrupted step had made",
    ),
    "resumed with a key that it did not make": (
        filled,
        lambda: CeremonyResumed(3, (MASTER,)),
        "exactly what the interrupted step had made",
    ),
    "resumed with a key of the step before": (
        at_the_end,
        lambda: CeremonyResumed(4, (MASTER,)),
        "exactly what the interrupted step had made",
    ),
    "formed of one component": (
        lambda: World(approved().events, component("custodian-1", 1)),
        key_formed,
        "formed of 1 components; here it takes 2",
    ),
    "formed of components that an interruption took": (
        lambda: World(filled().events, CeremonyResumed(3, ())),
        key_formed,
        "formed of 0 components",
    ),
    "another key formed": (
        filled,
        lambda: key_formed(OTHER),
        "makes vendor/card-manager/1, not other-vendor/card-manager/1",
    ),
    "formed twice": (formed, key_formed, "on the record already"),
    "formed with another usage": (
        filled,
        lambda: replace(key_formed(), usage="site-ca"),
        "a key of that purpose is master-derivation",
    ),
    "formed with another algorithm": (
        filled,
        lambda: replace(key_formed(), algorithm="2TDEA"),
        "Step 3 (form) makes a key of AES-128, not of 2TDEA",
    ),
    "formed with another length": (
        filled,
        lambda: replace(key_formed(), algorithm="AES-256"),
        "makes a key of AES-128, not of AES-256",
    ),
    "done before it is formed": (
        filled,
        lambda: StepDone(3),
        "Step 3 (form) is not done: vendor/card-manager/1 is not made",
    ),
    "closed before its last step": (
        formed,
        lambda: CLOSED,
        "is at step 3 (form); ceremony-closed belongs to 'close'",
    ),
    "closed before everyone signed its end": (
        lambda: World(at_the_end().events, attested(running_for())[:-1]),
        lambda: CLOSED,
        "operator-2 did not sign the end",
    ),
    "its end signed twice by one": (
        all_signed,
        lambda: attested(running_for())[0],
        "custodian-1 has signed the end already",
    ),
    "its end signed over another head": (
        at_the_end,
        lambda: attested(running_for(), (9, "00" * 32))[0],
        "not the one of the end of this ceremony",
    ),
    "its last step done without its closing": (
        all_signed,
        lambda: StepDone(4),
        "it is done by the closing itself",
    ),
    "another ceremony closed": (
        all_signed,
        lambda: replace(CLOSED, ceremony="issuer-keys"),
        "'vendor-keys' is running, not 'issuer-keys'",
    ),
    "another ceremony aborted": (
        formed,
        lambda: aborted(3, "issuer-keys"),
        "'vendor-keys' is running, not 'issuer-keys'",
    ),
    "aborted at another step": (formed, lambda: aborted(2), "is at step 3 (form), not at step 2"),
    "a state of the site's key": (
        site,
        lambda: changed(KeyState.SUSPENDED, of_site("site-ca")),
        "is the site's own",
    ),
    "a state of a key that is not there": (
        site,
        lambda: changed(KeyState.SUSPENDED, OTHER),
        "There is no key other-vendor/card-manager/1",
    ),
    "a key activated outside its ceremony": (
        formed,
        lambda: changed(KeyState.ACTIVE),
        "a ceremony that is not closed",
    ),
    "an active key destroyed": (
        site,
        lambda: changed(KeyState.DESTROYED),
        "After active comes compromised, deactivated, suspended",
    ),
}


@pytest.mark.control("KIF-CER-06", "KIF-HSM-08", "KIF-LOG-03")
@pytest.mark.parametrize("case", CASES)
def test_a_key_ceremony_that_is_out_of_order_is_refused(case: str) -> None:
    world, event, words = CASES[case]
    refused(world(), event(), words)


@pytest.mark.control("KIF-CER-06")
def test_an_interrupted_step_is_done_again_with_the_same_key() -> None:
    world = formed()
    world.admit(CeremonyResumed(3, (MASTER,)))
    assert MASTER not in world.state.keys.known
    again = flat(components_entered(), key_formed(), StepDone(3), attested(running_for()), CLOSED)
    world.admit(again)
    assert world.state.keys.known[MASTER].state is KeyState.ACTIVE


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize("at", range(len(key_ceremony())))
def test_a_ceremony_is_resumed_wherever_it_was_interrupted(at: int) -> None:
    """From the snapshot of the moment, too."""
    world = World(genesis(), key_ceremony()[:at])
    running = world.state.ceremonies.running
    if running is None:
        assert at == 0
        return
    again = World(genesis()).state.ceremonies
    again.restore(canonical.decode(canonical.encode(world.state.ceremonies.encode())))
    assert again.running == running
    world.admit(CeremonyResumed(running.done + 1, running.made_here))
    left = list(key_ceremony()[at:])
    if running.open is not None and running.open.action == "form":
        left = flat(components_entered(), key_formed(), key_ceremony()[10:])
    if running.open is not None and running.open.action == "close":
        left = list(key_ceremony()[11:])
    world.admit(left)
    assert world.state.ceremonies.running is None
    assert world.state.keys.known[MASTER].state is KeyState.ACTIVE


def test_misses_and_deviations_may_stand_in_any_step() -> None:
    for number, world in ((2, begun()), (3, filled()), (4, at_the_end())):
        world.admit(
            StepMissed("custodian-2", number, Control.COMPONENT, "x"),
            deviation("custodian-1", "operator-1", step=number),
        )


def test_a_signature_over_the_end_is_of_no_use_once_the_log_went_on() -> None:
    world = World(at_the_end().events, attested(running_for())[:2])
    world.state.head = (40, "ab" * 32)
    refused(world, attested(running_for())[2], "not the one of the end")
    world.admit(attested(running_for(), world.state.head)[2:])
    refused(world, CLOSED, "custodian-1, custodian-2 did not sign the end")


def test_a_genesis_makes_the_sites_keys_only() -> None:
    at = [each.kind for each in genesis()].index("key-generated")
    world = World(genesis()[:at])
    event = KeyGenerated(MASTER, "master-derivation", "AES-128", None, None, None)
    refused(world, event, "A genesis makes no key like vendor/card-manager/1")


@pytest.mark.control("KIF-HSM-08")
@pytest.mark.parametrize("path", ["suspended active", "suspended deactivated"])
def test_a_key_moves_along_its_states(path: str) -> None:
    world = site()
    for name in path.split():
        world.admit(changed(KeyState(name)))
        assert world.state.keys.known[MASTER].state.value == name


@pytest.mark.control("KIF-HSM-08", "KIF-CER-06")
def test_what_is_final_has_a_ceremony_of_its_own() -> None:
    world = site()
    refused(world, changed(KeyState.COMPROMISED), "ceremonies/compromise.yaml and --key vendor/")
    world.admit(changed(KeyState.DEACTIVATED))
    refused(world, changed(KeyState.DESTROYED), "ceremonies/destroy-key.yaml and --key vendor/")


def test_nothing_follows_destruction_and_nobody_returns_to_pre_active() -> None:
    assert not KEY_STEPS[KeyState.DESTROYED]
    assert not [each for each, steps in KEY_STEPS.items() if KeyState.PRE_ACTIVE in steps]


@pytest.mark.control("KIF-HSM-08")
def test_a_key_that_is_not_active_makes_no_card() -> None:
    world = released()
    world.admit(changed(KeyState.SUSPENDED))
    refused(world, claimed(1), "vendor/card-manager/1 is suspended; an active one is needed")
    world.admit(changed(KeyState.ACTIVE), claimed(1))


def valid_until(end: timedelta) -> World:
    """A world whose vendor key's cryptoperiod ends so long after the start."""
    form = replace(key_formed(), valid_until=START + end)
    return World(filled().events, form, StepDone(3), attested(running_for()), CLOSED)


@pytest.mark.control("KIF-HSM-08")
def test_a_key_outside_its_cryptoperiod_prepares_and_makes_nothing() -> None:
    world = valid_until(timedelta(seconds=-1))
    world.admit(registered(), received(1))
    refused(world, prepared(), "was valid until 2025-12-31; nothing is made with it any more")
    with pytest.raises(KifError, match="vendor has no active key for card-manager"):
        world.state.keys.newest("vendor", "card-manager", NOW)
    world = valid_until(timedelta(hours=1))
    world.release(2)
    world.admit(claimed(1))
    world.state.batches.require_released(B, "station-1", START + timedelta(minutes=59))
    with pytest.raises(KifError, match="was valid until 2026-01-01"):
        world.state.batches.require_released(B, "station-1", START + timedelta(minutes=61))
    assert world.state.keys.newest("vendor", "card-manager", START) == MASTER


def test_a_cryptoperiod_is_in_the_snapshot() -> None:
    keys = valid_until(timedelta(days=3)).state.keys
    again = State(bytes(32)).keys
    again.restore(keys.encode())
    assert again.known == keys.known
    assert again.known[MASTER].valid_until == START + timedelta(days=3)


@pytest.mark.control("KIF-HSM-08")
def test_a_key_that_is_not_active_prepares_no_batch() -> None:
    world = World(site().events, registered(), received(1))
    world.admit(changed(KeyState.DEACTIVATED))
    refused(world, prepared(), "is deactivated; an active one is needed")
    with pytest.raises(KifError, match="vendor has no active key for card-manager"):
        world.state.keys.newest("vendor", "card-manager", NOW)


@pytest.mark.control("KIF-HSM-03")
def test_a_batch_is_made_with_its_own_issuers_keys() -> None:
    world = World(site().events, registered(), registered("other-bank"))
    foreign = KeyRef("other-bank", "emv-ac", 1)
    world.admit(key_ceremony(foreign), received(1))
    kcv = world.state.keys.check_value(foreign)
    refused(world, replace(prepared(B), keys={foreign: kcv}), "is not a key of bank")
