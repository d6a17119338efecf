"""A whole site for tests: genesis with rehearsing people, in a folder of the test's own."""

from __future__ import annotations

import atexit
import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path

from kif.ceremony.destination import Destination
from kif.ceremony.genesis import hold_genesis
from kif.ceremony.hold import hold
from kif.ceremony.people import Component
from kif.ceremony.plan import load_plan
from kif.ceremony.rehearsal import RehearsalPeople, drawn_sheets
from kif.ceremony.seal import unseal
from kif.compliance.keys import key_lives
from kif.formats import canonical
from kif.formats.keyref import KeyRef
from kif.formats.pan import with_check_digit
from kif.formats.secret import Secret
from kif.graphics.front import require_fit
from kif.ledger.approval import RELEASE
from kif.ledger.event import Entry
from kif.ledger.genesis import USER_PIN
from kif.ledger.plan import Plan
from kif.oracle.home import Home
from kif.oracle.local import LocalOracle, open_oracle
from kif.oracle.messages import BatchView, Claim, JobView, ReceivedCard, ReceivedFile, Subject
from kif.preparation.prepare import prepare_batch
from kif.simulator.issuer import TestIssuer
from kif.simulator.scheme import Scheme
from kif.simulator.sheets import test_sheets
from kif.simulator.vendor import TEST_VENDOR

PLAN = Path(__file__).parents[1] / "ceremonies" / "genesis.yaml"
OPERATORS = ("operator-1", "operator-2")
ISSUER = "test-issuer"


@dataclass(frozen=True)
class TestSite:
    """A home that has a site, and its people."""

    __test__ = False

    home: Home
    people: RehearsalPeople

    def pin(self) -> Secret:
        """Have both operators open the seal."""
        given = {name: self.people.passphrase(name, USER_PIN) for name in OPERATORS}
        destination = Destination.of(self.home.token_place())
        return unseal(self.home.seal, USER_PIN, given, destination)

    @contextmanager
    def oracle(self) -> Iterator[LocalOracle]:
        """Open the site, alone."""
        with self.home.alone(), open_oracle(self.home, self.pin(), OPERATORS) as opened:
            yield opened

    def load_keys(self, oracle: LocalOracle, plan: str, owner: str) -> Sequence[KeyRef]:
        """Hold a key ceremony for an owner."""
        return hold(oracle.ceremonies, shipped(plan), owner, self.people)

    def load_drawn(self, oracle: LocalOracle, plan: str, owner: str) -> Sequence[KeyRef]:
        """Hold a key ceremony with the sheets of its rehearsal."""
        found = shipped(plan)
        people = replace(self.people, sheets=drawn_sheets(found))
        return hold(oracle.ceremonies, found, owner, people)

    def signed_release(self, oracle: LocalOracle, batch: str, person: str) -> tuple[bytes, str]:
        """Return the statement of a batch's release, and a person's signature over it."""
        statement = oracle.supervision.release_statement(batch)
        return statement, self.people.sign(person, RELEASE, statement)

    def approve(self, oracle: LocalOracle, batch: str, person: str) -> BatchView:
        """Approve a batch's release as a person."""
        statement, signature = self.signed_release(oracle, batch, person)
        return oracle.supervision.approve_release(batch, person, statement, signature)


def require_lives_told(site: TestSite) -> None:
    """Require that what compliance tells of each key is what the state machine says."""
    with site.oracle() as oracle, oracle.ceremonies.desk.record.reading() as (state, tx):
        lives = key_lives(map(Entry.decode, tx.ledger.leaves()))
        told = {
            key: (life.state_at(None), life.usage, life.algorithm, life.kcv, life.public_key)
            for key, life in lives.items()
        }
        assert told == {
            key: (each.state, each.usage, each.algorithm, each.kcv, each.public_key)
            for key, each in state.keys.known.items()
        }


def rehearsing_people(folder: Path) -> RehearsalPeople:
    """Return people with TEST component sheets, who listen in silence."""
    return RehearsalPeople(folder / "people", components, lambda text: None, scheme=certified)


def certified(request: str) -> str:
    """Return the TEST scheme's answer to a request for an issuer's certificate."""
    return shared_scheme().answer(request, date.today())


def components(key: KeyRef) -> list[Component]:
    """Return the components of a TEST issuer's or vendor's key."""
    return [Component(Secret(bytes.fromhex(value)), check) for value, check in test_sheets(key)]


def shipped(name: str) -> Plan:
    """Return a shipped plan by its name."""
    return load_plan(PLAN.with_name(f"{name}.yaml"))


def found_site(folder: Path) -> TestSite:
    """Hold a genesis ceremony."""
    home, people = Home(folder), rehearsing_people(folder)
    with home.alone():
        hold_genesis(home, shipped("genesis"), "kif-test-site", people)
    return TestSite(home, people)


def make_bare_site(folder: Path) -> TestSite:
    """Return a site after its genesis: a copy of the one that this process made."""
    return _copy(_bare_site(), folder)


def make_site(folder: Path) -> TestSite:
    """Return a copy of a site with a TEST issuer, its keys and those of the TEST vendor."""
    return _copy(_whole_site(), folder)


def _copy(made: TestSite, folder: Path) -> TestSite:
    shutil.copytree(made.home.path, folder, dirs_exist_ok=True)
    return TestSite(Home(folder), rehearsing_people(folder))


def _folder() -> Path:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return Path(folder) / "home"


@cache
def _bare_site() -> TestSite:
    return found_site(_folder())


@cache
def _whole_site() -> TestSite:
    return furnished(make_bare_site(_folder()))


def furnished(site: TestSite) -> TestSite:
    """Register the TEST issuer, hold its and the TEST vendor's ceremonies, enrol a station."""
    with site.oracle() as oracle:
        oracle.supervision.register_issuer(ISSUER, shared_issuer().certificate.encode())
        site.load_keys(oracle, "vendor-keys", TEST_VENDOR.name)
        site.load_keys(oracle, "issuer-keys", ISSUER)
        site.load_keys(oracle, "issuer-domain-key", ISSUER)
        site.load_keys(oracle, "pin-keys", ISSUER)
        site.load_keys(oracle, "card-verification-key", ISSUER)
        (pair,) = site.load_keys(oracle, "issuer-pair", ISSUER)
        hold(oracle.ceremonies, shipped("issuer-certificate"), ISSUER, site.people, pair)
        hold(oracle.ceremonies, shipped("enrol-station"), "site", site.people)
    return site


def appoint_witness(site: TestSite) -> None:
    """Hold the ceremony by which somebody comes to be a witness."""
    with site.oracle() as oracle:
        hold(oracle.ceremonies, shipped("appoint-witness"), "site", site.people)


def new_claim(
    oracle: LocalOracle, batch: str, station: str = "station-1"
) -> Claim | JobView | None:
    """Claim the next job of a batch, as a station does that never asked before."""
    return oracle.chip.claim(batch, station, secrets.token_hex(16))


def claimed(oracle: LocalOracle, batch: str, station: str = "station-1") -> Claim:
    """Claim the next job of a batch, which there is."""
    claim = new_claim(oracle, batch, station)
    assert isinstance(claim, Claim), claim
    return claim


@cache
def shared_scheme() -> Scheme:
    """Return the TEST scheme of this process."""
    return Scheme.at(_folder())


@cache
def shared_issuer() -> TestIssuer:
    """Return the TEST issuer of this process, whose certificate every site has registered."""
    return TestIssuer(_folder(), ISSUER)


def received_file(
    reference: str, count: int, first: int = 1, product: str = "test-debit"
) -> ReceivedFile:
    """Return a valid file of TEST cards, as the gateway hands it over."""
    pans = [with_check_digit(f"99999900{number:07}") for number in range(first, first + count)]
    return ReceivedFile(
        issuer=ISSUER,
        reference=reference,
        product=product,
        content_digest=Secret(hashlib.sha256(reference.encode()).digest()),
        file_digest=hashlib.sha256(b"file " + reference.encode()).hexdigest(),
        cards=[_card(pan) for pan in pans],
    )


def _card(pan: str) -> ReceivedCard:
    record = {
        "pan": pan,
        "psn": "00",
        "expiry": "2031-02",
        "name": "TEST/CARDHOLDER AA",
        "service_code": "201",
        "discretionary_data": "12345",
    }
    subject = Subject(Secret.of_text(f"{pan}/00"), pan[:8])
    return ReceivedCard(subject, date(2031, 2, 28), Secret(canonical.encode(record)))


def released_batch(
    site: TestSite,
    oracle: LocalOracle,
    reference: str,
    count: int,
    first: int = 1,
    product: str = "test-debit",
) -> BatchView:
    """Receive, prepare and release a batch of TEST cards."""
    view = oracle.gateway.admit(received_file(reference, count, first, product), again=True)
    products = site.home.products
    prepare_batch(view.id, oracle.preparation, require_fit, lambda: None, products=products)
    for person in OPERATORS:
        view = site.approve(oracle, view.id, person)
    return view
