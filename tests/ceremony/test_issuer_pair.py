"""An issuer's key pair for offline data authentication, and its scheme's certificate."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from kif.ceremony.hold import hold, resume
from kif.ceremony.rehearsal import RehearsalPeople
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.graphics.front import require_fit
from kif.hsm.token import Token
from kif.ledger.event import Entry, Event
from kif.ledger.events.ceremony import KeyGenerated, StepMissed
from kif.ledger.events.key import IssuerCertified
from kif.oracle.audit import audit
from kif.oracle.local import LocalOracle
from kif.preparation.prepare import prepare_batch
from kif.simulator.scheme import RsaKey, Scheme
from tests.ceremony.test_backup import opened
from tests.killing import killed_at, killings
from tests.site import (
    ISSUER,
    TestSite,
    make_site,
    received_file,
    require_lives_told,
    shared_scheme,
    shipped,
)

PAIR, NEXT = KeyRef(ISSUER, "emv-issuer", 1), KeyRef(ISSUER, "emv-issuer", 2)


@dataclass(frozen=True)
class Answering(RehearsalPeople):
    """People who give these files, one after another."""

    files: list[str] = field(default_factory=list, kw_only=True)

    def issuer_certificate(self, key: KeyRef) -> str:
        return self.files.pop(0)


def answering(site: TestSite, *files: str) -> Answering:
    people = site.people
    return Answering(people.folder, people.sheets, people.listener, files=list(files))


def events(oracle: LocalOracle, kind: type[Event]) -> list[Event]:
    with oracle.ceremonies.desk.record.reading() as (_, tx):
        entries = map(Entry.decode, tx.ledger.leaves())
        return [entry.event for entry in entries if isinstance(entry.event, kind)]


def request(site: TestSite, key: KeyRef) -> str:
    return (site.home.exchange / f"{ISSUER}-emv-issuer-{key.version}.csr").read_text()


def answered(site: TestSite, key: KeyRef, today: date | None = None) -> IssuerCertificate:
    today = today or datetime.now(UTC).date()
    return IssuerCertificate.decode(shared_scheme().answer(request(site, key), today))


@pytest.mark.control("KIF-HSM-12", "KIF-HSM-03")
def test_a_pair_is_made_in_the_hsm_and_openssl_verifies_its_request(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    done = subprocess.run(
        ["openssl", "req", "-verify", "-noout", "-text"],
        input=request(site, PAIR),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in done.stderr
    assert f"O = {ISSUER}, CN = {PAIR}" in done.stdout
    key = x509.load_pem_x509_csr(request(site, PAIR).encode()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    with site.oracle() as oracle:
        made = [each for each in events(oracle, KeyGenerated) if getattr(each, "key", 0) == PAIR]
        views = {view.key: view for view in oracle.custody.inventory()}
        assert [each.public_key for each in made] == [f"{key.public_numbers().n:x}"]  # type: ignore[attr-defined]
        assert (views[PAIR].algorithm, views[PAIR].usage) == ("RSA-1408", "issuer-signer")
        assert (views[PAIR].kcv or "").startswith("modulus:")
        (certified,) = oracle.custody.certificates().items()
    assert certified == (PAIR, answered(site, PAIR))
    require_lives_told(site)
    audit(site.home)


def tampered(made: IssuerCertificate) -> IssuerCertificate:
    wrong = made.certificate[:-1] + bytes((made.certificate[-1] ^ 1,))
    return replace(made, certificate=wrong)


def of_another_scheme(made: IssuerCertificate) -> IssuerCertificate:
    other = Scheme(RsaKey.generate(1984))
    return replace(made, scheme=other.public)


def as_json(change: Callable[[IssuerCertificate], IssuerCertificate]) -> Callable[[TestSite], str]:
    return lambda site: change(answered(site, PAIR)).encode()


def other_key(site: TestSite) -> str:
    key = RsaKey.generate(1408)
    return shared_scheme().answer(_request_of(key), datetime.now(UTC).date())


def _request_of(key: RsaKey) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key.private, SHA256()).public_bytes(Encoding.PEM).decode()


def long_ago(site: TestSite) -> str:
    past = datetime.now(UTC).date() - timedelta(days=11 * 365)
    return answered(site, PAIR, past).encode()


def without(name: str) -> Callable[[TestSite], str]:
    def made(site: TestSite) -> str:
        fields = answered(site, PAIR).fields()
        del fields[name]
        return json.dumps(fields)

    return made


WRONG: dict[str, tuple[Callable[[TestSite], str], str]] = {
    "a bit of it": (as_json(tampered), "it does not open with the scheme's key in it"),
    "another scheme's key": (as_json(of_another_scheme), "it does not open"),
    "of another key": (other_key, f"it is of another key than {PAIR}"),
    "one that is over": (long_ago, "it is over"),
    "no JSON": (lambda site: "{", "This is no issuer certificate"),
    "a list": (lambda site: "[]", "This is no issuer certificate"),
    "without an index": (without("index"), "This is no issuer certificate"),
    "a field too many": (
        lambda site: json.dumps(answered(site, PAIR).fields() | {"more": "00"}),
        "This is no issuer certificate",
    ),
    "no hex": (
        lambda site: json.dumps(answered(site, PAIR).fields() | {"rid": "A00000009Z"}),
        "This is no issuer certificate",
    ),
    "a short RID": (
        lambda site: json.dumps(answered(site, PAIR).fields() | {"rid": "A0000000"}),
        "This is no issuer certificate",
    ),
}


@pytest.mark.control("KIF-HSM-12")
def test_a_certificate_that_is_not_the_keys_is_not_taken_and_is_asked_for_again(
    tmp_path: Path,
) -> None:
    """Each kind has its sentence; each miss is on the record; people go on with the right one."""
    site = make_site(tmp_path / "home")
    plan, right = shipped("issuer-certificate"), answered(site, PAIR).encode()
    with site.oracle() as oracle:
        exchange, before = oracle.ceremonies.exchange, oracle.custody.certificates()
        files = [file(site) for file, _ in WRONG.values()]
        for file, (_, told) in zip(files, WRONG.values(), strict=True):
            with pytest.raises(BadInput, match=told):
                exchange.judge_certificate(PAIR, IssuerCertificate.decode(file))
        with pytest.raises(BadInput):
            hold(oracle.ceremonies, plan, ISSUER, answering(site, *files[:3]), PAIR)
        misses = events(oracle, StepMissed)
        assert [each.control for each in misses] == [Control.ISSUER_CERTIFICATE] * 3  # type: ignore[attr-defined]
        assert oracle.custody.certificates() == before
        resume(oracle.ceremonies, answering(site, files[4], right))
        assert len(events(oracle, StepMissed)) == 4
        assert len(events(oracle, IssuerCertified)) == 2
    audit(site.home)


@pytest.mark.control("KIF-HSM-12")
def test_a_certificate_is_not_taken_when_the_schemes_key_is_not_agreed_to(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")

    class Doubtful(RehearsalPeople):
        def agree(self, question: str) -> None:
            assert question == "Is it the check sum that the scheme has published?"
            raise Refused(Control.CEREMONY, "It was not agreed to. Nothing was done.")

    people = site.people
    doubtful = Doubtful(people.folder, people.sheets, people.listener, scheme=people.scheme)
    with site.oracle() as oracle:
        with pytest.raises(Refused, match="not agreed to"):
            hold(oracle.ceremonies, shipped("issuer-certificate"), ISSUER, doubtful, PAIR)
        assert len(events(oracle, IssuerCertified)) == 1
        oracle.ceremonies.abort("The check sum is another one.")


@pytest.mark.control("KIF-HSM-12", "KIF-CER-06")
def test_the_record_takes_no_certificate_outside_its_ceremony_nor_of_another_key(
    tmp_path: Path,
) -> None:
    site = make_site(tmp_path / "home")
    made = answered(site, PAIR)
    with site.oracle() as oracle:
        exchange = oracle.ceremonies.exchange
        with pytest.raises(Refused, match="No ceremony is running"):
            exchange.take_certificate(PAIR, made)
        for name, named in (("issuer-certificate", KeyRef(ISSUER, "emv-ac", 1)),):
            with pytest.raises(Refused, match="is no emv-issuer key; this plan is for one"):
                hold(oracle.ceremonies, shipped(name), ISSUER, site.people, named)
        hold(oracle.ceremonies, shipped("issuer-pair"), ISSUER, site.people)

        class Confused(RehearsalPeople):
            def issuer_certificate(self, key: KeyRef) -> str:
                exchange.take_certificate(NEXT, answered(site, NEXT))
                return ""

        people = site.people
        confused = Confused(people.folder, people.sheets, people.listener)
        with pytest.raises(Refused, match=f"{PAIR} is the key that this is about"):
            hold(oracle.ceremonies, shipped("issuer-certificate"), ISSUER, confused, PAIR)
        oracle.ceremonies.abort("It was about another key.")


@pytest.mark.control("KIF-HSM-12")
def test_cards_are_prepared_with_the_newest_pair_that_is_certified_or_the_one_that_is_named(
    tmp_path: Path,
) -> None:
    """Two pairs stand side by side while terminals and cards go from one to the other."""
    site = make_site(tmp_path / "home")

    def named(reference: str, *chosen: KeyRef) -> set[KeyRef]:
        view = oracle.gateway.admit(received_file(reference, 1, 1, "test-credit"), again=True)
        prepare_batch(view.id, oracle.preparation, require_fit, lambda: None, chosen)
        with oracle.gateway.desk.record.deciding() as state:
            keys = state.batches.require(view.id).keys
        return {KeyRef.parse(key) for key, _ in keys if "emv-issuer" in key}

    with site.oracle() as oracle:
        hold(oracle.ceremonies, shipped("issuer-pair"), ISSUER, site.people)
        assert named("not yet") == {PAIR}
        with pytest.raises(Refused, match="has no certificate of a scheme"):
            named("too early", NEXT)
        hold(oracle.ceremonies, shipped("issuer-certificate"), ISSUER, site.people, NEXT)
        assert named("from now on") == {NEXT}
        assert named("beside it", PAIR) == {PAIR}


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize(
    ("place", "when"),
    killings(
        (
            "kif.oracle.exchange:generate_issuers",
            "kif.oracle.record:Record.write",
            "kif.oracle.exchange:certificate_request",
            "kif.oracle.exchange:put",
        )
    ),
)
def test_a_pair_whose_making_is_killed_is_made_anew(tmp_path: Path, place: str, when: str) -> None:
    site = make_site(tmp_path / "home")
    assert killed_at(site.home.path, "issuer-pair", place, when)
    with site.oracle() as oracle:
        if oracle.ceremonies.standing() is None:
            hold(oracle.ceremonies, shipped("issuer-pair"), ISSUER, site.people)
        else:
            resume(oracle.ceremonies, site.people)
        hold(oracle.ceremonies, shipped("issuer-certificate"), ISSUER, site.people, NEXT)
        assert set(oracle.custody.certificates()) == {PAIR, NEXT}
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-HSM-08")
def test_a_pair_is_destroyed_in_the_token_and_certifies_nothing_more(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    from tests.site import appoint_witness

    appoint_witness(site)
    with opened(site) as oracle:
        token: Token = oracle.gateway.desk.keys.token
        hold(oracle.ceremonies, shipped("destroy-key"), "site", site.people, PAIR)
        states = {view.key: view.state for view in oracle.custody.inventory()}
        assert states[PAIR] is KeyState.DESTROYED
        assert not [label for label, _ in token.key_objects() if label == str(PAIR)]
        view = oracle.gateway.admit(received_file("LATE", 1, 1, "test-credit"), again=True)
        with pytest.raises(Refused, match="no active emv-issuer key with a certificate"):
            prepare_batch(view.id, oracle.preparation, require_fit, lambda: None)
