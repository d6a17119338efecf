"""Histories for tests: a signer, people, a genesis, and the events that make whole batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.keyref import KeyRef, of_site
from kif.ledger.approval import CEREMONY, RELEASE
from kif.ledger.batch import Terms, release_statement
from kif.ledger.event import Event
from kif.ledger.events.batch import (
    ApprovalGiven,
    BatchClosed,
    BatchClosedShort,
    BatchDispatched,
    BatchPrepared,
    BatchReceived,
    BatchReleased,
)
from kif.ledger.events.card import (
    CardPrinted,
    CardSuspect,
    CardVerified,
    InjectionAuthorised,
    InjectionDone,
    JobClaimed,
)
from kif.ledger.events.ceremony import (
    CeremonyAttested,
    CeremonyBegun,
    CeremonyClosed,
    CertificateIssued,
    GenesisBegun,
    KeyGenerated,
    PersonAppointed,
    PinSealed,
    PlanApproved,
    Role,
    SiteFounded,
    StationEnrolled,
    StepDone,
    TokenMade,
)
from kif.ledger.events.key import ComponentEntered, KeyFormed
from kif.ledger.events.site import IssuerRegistered, TokenOpened
from kif.ledger.genesis import LOG_SIGNER, SITE_CA
from kif.ledger.merkle import EMPTY_ROOT
from kif.ledger.note import encode_verifier
from kif.ledger.plan import Plan
from kif.ledger.running import Head, Running
from kif.ledger.state import State
from tests.certificate import issuer_certificate
from tests.ledger.people import SoftwarePerson

START = datetime(2026, 1, 1, tzinfo=UTC)
EXPIRES = START + timedelta(days=30)
SITE = "kif.test"
CUSTODIANS = tuple(SoftwarePerson(f"custodian-{number}") for number in (1, 2))
OPERATORS = tuple(SoftwarePerson(f"operator-{number}") for number in (1, 2))
SPARES = (SoftwarePerson("custodian-3"), SoftwarePerson("operator-3"))
BY = ("operator-1", "operator-2")
ISSUER, STATION = "bank", "station-1"
PROTECTION, KCV = of_site("data-protection"), "gp-aes-01:ABCDEF"
RECIPIENT, MASTER = of_site("envelope-recipient"), KeyRef("vendor", "card-manager", 1)
KEYS: dict[KeyRef, str] = {MASTER: "gp-aes-01:504A77"}
DIGEST = "cd" * 32
WINDOW = KeyRef(ISSUER, "retention", 202601)


@dataclass(frozen=True)
class SoftwareSigner:
    """An Ed25519 key in software, for tests."""

    name: str = SITE
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def verifier(self) -> str:
        return encode_verifier(self.name, self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)


SIGNER = SoftwareSigner()


class Clock:
    """A clock that goes on by a second at each look."""

    def __init__(self, time: datetime = START) -> None:
        self.time = time

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def batch_id(name: str) -> str:
    """Return a batch's id from a short name."""
    return name.encode().hex().zfill(16)


B, C = batch_id("b"), batch_id("c")


@cache
def _ca() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def _recipient() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def certificate(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, by: ec.EllipticCurvePrivateKey | None = None
) -> str:
    """Return a certificate of a key, signed by the test CA or by another key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key)
    builder = builder.serial_number(1).not_valid_before(START)
    made = builder.not_valid_after(START + timedelta(days=9)).sign(by or _ca(), hashes.SHA256())
    return made.public_bytes(Encoding.PEM).decode()


def ca_point() -> bytes:
    return _ca().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def ca_certificate() -> str:
    return certificate(_ca().public_key())


def recipient_certificate(by: ec.EllipticCurvePrivateKey | None = None) -> str:
    return certificate(_recipient().public_key(), by)


EMPTY_HEAD: Head = (0, EMPTY_ROOT.hex())
PEOPLE = (*CUSTODIANS, *OPERATORS)
"""Those who take part in a key ceremony."""
FOUNDERS = (*CUSTODIANS, SPARES[0], *OPERATORS, SPARES[1])
"""Those who take part in the genesis."""


def step(action: str, who: str, **values: Any) -> dict[str, Any]:
    """Return a step of a plan as JSON values."""
    return {"action": action, "who": who, "minutes": 5, "text": f"TEST {action}"} | values


def plan_fields(name: str, about: str, *steps: dict[str, Any]) -> dict[str, Any]:
    """Return a plan as JSON values."""
    return {
        "ceremony": name,
        "about": about,
        "purpose": "TEST",
        "author": "an author",
        "approver": "a reviewer",
        "clauses": ["PCI PIN Security 6-1"],
        "roles": {"custodian": 2, "operator": 2},
        "steps": list(steps),
    }


def plan_of(fields: dict[str, Any]) -> Plan:
    """Return a plan from its JSON values."""
    return Plan.decode(canonical.encode(fields).decode())


@cache
def genesis_plan() -> Plan:
    keys = ["log-signer", "site-ca", "envelope-recipient", "data-protection"]
    steps = [
        step("appoint", "everyone"),
        step("approve", "everyone"),
        step("seal", "everyone", threshold=2),
        step("make-token", "hsm"),
        step("generate", "hsm", keys=keys),
        step("certify", "hsm"),
        step("close", "everyone"),
    ]
    roles = {"roles": {"custodian": 3, "operator": 3}}
    return plan_of(plan_fields("genesis", "new-site", *steps) | roles)


@cache
def key_plan(*keys: KeyRef) -> Plan:
    """Return the plan that forms these keys, which have one owner."""
    of_issuer = keys[0].purpose.startswith("emv")
    algorithm = "2TDEA" if of_issuer else "AES-128"
    forms = [step("form", "custodians", key=key.purpose, algorithm=algorithm) for key in keys]
    steps = [step("open", "operators"), step("approve", "everyone")]
    name = "issuer-keys" if of_issuer else "vendor-keys"
    about = "issuer" if of_issuer else "vendor"
    return plan_of(plan_fields(name, about, *steps, *forms, step("close", "everyone")))


def genesis_begun() -> GenesisBegun:
    return GenesisBegun(SITE, genesis_plan().text)


def appointed() -> list[Event]:
    return [
        PersonAppointed(
            each.name,
            Role(each.name.split("-")[0]),
            each.public_key,
            f"manager-of-{each.name}",
        )
        for each in FOUNDERS
    ]


def signed(person: SoftwarePerson, statement: bytes) -> PlanApproved:
    return PlanApproved(person.name, statement.decode(), person.sign(CEREMONY, statement))


def approved() -> list[Event]:
    statement = Running(genesis_plan(), SITE, SITE).statement()
    return [signed(each, statement) for each in FOUNDERS]


def attested(
    running: Running, head: Head = EMPTY_HEAD, by: tuple[SoftwarePerson, ...] = PEOPLE
) -> list[Event]:
    """Return everyone's signature over the end of a ceremony."""
    statement = running.attestation(head)
    return [
        CeremonyAttested(each.name, statement.decode(), each.sign(CEREMONY, statement))
        for each in by
    ]


def token_made() -> TokenMade:
    return TokenMade(SITE, "/usr/lib/hsm.so", DIGEST, "SoftHSM", "v2", "4000001234567899", "2.6")


def keys_made() -> list[Event]:
    modulus = _recipient().public_key().public_numbers().n.to_bytes(256, "big").hex()
    return [
        KeyGenerated(LOG_SIGNER, "log-signer", "Ed25519", None, None, SIGNER.public_key.hex()),
        KeyGenerated(SITE_CA, "site-ca", "P-256", None, None, ca_point().hex()),
        KeyGenerated(RECIPIENT, "envelope-recipient", "RSA-2048", None, None, modulus),
        KeyGenerated(PROTECTION, "master-derivation", "AES-256", KCV, f"derived-{KCV}", None),
    ]


def ceremony_begun(*keys: KeyRef) -> CeremonyBegun:
    made = keys or (MASTER,)
    names = tuple(each.name for each in CUSTODIANS)
    return CeremonyBegun(BY, key_plan(*made).text, made[0].owner, names, (), made, ())


def running_for(*keys: KeyRef) -> Running:
    made = keys or (MASTER,)
    return Running(key_plan(*made), SITE, made[0].owner, made)


def keys_approved(*keys: KeyRef) -> list[Event]:
    statement = running_for(*keys).statement()
    return [signed(each, statement) for each in PEOPLE]


def components_entered(key: KeyRef = MASTER) -> list[Event]:
    return [
        ComponentEntered("custodian-1", key, 1, "gp-aes-01:000001"),
        ComponentEntered("custodian-2", key, 2, "gp-aes-01:000002"),
    ]


def key_formed(key: KeyRef = MASTER) -> KeyFormed:
    of_des = key.purpose.startswith("emv")
    kcv = KEYS.get(key, "des-zero:08D7B4" if of_des else "gp-aes-01:000000")
    algorithm = "2TDEA" if of_des else "AES-128"
    return KeyFormed(BY, key, "master-derivation", algorithm, kcv, f"derived-{kcv}", None)


@cache
def key_ceremony(*keys: KeyRef) -> tuple[Event, ...]:
    """Return the events of a whole key ceremony, closed over the head of an empty log."""
    made = keys or (MASTER,)
    formed = [
        each
        for number, key in enumerate(made, start=3)
        for each in (*components_entered(key), key_formed(key), StepDone(number))
    ]
    begun = [ceremony_begun(*made), StepDone(1), *keys_approved(*made), StepDone(2)]
    running = running_for(*made)
    closed = CeremonyClosed(BY, running.name)
    return tuple(flat(begun, formed, attested(running), closed))


def certified() -> list[Event]:
    return [
        CertificateIssued(SITE_CA, ca_certificate()),
        CertificateIssued(RECIPIENT, recipient_certificate()),
    ]


def sealed() -> list[Event]:
    custodians = tuple(f"custodian-{number}" for number in (1, 2, 3))
    operators = tuple(f"operator-{number}" for number in (1, 2, 3))
    files = tuple(each * 32 for each in ("c1", "c2", "c3"))
    return [
        PinSealed("user-pin", 2, operators, files, DIGEST),
        PinSealed("so-pin", 2, custodians, files, DIGEST),
    ]


def founded() -> SiteFounded:
    return SiteFounded(SITE, SIGNER.public_key)


@cache
def genesis() -> tuple[Event, ...]:
    """Return the events of a whole genesis, closed over the head of an empty log."""
    steps: tuple[Event | list[Event], ...] = (
        appointed(),
        approved(),
        sealed(),
        token_made(),
        keys_made(),
        certified(),
    )
    done: list[Event] = []
    for number, events in enumerate(steps, start=1):
        done += flat(events, StepDone(number))
    running = Running(genesis_plan(), SITE, SITE)
    closed = CeremonyClosed(BY, "genesis")
    ending = attested(running, by=FOUNDERS)
    return tuple(flat(genesis_begun(), done, founded(), ending, closed))


def opened() -> TokenOpened:
    return TokenOpened(BY)


@cache
def registered(issuer: str = ISSUER) -> IssuerRegistered:
    return IssuerRegistered(BY, issuer, issuer_certificate())


def received(count: int, batch: str = B, reference: str = "", content: str = "") -> BatchReceived:
    told = f"REF-{reference or batch}"
    name = told.encode().hex()[-32:].zfill(32)
    keyed = content or batch * 2
    kept = (WINDOW, "derived-gp-aes-01:ABCDEF", DIGEST)
    return BatchReceived(
        BY, batch, ISSUER, "debit", count, DIGEST, keyed, name, DIGEST, *kept, 0, told
    )


def prepared(batch: str = B) -> BatchPrepared:
    return BatchPrepared(BY, batch, DIGEST, DIGEST, KEYS)


def approval(
    state: State,
    person: SoftwarePerson,
    batch: str = B,
    *,
    stations: tuple[str, ...] = (STATION,),
    expires: datetime = EXPIRES,
) -> ApprovalGiven:
    """Return a person's approval of the statement that the state makes."""
    statement = release_statement(state.batches.known[batch], Terms(stations, expires))
    return ApprovalGiven(person.name, batch, statement.decode(), person.sign(RELEASE, statement))


def chip(number: int, batch: str = B) -> str:
    return f"{batch[-4:]}{number:016}".upper()


def claimed(number: int, batch: str = B, station: str = STATION) -> JobClaimed:
    return JobClaimed(BY, batch, number, station, EXPIRES)


def authorised(number: int, batch: str = B, serial: str = "") -> InjectionAuthorised:
    return InjectionAuthorised(BY, batch, number, serial or chip(number, batch), 9)


def done(number: int, batch: str = B) -> InjectionDone:
    return InjectionDone(BY, batch, number)


def printed(number: int, batch: str = B) -> CardPrinted:
    return CardPrinted(BY, batch, number)


def verified(number: int, batch: str = B) -> CardVerified:
    return CardVerified(BY, batch, number, ("arqc",))


def suspect(number: int, batch: str = B) -> CardSuspect:
    return CardSuspect(BY, batch, number, Control.CARD_PRESENT, "It fell on the floor.")


def made(number: int, batch: str = B, serial: str = "") -> list[Event]:
    """Return what is recorded of a card that is good."""
    return [
        claimed(number, batch),
        authorised(number, batch, serial),
        done(number, batch),
        printed(number, batch),
        verified(number, batch),
    ]


def dispatched(count: int, batch: str = B) -> BatchDispatched:
    return BatchDispatched(BY, batch, count, DIGEST)


def closed(good: int, suspect: int, left: int, batch: str = B) -> BatchClosed | BatchClosedShort:
    if left:
        return BatchClosedShort(BY, batch, good, suspect, left, "the blanks ran out")
    return BatchClosed(BY, batch, good, suspect)


def flat(*parts: Event | Iterable[Event]) -> list[Event]:
    """Return one list of events."""
    events: list[Event] = []
    for part in parts:
        events += [part] if isinstance(part, Event) else list(part)
    return events


@cache
def enrolment(*stations: str, head: Head = EMPTY_HEAD) -> tuple[Event, ...]:
    """Return the events of a ceremony that enrols stations, closed over a head of the log."""
    steps = [step("enrol-station", "operators") for _ in stations]
    begin = [step("open", "operators"), step("approve", "everyone")]
    fields = plan_fields("enrol-station", "site", *begin, *steps, step("close", "everyone"))
    plan = plan_of(fields)
    names = tuple(each.name for each in CUSTODIANS)
    begun = CeremonyBegun(BY, plan.text, "site", names, (), (), ())
    running = Running(plan, SITE, "site")
    signatures = [signed(each, running.statement()) for each in PEOPLE]
    enrolled = [
        each
        for number, station in enumerate(stations, start=3)
        for each in (StationEnrolled(BY, station, key_of(station)), StepDone(number))
    ]
    closed = CeremonyClosed(BY, "enrol-station")
    return tuple(
        flat(begun, StepDone(1), signatures, StepDone(2), enrolled, attested(running, head), closed)
    )


@cache
def key_of(station: str) -> str:
    """Return the TEST public key of a station."""
    return SoftwarePerson(station).public_key


class World:
    """A state machine with a clock, and the events that it has admitted."""

    def __init__(self, *events: Event | Iterable[Event], key: bytes = SIGNER.public_key) -> None:
        self.clock, self.state = Clock(), State(key)
        self.events: list[Event] = []
        self.admit(*events)

    def admit(self, *events: Event | Iterable[Event]) -> None:
        for event in flat(*events):
            self.state.admit(event, self.clock())
            self.events.append(event)

    def release(self, count: int, batch: str = B) -> None:
        """Receive, prepare and release a batch."""
        if ISSUER not in self.state.issuers.certificates:
            self.admit(registered())
        if STATION not in self.state.stations.enrolled:
            self.admit(enrolment(STATION))
        self.admit(received(count, batch), prepared(batch))
        for person in OPERATORS:
            self.admit(approval(self.state, person, batch))
        self.admit(BatchReleased(batch, count))


def site() -> World:
    """Return a world after its genesis, with a vendor's key and a station."""
    return World(genesis(), opened(), key_ceremony(), enrolment(STATION))


def released(count: int = 3) -> World:
    """Return a world with a released batch."""
    world = site()
    world.release(count)
    return world
