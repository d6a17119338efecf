"""An issuer's keys get their next version, and the one before ends unless a batch needs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kif.ceremony.hold import hold, resume
from kif.cli.papers import read_ceremonies, write_report
from kif.compliance.ceremonies import Outcome
from kif.compliance.record import verify_record
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.graphics.front import require_fit
from kif.oracle.audit import audit
from kif.preparation.prepare import prepare_batch
from tests.ceremony.test_keeping import held as held_about
from tests.ceremony.test_keeping import require_record
from tests.ceremony.test_succession import verifier
from tests.killing import killed_at, killings
from tests.site import (
    ISSUER,
    TestSite,
    appoint_witness,
    make_bare_site,
    make_site,
    received_file,
    released_batch,
    require_lives_told,
    shared_issuer,
    shipped,
)

PURPOSES = ("emv-ac", "emv-smi", "emv-smc")
OLD, NEW = ([KeyRef(ISSUER, purpose, version) for purpose in PURPOSES] for version in (1, 2))
ACTIVE, DEACTIVATED = KeyState.ACTIVE, KeyState.DEACTIVATED


def rotated(site: TestSite) -> list[str]:
    """Hold the plan; return what was said."""
    said: list[str] = []
    people = replace(site.people, listener=said.append)
    with site.oracle() as oracle:
        assert hold(oracle.ceremonies, shipped("rotate-issuer-keys"), ISSUER, people) == (*NEW,)
    return said


def states(site: TestSite) -> dict[KeyRef, KeyState]:
    with site.oracle() as oracle:
        return {view.key: view.state for view in oracle.custody.inventory()}


def not_yet_closed(folder: Path) -> TestSite:
    """A site on which a rotation was killed just before its closing."""
    site = make_site(folder)
    at = "kif.oracle.ceremony:Ceremonies.close"
    assert killed_at(site.home.path, "rotate-issuer-keys", at, "before")
    return site


@pytest.mark.control("KIF-CER-06", "KIF-HSM-06")
def test_keys_are_rotated_and_the_old_ones_destroyed(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    said = rotated(site)
    found = states(site)
    assert {found[key] for key in OLD} == {DEACTIVATED}
    assert {found[key] for key in NEW} == {ACTIVE}
    for key in OLD:
        assert f"{key} is deactivated when this ceremony is closed." in said
    with site.oracle() as oracle:
        view = released_batch(site, oracle, "ROTATED", 1)
        state = oracle.ceremonies.desk.record.tail.state
        assert {key for key, _ in state.batches.known[view.id].keys} >= set(map(str, NEW))
    page = require_record(site, tmp_path / "rotated")
    assert f"Another version comes after {OLD[0]}: it ends with the ceremony." in page
    require_lives_told(site)
    appoint_witness(site)
    held_about(site, "destroy-key", OLD[0])  # from deactivated, which its record knows
    require_record(site, tmp_path / "destroyed")
    assert states(site)[OLD[0]] is KeyState.DESTROYED
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06", "KIF-HSM-06")
def test_a_key_goes_on_for_the_batches_that_depend_on_it(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        view = released_batch(site, oracle, "OPEN", 2)
    said = rotated(site)
    assert f"{OLD[0]} stays active, because batches that are not closed depend on it:" in said
    assert f"  Batch {view.id}, 2 cards, released." in said
    assert f"  When they are closed: 'kif key state {OLD[0]} deactivated'." in said
    found = states(site)
    assert {found[key] for key in (*OLD, *NEW)} == {ACTIVE}
    page = require_record(site, tmp_path / "rotated")
    assert f"after {OLD[0]}: it goes on for 1 batches that are not closed." in page
    with site.oracle() as oracle:
        oracle.supervision.cancel_batch(view.id, "It was made by mistake.")
        for key in OLD:
            oracle.custody.change_state(key, DEACTIVATED, "Its last batch is over.")
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
def test_nothing_is_prepared_with_a_key_that_is_about_to_end(tmp_path: Path) -> None:
    site = not_yet_closed(tmp_path / "home")
    with site.oracle() as oracle:
        view = oracle.gateway.admit(received_file("LATE", 1), again=True)
        with pytest.raises(Refused, match=f"{OLD[0].owner}/emv-.*/1 ends with the ceremony 'rot"):
            prepare_batch(view.id, oracle.preparation, require_fit, lambda: None)
        resume(oracle.ceremonies, site.people)
        prepare_batch(view.id, oracle.preparation, require_fit, lambda: None)
    assert {states(site)[key] for key in OLD} == {DEACTIVATED}
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
def test_a_rotation_that_is_aborted_leaves_the_keys_as_they_were(tmp_path: Path) -> None:
    site = not_yet_closed(tmp_path / "home")
    with site.oracle() as oracle:
        oracle.ceremonies.abort("Somebody had to leave.")
        released_batch(site, oracle, "AFTER", 1)
    found = states(site)
    assert ({found[key] for key in OLD}, found[NEW[0]]) == ({ACTIVE}, KeyState.DESTROYED)
    read = read_ceremonies(site.home, verifier(site))
    list(write_report(read, len(read.ceremonies.told), tmp_path / "report"))
    record = (tmp_path / "report" / "record.json").read_bytes()
    assert verify_record(record, verifier(site)).outcome is Outcome.ABORTED
    appoint_witness(site)
    held_about(site, "destroy-key", OLD[0])  # from active, which its record knows
    require_record(site, tmp_path / "destroyed")
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
def test_without_a_key_in_use_there_is_nothing_to_rotate(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    with site.oracle() as oracle:
        oracle.supervision.register_issuer(ISSUER, shared_issuer().certificate.encode())
        with pytest.raises(Refused, match=f"There is no active key {OLD[0].owner}/emv-ac"):
            hold(oracle.ceremonies, shipped("rotate-issuer-keys"), ISSUER, site.people)
        assert oracle.ceremonies.standing() is None


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize(("place", "when"), killings(["oracle.custody:Custody.supersede"]))
def test_a_rotation_that_is_killed_goes_on(tmp_path: Path, place: str, when: str) -> None:
    site = make_site(tmp_path / "home")
    assert killed_at(site.home.path, "rotate-issuer-keys", f"kif.{place}", when)
    with site.oracle() as oracle:
        resume(oracle.ceremonies, site.people)
    found = states(site)
    assert {found[key] for key in OLD} == {DEACTIVATED}
    assert {found[key] for key in NEW} == {ACTIVE}
    require_record(site, tmp_path / "rotated")
    require_lives_told(site)
    audit(site.home)
