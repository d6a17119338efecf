"""Key ceremonies on a site: every key or none, each slip on the record, versions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pkcs11 import ObjectClass

from kif.ceremony.hold import deviate, resume
from kif.ceremony.hold import hold as hold_ceremony
from kif.ceremony.people import Component
from kif.ceremony.rehearsal import RehearsalPeople
from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.hsm.form import destroy_master, generate_master
from kif.hsm.key import Algorithm
from kif.ledger.event import Boundary, Entry
from kif.oracle.audit import audit
from kif.oracle.local import LocalOracle
from kif.oracle.messages import KeyView
from kif.simulator.issuer import TestIssuer
from kif.simulator.vendor import OTHER_TEST_VENDOR, TEST_VENDOR
from kif.store.engine import open_store
from tests.hsm.software import tdes_kcv
from tests.killing import killed_at, killings
from tests.site import (
    ISSUER,
    TestSite,
    appoint_witness,
    components,
    make_bare_site,
    make_site,
    shipped,
)

VENDOR_KEY = KeyRef(TEST_VENDOR.name, "card-manager", 1)
SECOND = replace(VENDOR_KEY, version=2)
EMV = ("emv-ac", "emv-smi", "emv-smc")


def hold(oracle: LocalOracle, people: RehearsalPeople, owner: str = TEST_VENDOR.name) -> KeyRef:
    (key,) = hold_ceremony(oracle.ceremonies, shipped("vendor-keys"), owner, people)
    return key


def inventory(oracle: LocalOracle) -> dict[KeyRef, KeyView]:
    return {view.key: view for view in oracle.custody.inventory()}


def kinds(site: TestSite) -> list[str]:
    with open_store(site.home.database).reading() as tx:
        entries = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
    assert {each.boundary for each in entries} == {Boundary.HSM}
    return [each.event.kind for each in entries]


@pytest.fixture
def bare(tmp_path: Path) -> TestSite:
    """A site after its genesis, which has no keys of others."""
    return make_bare_site(tmp_path / "home")


def test_the_keys_are_those_of_the_owners_sheets(site: TestSite) -> None:
    with site.oracle() as oracle:
        found = inventory(oracle)
    assert found[VENDOR_KEY].kcv == "gp-aes-01:504A77"
    issuer = TestIssuer(Path(), ISSUER)
    for purpose in EMV:
        view = found[KeyRef(ISSUER, purpose, 1)]
        expected = tdes_kcv(issuer.master_key(purpose)).hex().upper()
        assert (view.kcv, view.state) == (f"des-zero:{expected}", KeyState.ACTIVE)


def test_versions_and_vendors_stand_side_by_side(site: TestSite) -> None:
    with site.oracle() as oracle:
        assert hold(oracle, site.people) == SECOND
        other = hold(oracle, site.people, OTHER_TEST_VENDOR.name)
        found = inventory(oracle)
    assert {found[key].state for key in (VENDOR_KEY, SECOND, other)} == {KeyState.ACTIVE}
    assert len({found[key].kcv for key in (VENDOR_KEY, SECOND, other)}) == 3


@dataclass(frozen=True)
class Fumbler(RehearsalPeople):
    """Misreads the sheet a number of times."""

    misses: list[int] = field(default_factory=list)

    def component(self, person: str, key: KeyRef, number: int) -> Component:
        right = super().component(person, key, number)
        if not self.misses:
            return right
        if self.misses.pop() == 1:
            raise BadInput(Control.COMPONENT, "The component is not hexadecimal.")
        return replace(right, check_value="000000")


def fumbling(site: TestSite, *misses: int, said: list[str] | None = None) -> Fumbler:
    listener = (lambda text: None) if said is None else said.append
    return Fumbler(site.people.folder, site.people.sheets, listener, list(misses))


@pytest.mark.control("KIF-CER-03")
def test_a_misread_component_is_told_counted_and_tried_again(bare: TestSite) -> None:
    said: list[str] = []
    with bare.oracle() as oracle:
        hold(oracle, fumbling(bare, 1, 2, said=said))
        assert inventory(oracle)[VENDOR_KEY].kcv == "gp-aes-01:504A77"
    assert kinds(bare).count("step-missed") == 2
    assert sum("its sheet says another" in each for each in said) == 1
    secrets = [each.value.reveal().hex().upper() for each in components(VENDOR_KEY)]
    assert not [text for text in said for secret in secrets if secret in text.upper()]


@pytest.mark.control("KIF-CER-03", "KIF-CER-06")
def test_after_three_misses_the_ceremony_stands_and_goes_on_with_the_right_sheet(
    bare: TestSite,
) -> None:
    said: list[str] = []
    with bare.oracle() as oracle:
        with pytest.raises(BadInput, match="read it from the sheet again"):
            hold(oracle, fumbling(bare, 2, 2, 2, said=said))
        assert "stands at step 3 (form). 'kif ceremony resume'" in said[-1]
        assert VENDOR_KEY not in inventory(oracle)
        with pytest.raises(Refused, match="is running, at step 3; one at a time"):
            hold(oracle, bare.people)
    with bare.oracle() as oracle:
        assert resume(oracle.ceremonies, bare.people) == (VENDOR_KEY,)
        assert inventory(oracle)[VENDOR_KEY].state is KeyState.ACTIVE
    told = kinds(bare)
    assert told.count("step-missed") == 3
    assert told.count("ceremony-resumed") == 1
    audit(bare.home)


@pytest.mark.control("KIF-CER-06")
def test_an_aborted_ceremony_leaves_no_key_and_the_next_begins_anew(bare: TestSite) -> None:
    with bare.oracle() as oracle:
        with pytest.raises(BadInput):
            hold(oracle, fumbling(bare, 2, 2, 2))
        oracle.ceremonies.abort("The second sheet is not legible.")
        assert oracle.ceremonies.standing() is None
        assert hold(oracle, bare.people) == VENDOR_KEY
    assert kinds(bare).count("ceremony-aborted") == 1
    audit(bare.home)


@pytest.mark.control("KIF-CER-06")
def test_a_deviation_is_on_the_record_with_two_signatures(bare: TestSite) -> None:
    two = ("custodian-1", "operator-2")
    with bare.oracle() as oracle:
        with pytest.raises(BadInput):
            hold(oracle, fumbling(bare, 2, 2, 2))
        desk = oracle.ceremonies
        deviate(desk, "The alarm rang; all left for an hour.", two, bare.people)
        with pytest.raises(Refused, match="nobody does not take part"):
            desk.deviate("x", {"nobody": "x", "custodian-1": "y"})
        resume(desk, bare.people)
    assert kinds(bare).count("ceremony-deviated") == 1
    audit(bare.home)


@dataclass(frozen=True)
class Slipping(RehearsalPeople):
    """Signs the end of the first ceremony wrongly, once."""

    slips: list[str] = field(default_factory=list)

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        wrong = b'"attest"' in statement and not self.slips
        if wrong:
            self.slips.append(person)
        return super().sign(person, namespace, statement + (b" " if wrong else b""))


@pytest.mark.control("KIF-CER-06")
def test_a_wrong_signature_over_the_end_is_a_miss_and_is_made_again(bare: TestSite) -> None:
    """The misses stand before the signatures, which are over the head before both."""
    people = Slipping(bare.people.folder, bare.people.sheets, bare.people.listener)
    with bare.oracle() as oracle:
        assert hold(oracle, people) == VENDOR_KEY
    told = kinds(bare)
    assert told[-6:] == ["step-missed", *["ceremony-attested"] * 4, "ceremony-closed"]
    audit(bare.home)


@dataclass(frozen=True)
class OneHand(RehearsalPeople):
    """The same custodian comes twice."""

    def present(self, role: str, names: Sequence[str], count: int) -> Sequence[str]:
        return (names[0],) * count


@pytest.mark.control("KIF-CER-02")
def test_one_custodian_for_two_is_refused(bare: TestSite) -> None:
    people = OneHand(bare.people.folder, bare.people.sheets, bare.people.listener)
    with bare.oracle() as oracle, pytest.raises(Refused, match="named twice as custodian"):
        hold(oracle, people)


@dataclass(frozen=True)
class Forger(RehearsalPeople):
    """Signs something else than was asked."""

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        return super().sign(person, namespace, statement + b" ")


@pytest.mark.control("KIF-ORA-02")
def test_a_signature_over_another_plan_is_refused(bare: TestSite) -> None:
    people = Forger(bare.people.folder, bare.people.sheets, bare.people.listener)
    with bare.oracle() as oracle, pytest.raises(Refused, match="not over this statement"):
        hold(oracle, people)


@pytest.mark.control("KIF-GW-04")
def test_an_issuer_without_registration_gets_no_keys(bare: TestSite) -> None:
    with bare.oracle() as oracle:
        with pytest.raises(Refused, match="'nobody' is not registered"):
            bare.load_keys(oracle, "issuer-keys", "nobody")
        assert "ceremony-begun" not in kinds(bare)


PLACES = [
    "kif.oracle.ceremony:Ceremonies.begin",
    "kif.oracle.ceremony:Ceremonies.approve",
    "kif.oracle.ceremony:Ceremonies.done",
    "kif.oracle.ceremony:Ceremonies.enter",
    "kif.hsm.component:Combination.check_values",
    "kif.hsm.component:Combination.form",
    "kif.hsm.form:Wrapping.form",
    "kif.oracle.ceremony:Ceremonies.form",
    "kif.oracle.ceremony:Ceremonies.attestation",
    "kif.oracle.ceremony:Ceremonies.close",
]


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize(("place", "when"), killings(PLACES))
def test_a_key_ceremony_that_is_killed_anywhere_goes_on_at_its_step(
    bare: TestSite, place: str, when: str
) -> None:
    assert killed_at(bare.home.path, "vendor-keys", place, when)
    begun = (place, when) != (PLACES[0], "before")
    done = (place, when) == (PLACES[-1], "after")
    with bare.oracle() as oracle:
        found = inventory(oracle)
        assert (oracle.ceremonies.standing() is not None) == (begun and not done)
        if not done and VENDOR_KEY in found:
            assert found[VENDOR_KEY].state is KeyState.PRE_ACTIVE
        if not begun:
            hold(oracle, bare.people)
        elif not done:
            assert resume(oracle.ceremonies, bare.people) == (VENDOR_KEY,)
        view = inventory(oracle)[VENDOR_KEY]
        assert (view.state, view.kcv) == (KeyState.ACTIVE, "gp-aes-01:504A77")
        assert hold(oracle, bare.people) == SECOND
    assert kinds(bare).count("ceremony-resumed") == (begun and not done)
    audit(bare.home)


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "place", ["kif.oracle.keys:KeyRing.destroy", "kif.oracle.ceremony:forget_keys"]
)
def test_a_resumption_that_is_killed_is_done_again(bare: TestSite, place: str, when: str) -> None:
    assert killed_at(bare.home.path, "vendor-keys", "kif.oracle.ceremony:Ceremonies.form", "after")
    assert killed_at(bare.home.path, "resume", place, when)
    with bare.oracle() as oracle:
        assert resume(oracle.ceremonies, bare.people) == (VENDOR_KEY,)
        assert inventory(oracle)[VENDOR_KEY].state is KeyState.ACTIVE
    audit(bare.home)


@pytest.mark.control("KIF-HSM-08")
def test_a_destroyed_key_leaves_the_token(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    appoint_witness(site)
    with site.oracle() as oracle:
        token = oracle.custody.desk.keys.token
        hold_ceremony(oracle.ceremonies, shipped("destroy-key"), "site", site.people, VENDOR_KEY)
        assert oracle.custody.state(VENDOR_KEY) is KeyState.DESTROYED
        with pytest.raises(DeviceFailed, match="no key"):
            token.find(str(VENDOR_KEY), ObjectClass.SECRET_KEY)
    with site.oracle() as oracle:
        assert hold(oracle, site.people) == SECOND
    audit(site.home)


@pytest.mark.control("KIF-HSM-06")
def test_a_key_that_is_another_one_than_on_the_record_stops_the_opening(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        token = oracle.custody.desk.keys.token
        destroy_master(token, str(VENDOR_KEY))
        generate_master(token, str(VENDOR_KEY), Algorithm.AES_128)
    with pytest.raises(DeviceFailed, match="test-vendor/card-manager/1 is another one") as caught:
        site.oracle().__enter__()
    assert caught.value.control is Control.KEY_CHECK_VALUE


@pytest.mark.control("KIF-HSM-05")
def test_a_key_that_is_gone_stops_the_opening(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        destroy_master(oracle.custody.desk.keys.token, str(VENDOR_KEY))
    with pytest.raises(DeviceFailed, match="no key with the label 'test-vendor/card-manager/1'"):
        site.oracle().__enter__()
