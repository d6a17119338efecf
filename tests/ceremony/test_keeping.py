"""A key that is named is suspended, destroyed, or compromised with all that depends on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kif.ceremony.hold import hold, resume
from kif.cli.papers import read_ceremonies, write_report
from kif.compliance.ceremonies import Outcome
from kif.compliance.record import verify_record
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import KeyRef, of_site
from kif.formats.state import BatchState, KeyState
from kif.oracle.audit import audit
from kif.simulator.vendor import TEST_VENDOR
from tests.ceremony.test_backup import KEK, back_up
from tests.ceremony.test_succession import verifier
from tests.cli.kif import kif
from tests.killing import killed_at
from tests.site import (
    ISSUER,
    TestSite,
    appoint_witness,
    make_bare_site,
    make_site,
    released_batch,
    require_lives_told,
    shipped,
)

VENDOR_KEY = KeyRef(TEST_VENDOR.name, "card-manager", 1)


def held(site: TestSite, name: str, key: KeyRef | None) -> list[str]:
    """Hold a plan about a key; return what was said."""
    said: list[str] = []
    people = replace(site.people, listener=said.append)
    with site.oracle() as oracle:
        hold(oracle.ceremonies, shipped(name), "site", people, key)
    return said


def state(site: TestSite, key: KeyRef) -> KeyState:
    with site.oracle() as oracle:
        return oracle.custody.state(key)


def require_record(site: TestSite, folder: Path) -> str:
    """Require that the newest ceremony's record verifies; return its report's page."""
    read = read_ceremonies(site.home, verifier(site))
    list(write_report(read, len(read.ceremonies.told), folder))
    raw = (folder / "record.json").read_bytes()
    assert verify_record(raw, verifier(site)).outcome is Outcome.CLOSED
    return (folder / "report.html").read_text()


@pytest.mark.control("KIF-CER-06")
def test_a_key_is_suspended_and_active_again(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    assert f"{VENDOR_KEY} is suspended." in held(site, "suspend-key", VENDOR_KEY)
    assert state(site, VENDOR_KEY) is KeyState.SUSPENDED
    with pytest.raises(Refused, match=f"{VENDOR_KEY} is as it was before"):
        held(site, "suspend-key", VENDOR_KEY)  # it is suspended already
    with site.oracle() as oracle:
        oracle.ceremonies.abort("It was suspended before.")
        oracle.custody.change_state(VENDOR_KEY, KeyState.ACTIVE, "It was not seen.")
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06", "KIF-HSM-08")
def test_a_key_is_destroyed_in_a_ceremony_alone(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        oracle.custody.change_state(VENDOR_KEY, KeyState.DEACTIVATED, "It is over.")
        with pytest.raises(Refused, match=r"A key becomes destroyed in a ceremony, with custod"):
            oracle.custody.change_state(VENDOR_KEY, KeyState.DESTROYED, "It is over.")
        assert oracle.custody.state(VENDOR_KEY) is KeyState.DEACTIVATED
    with pytest.raises(Refused, match=r"needs 1 witness; the site has 0\. People are app"):
        held(site, "destroy-key", VENDOR_KEY)
    appoint_witness(site)
    assert f"{VENDOR_KEY} is destroyed." in held(site, "destroy-key", VENDOR_KEY)
    issuers = KeyRef(ISSUER, "emv-ac", 1)
    held(site, "destroy-key", issuers)  # from active, by way of deactivated
    with site.oracle() as oracle:
        labels = {label for label, _ in oracle.ceremonies.desk.keys.token.key_objects()}
    assert not labels & {str(VENDOR_KEY), str(issuers)}
    page = require_record(site, tmp_path / "report")
    assert f"{issuers} is destroyed: This is a rehearsal." in page
    assert "witness-1 signed the end of the record." in page
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
def test_a_compromise_lists_every_batch_and_backup(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        view = released_batch(site, oracle, "COMPROMISED", 2)
    back_up(site)
    said = held(site, "compromise", VENDOR_KEY)
    assert f"{VENDOR_KEY} is compromised: nothing is made with it any more." in said
    told = f"  Batch {view.id} of {ISSUER}, 2 cards, released; cancel it, or close it short."
    assert told in said
    assert f"  The backup under {KEK} holds it." in said
    with site.oracle() as oracle:
        assert oracle.custody.state(VENDOR_KEY) is KeyState.COMPROMISED
        assert oracle.supervision.batch(view.id).state is BatchState.RELEASED
        log = oracle.ceremonies.desk.record.tail.state
        assert log.batches.made_with(VENDOR_KEY) == [view.id]
    page = require_record(site, tmp_path / "report")
    assert f"{VENDOR_KEY} is COMPROMISED; 1 batches and 0 keys depend on it" in page
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
def test_a_backup_that_was_made_before_a_key_does_not_hold_it(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    back_up(site)
    new = generated(site)[0]
    said = held(site, "compromise", new)
    assert f"{new} is compromised: nothing is made with it any more." in said
    assert not [text for text in said if "The backup under" in text]
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
def test_no_key_becomes_compromised_by_two_operators(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle, pytest.raises(Refused, match=r"ceremonies/compromise\.yaml"):
        oracle.custody.change_state(VENDOR_KEY, KeyState.COMPROMISED, "It was seen.")


@pytest.mark.control("KIF-CER-06")
def test_what_is_no_key_of_an_issuer_or_a_vendor_is_refused(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    with pytest.raises(Refused, match="is the site's own; this plan is not for it"):
        held(site, "suspend-key", of_site("data-protection"))
    with pytest.raises(BadInput, match="There is no key nobody/emv-ac/1"):
        held(site, "suspend-key", KeyRef("nobody", "emv-ac", 1))
    with pytest.raises(Refused, match="This plan is about a key: name it"):
        held(site, "suspend-key", None)
    with site.oracle() as oracle:
        assert oracle.ceremonies.standing() is None


def test_a_key_is_named_at_the_command(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    run = ("ceremony", "run")
    done = kif(site.home.path, *run, "ceremonies/suspend-key.yaml")
    assert (done.code, "about one key: name it with --key" in done.err) == (2, True)
    done = kif(site.home.path, *run, "ceremonies/share-drill.yaml", "--key", str(VENDOR_KEY))
    assert (done.code, "This plan is not about one key" in done.err) == (2, True)
    done = kif(site.home.path, *run, "ceremonies/suspend-key.yaml", "--key", str(VENDOR_KEY))
    assert (done.code, f"There is no key {VENDOR_KEY}" in done.err) == (2, True)


def generated(site: TestSite) -> tuple[KeyRef, ...]:
    with site.oracle() as oracle:
        plan = shipped("issuer-keys-generated")
        return hold(oracle.ceremonies, plan, ISSUER, site.people)


@pytest.mark.control("KIF-CER-06", "KIF-HSM-06")
def test_an_issuers_keys_are_generated_and_used(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    keys = generated(site)
    assert [str(key) for key in keys] == [
        f"{ISSUER}/{purpose}/2" for purpose in ("emv-ac", "emv-smi", "emv-smc")
    ]
    with site.oracle() as oracle:
        view = released_batch(site, oracle, "GENERATED", 1)
        state = oracle.ceremonies.desk.record.tail.state
        assert {key for key, _ in state.batches.known[view.id].keys} >= set(map(str, keys))
        assert state.keys.require(keys[0]).valid_until is not None
        assert str(keys[0]) not in state.custody.secrets  # nobody holds a part of it
    require_record(site, tmp_path / "report")
    require_lives_told(site)
    back_up(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06", "KIF-HSM-06")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", ["oracle.ceremony:drawn_master", "hsm.form:Drawn.form"])
def test_a_generation_that_is_killed_goes_on(tmp_path: Path, place: str, when: str) -> None:
    site = make_site(tmp_path / "home")
    assert killed_at(site.home.path, "issuer-keys-generated", f"kif.{place}", when)
    with site.oracle() as oracle:
        made = resume(oracle.ceremonies, site.people)
        inventory = {view.key: view for view in oracle.custody.inventory()}
    assert [inventory[key].state for key in made] == [KeyState.ACTIVE] * 3
    require_lives_told(site)
    audit(site.home)
