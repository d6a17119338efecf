"""Key ceremonies and the states of keys: what the state machine admits of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from kif.formats.control import Control
from kif.formats.error import KifError
from kif.formats.keyref import KeyRef, of_site
from kif.formats.state import KEY_STEPS, KeyState
from kif.ledger.ceremonies import key_statement
from kif.ledger.event import Event
from kif.ledger.events.ceremony import KeyGenerated
from kif.ledger.events.key import (
    ComponentEntered,
    Deviation,
    KeyCeremonyAborted,
    KeyCeremonyClosed,
    KeyStateChanged,
)
from kif.ledger.state import State
from tests.ledger.history import (
    BY,
    CUSTODIANS,
    ISSUER,
    KEYS,
    MASTER,
    OPERATORS,
    PLAN,
    SITE,
    START,
    B,
    World,
    ceremony_begun,
    claimed,
    components_entered,
    genesis,
    key_ceremony,
    key_formed,
    keys_approved,
    plan_approved,
    prepared,
    received,
    registered,
    released,
    site,
)
from tests.ledger.refusal import refused

SECOND = replace(MASTER, version=2)
OTHER = KeyRef("other-vendor", "card-manager", 1)
AC = KeyRef(ISSUER, "emv-ac", 1)
CLOSED = KeyCeremonyClosed(BY, "vendor-keys")
NOW = START + timedelta(days=1)
ABORTED = KeyCeremonyAborted(BY, "vendor-keys", "The power was lost.")


def bare() -> World:
    return World(genesis())


def begun(*keys: KeyRef) -> World:
    return World(genesis(), ceremony_begun(*keys))


def signed(*keys: KeyRef) -> World:
    return World(genesis(), ceremony_begun(*keys), keys_approved(*keys))


def filled() -> World:
    return World(signed().events, components_entered())


def formed() -> World:
    return World(filled().events, key_formed())


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
    world.admit(key_ceremony(AC, name="issuer-keys"))
    keys = world.state.keys
    assert keys.newest("vendor", "card-manager", NOW) == SECOND
    assert keys.newest("other-vendor", "card-manager", NOW) == OTHER
    assert keys.newest(ISSUER, "emv-ac", NOW) == AC
    assert keys.known[MASTER].state is KeyState.ACTIVE


def test_an_aborted_ceremony_destroys_what_it_formed_and_its_version_never_comes_again() -> None:
    world = formed()
    world.admit(ABORTED)
    assert world.state.keys.known[MASTER].state is KeyState.DESTROYED
    assert world.state.keys.next_version("vendor", "card-manager") == SECOND
    refused(world, ceremony_begun(), "does not come next: vendor/card-manager/2 does")
    world.admit(key_ceremony(SECOND))


CASES: dict[str, tuple[Callable[[], World], Callable[[], Event], str]] = {
    "before the site": (lambda: World(genesis()[:-1]), ceremony_begun, "genesis is not closed"),
    "a second ceremony": (begun, lambda: ceremony_begun(OTHER), "one at a time"),
    "a key twice": (bare, lambda: ceremony_begun(MASTER, MASTER), "forms each key once"),
    "a version too far": (bare, lambda: ceremony_begun(SECOND), "does not come next"),
    "a key of the site": (
        bare,
        lambda: ceremony_begun(replace(of_site("site-ca"), version=1)),
        "site/site-ca/1 is not formed of components",
    ),
    "a retention key": (
        bare,
        lambda: ceremony_begun(KeyRef(ISSUER, "retention", 1)),
        "bank/retention/1 is not formed of components",
    ),
    "an unknown purpose": (bare, lambda: ceremony_begun(KeyRef("v", "lunch", 1)), "no purpose"),
    "keys of an issuer that is not registered": (
        bare,
        lambda: ceremony_begun(AC),
        "'bank' is not registered",
    ),
    "nothing running, signed": (bare, lambda: keys_approved()[0], "No key ceremony is running"),
    "nothing running, closed": (bare, lambda: CLOSED, "No key ceremony is running"),
    "signed by an operator": (
        begun,
        lambda: plan_approved(OPERATORS[0], key_statement(SITE, "vendor-keys", PLAN, (MASTER,))),
        "operator-1 is not a registered custodian",
    ),
    "signed twice by one": (
        lambda: World(begun().events, keys_approved()[:1]),
        lambda: keys_approved()[0],
        "custodian-1 has signed it already",
    ),
    "another plan signed": (
        begun,
        lambda: plan_approved(CUSTODIANS[0], key_statement(SITE, "vendor-keys", PLAN, (OTHER,))),
        "not the one of this ceremony",
    ),
    "signed after a component": (
        lambda: World(signed().events, component("custodian-1", 1)),
        lambda: keys_approved()[1],
        "has signed it already",
    ),
    "a component before two signed": (
        lambda: World(begun().events, keys_approved()[:1]),
        lambda: component("custodian-1", 1),
        "Two custodians sign the plan",
    ),
    "a component of an operator": (
        signed,
        lambda: component("operator-1", 1),
        "operator-1 is not a custodian who signed",
    ),
    "a component of another key": (
        signed,
        lambda: component("custodian-1", 1, OTHER),
        "does not form other-vendor/card-manager/1",
    ),
    "two components of one custodian": (
        lambda: World(signed().events, component("custodian-1", 1)),
        lambda: component("custodian-1", 2),
        "by custodian-1",
    ),
    "one component twice": (
        lambda: World(signed().events, component("custodian-1", 1)),
        lambda: component("custodian-2", 1),
        "Component 1 of vendor/card-manager/1 was entered before",
    ),
    "a slip of an operator": (
        signed,
        lambda: Deviation("operator-1", MASTER, Control.COMPONENT, "x"),
        "operator-1 is not a custodian who signed",
    ),
    "formed of one component": (
        lambda: World(signed().events, component("custodian-1", 1)),
        key_formed,
        "formed of 1 components",
    ),
    "formed of another key's components": (
        filled,
        lambda: key_formed(OTHER),
        "formed of 0 components",
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
        "AES-128 or AES-192 or AES-256",
    ),
    "closed before it is formed": (filled, lambda: CLOSED, "has not formed vendor/card-manager/1"),
    "another ceremony closed": (
        formed,
        lambda: KeyCeremonyClosed(BY, "issuer-keys"),
        "'vendor-keys' is running, not 'issuer-keys'",
    ),
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


def test_a_genesis_makes_the_sites_keys_only() -> None:
    world = World(genesis()[:10])
    event = KeyGenerated(MASTER, "master-derivation", "AES-128", None, None, None)
    refused(world, event, "A genesis makes no key like vendor/card-manager/1")


@pytest.mark.control("KIF-HSM-08")
@pytest.mark.parametrize("path", ["suspended active", "deactivated destroyed", "compromised"])
def test_a_key_moves_along_its_states(path: str) -> None:
    world = site()
    for name in path.split():
        world.admit(changed(KeyState(name)))
        assert world.state.keys.known[MASTER].state.value == name


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
    return World(filled().events, form, CLOSED)


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
    world.admit(key_ceremony(foreign, name="issuer-keys"), received(1))
    kcv = world.state.keys.check_value(foreign)
    refused(world, replace(prepared(B), keys={foreign: kcv}), "is not a key of bank")
