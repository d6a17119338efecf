"""Another CA and another recipient: what issuers sent to the one before is still taken."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from kif.ceremony.hold import hold, resume
from kif.cli.papers import read_ceremonies, write_report
from kif.compliance.ceremonies import Outcome
from kif.compliance.record import verify_record
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.gateway.receive import receive_file
from kif.oracle.audit import audit
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView
from kif.preparation.product import load_product
from kif.simulator.issuer import TestIssuer
from tests.ceremony.test_succession import verifier
from tests.cli.kif import kif
from tests.killing import killed_at, killings
from tests.site import ISSUER, TestSite, make_bare_site, require_lives_told, shared_issuer, shipped


def renew(site: TestSite) -> tuple[KeyRef, ...]:
    with site.oracle() as oracle:
        return hold(oracle.ceremonies, shipped("renew-certificates"), "site", site.people)


def received(oracle: LocalOracle, issuer: TestIssuer, certificate: str, number: int) -> BatchView:
    now = datetime.now(UTC)
    path = issuer.folder / f"renewal-{number}.cms"
    issuer.write_file(
        path,
        recipient_certificate=certificate,
        reference=f"RENEWAL-{number}",
        product="test-debit",
        count=1,
        first_number=number,
        today=now.date(),
    )
    return receive_file(path, oracle.gateway, now, load_product)


def states(site: TestSite) -> dict[str, KeyState]:
    with site.oracle() as oracle:
        return {str(each.key): each.state for each in oracle.custody.inventory()}


@pytest.mark.control("KIF-GW-01", "KIF-CER-06")
def test_files_to_the_recipient_before_are_taken_until_the_next_renewal(tmp_path: Path) -> None:
    site, issuer = make_bare_site(tmp_path / "home"), shared_issuer()
    with site.oracle() as oracle:
        oracle.supervision.register_issuer(ISSUER, issuer.certificate.encode())
        first = oracle.gateway.recipient_certificate()
    assert renew(site) == (
        KeyRef("site", "site-ca", 2),
        KeyRef("site", "envelope-recipient", 2),
    )
    with site.oracle() as oracle:
        second = oracle.gateway.recipient_certificate()
        assert received(oracle, issuer, first, 71).count == 1
        assert received(oracle, issuer, second, 72).count == 1
    renew(site)
    with site.oracle() as oracle:
        third = oracle.gateway.recipient_certificate()
        assert received(oracle, issuer, second, 73).count == 1
        assert received(oracle, issuer, third, 74).count == 1
        with pytest.raises(BadInput, match="none of which is this bureau"):
            received(oracle, issuer, first, 75)
    require_lives_told(site)
    audit(site.home)
    assert kif(site.home.path, "issuer", "recipient").out == third
    assert kif(site.home.path, "issuer", "recipient", "--verifier", verifier(site)).out == third


@pytest.mark.control("KIF-CER-06")
def test_the_ca_before_is_destroyed_and_the_new_one_certifies(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    renew(site)
    renew(site)
    known = states(site)
    told = [(known[f"site/site-ca/{v}"], known[f"site/envelope-recipient/{v}"]) for v in (1, 2, 3)]
    gone, used = KeyState.DESTROYED, KeyState.ACTIVE
    assert told == [(gone, gone), (gone, used), (used, used)]
    with site.oracle() as oracle:
        labels = {label for label, _ in oracle.ceremonies.desk.keys.token.key_objects()}
        state = oracle.ceremonies.desk.record.tail.state
        ca = x509.load_pem_x509_certificate(state.genesis.certificate("site-ca").encode())
        pem = state.genesis.certificate("envelope-recipient").encode()
    x509.load_pem_x509_certificate(pem).verify_directly_issued_by(ca)
    assert labels >= {"site/site-ca/3", "site/envelope-recipient/2", "site/envelope-recipient/3"}
    assert not labels & {"site/site-ca/1", "site/site-ca/2", "site/envelope-recipient/1"}
    list(write_report(read_ceremonies(site.home, verifier(site)), 3, tmp_path / "report"))
    raw = (tmp_path / "report" / "record.json").read_bytes()
    assert verify_record(raw, verifier(site)).outcome is Outcome.CLOSED


@pytest.mark.control("KIF-CER-06")
def test_a_renewal_that_is_aborted_changes_nothing(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    with site.oracle() as oracle:
        before = oracle.gateway.recipient_certificate()
    place = "kif.oracle.ceremony:Ceremonies.close"
    assert killed_at(site.home.path, "renew-certificates", place, "before")
    with site.oracle() as oracle:
        oracle.ceremonies.abort("Somebody was called away.")
        assert oracle.gateway.recipient_certificate() == before
        labels = {label for label, _ in oracle.ceremonies.desk.keys.token.key_objects()}
    assert not [label for label in labels if label.endswith("/2")]
    audit(site.home)
    assert renew(site)[0].version == 3  # no version is ever taken again


PLACES = [
    "kif.oracle.pairs:generate_recipient",
    "kif.oracle.succession:certify_pairs",
    "kif.oracle.succession:Succession.renew",
    "kif.oracle.ceremony:move_site",
    "kif.oracle.keys:KeyRing.destroy",
]


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize(("place", "when"), killings(PLACES))
def test_a_renewal_that_is_killed_anywhere_goes_on(tmp_path: Path, place: str, when: str) -> None:
    site = make_bare_site(tmp_path / "home")
    assert killed_at(site.home.path, "renew-certificates", place, when)
    with site.oracle() as oracle:
        if oracle.ceremonies.standing() is not None:
            resume(oracle.ceremonies, site.people)
    audit(site.home)
    known = states(site)
    assert known["site/site-ca/1"] is KeyState.DESTROYED
    assert known["site/site-ca/2"] is known["site/envelope-recipient/2"] is KeyState.ACTIVE
