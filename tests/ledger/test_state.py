"""What the state machine admits, and what it refuses: each rule by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import KifError
from kif.formats.keyref import of_site
from kif.formats.state import BatchState, JobState, KeyState
from kif.ledger import chips as chips_module
from kif.ledger.event import Event
from kif.ledger.events.batch import (
    ApprovalGiven,
    BatchCancelled,
    BatchClosed,
    BatchClosedShort,
    BatchReleased,
)
from kif.ledger.events.card import CardRejected, ClaimWithdrawn
from kif.ledger.events.ceremony import (
    CeremonyClosed,
    CertificateIssued,
    GenesisAborted,
    GenesisBegun,
    KeyGenerated,
    PersonAppointed,
    PinSealed,
    Role,
    StepDone,
)
from kif.ledger.events.site import (
    ClockCorrected,
    IssuerRegistered,
    IssuerRenewed,
    IssuerWithdrawn,
    LibraryAccepted,
    TokenOpened,
)
from kif.ledger.genesis import LOG_SIGNER, SITE_CA
from kif.ledger.jobs import Hold
from kif.ledger.running import Running
from kif.ledger.snapshot import encode_snapshot
from kif.ledger.tail import Tail
from tests.certificate import issuer_certificate
from tests.ledger.history import (
    BY,
    CUSTODIANS,
    DIGEST,
    EXPIRES,
    FOUNDERS,
    ISSUER,
    KEYS,
    MASTER,
    OPERATORS,
    RECIPIENT,
    SIGNER,
    SITE,
    START,
    STATION,
    B,
    C,
    SoftwareSigner,
    World,
    appointed,
    approval,
    approved,
    attested,
    authorised,
    ca_certificate,
    ceremony_begun,
    certified,
    chip,
    claimed,
    closed,
    dispatched,
    done,
    enrolment,
    flat,
    founded,
    genesis,
    genesis_begun,
    genesis_plan,
    key_plan,
    keys_made,
    made,
    opened,
    prepared,
    printed,
    received,
    recipient_certificate,
    registered,
    released,
    sealed,
    signed,
    site,
    suspect,
    token_made,
    verified,
)
from tests.ledger.people import SoftwarePerson
from tests.ledger.refusal import everything, refused

FIRST, SECOND = OPERATORS


# -- genesis ----------------------------------------------------------------------------------


def test_a_genesis_makes_a_site() -> None:
    state = World(genesis()).state
    assert (state.genesis.closed, state.genesis.site) == (True, SITE)
    assert state.people.of_role(Role.CUSTODIAN) == ["custodian-1", "custodian-2", "custodian-3"]
    assert {entry.state for entry in state.keys.known.values()} == {KeyState.ACTIVE}
    assert state.genesis.certificates.keys() == {str(SITE_CA), str(RECIPIENT)}


def test_only_a_secret_key_has_a_check_value_and_only_a_pair_a_public_key() -> None:
    keys = site().state.keys
    assert keys.check_value(MASTER) == KEYS[MASTER]
    with pytest.raises(KifError, match="has no check value"):
        keys.check_value(LOG_SIGNER)
    with pytest.raises(KifError, match="is not a pair"):
        keys.public_key(MASTER)
    for look in (keys.check_value, keys.public_key):
        with pytest.raises(KifError, match="There is no key site/other/1"):
            look(of_site("other"))


def test_no_key_is_active_before_the_closing() -> None:
    world = World(genesis()[:-1])
    assert {entry.state for entry in world.state.keys.known.values()} == {KeyState.PRE_ACTIVE}


@pytest.mark.parametrize("length", range(len(genesis())))
def test_every_prefix_of_a_genesis_is_no_site(length: int) -> None:
    world = World(genesis()[:length])
    refused(world, opened(), "genesis is not closed")
    if length:
        after = genesis()[length:]
        assert World(genesis()[:length], after).state.genesis.closed


PLAN = genesis_plan()


def aborted() -> GenesisAborted:
    return GenesisAborted(
        SITE, "genesis", PLAN.digest, START, ("custodian-1",), 3, "Somebody left."
    )


def at_step(number: int, *parts: Event | Iterable[Event]) -> World:
    """Return a genesis at the beginning of a step, and what came in it then."""
    ends = [at for at, each in enumerate(genesis()) if each == StepDone(number - 1)]
    return World(genesis()[: ends[0] + 1] if number > 1 else [genesis_begun()], *parts)


def appointed_as(name: str, key: str, role: Role = Role.OPERATOR) -> PersonAppointed:
    return PersonAppointed(name, role, key, None)


def resealed(**changes: Any) -> PinSealed:
    """Return the sealing of the user PIN with something else in it."""
    event = sealed()[0]
    assert isinstance(event, PinSealed)
    return replace(event, **changes)


STRANGER = SoftwarePerson("stranger")
STATEMENT = Running(PLAN, SITE, SITE).statement()
OTHER_PLAN = Running(PLAN, "other", "other").statement()
APPOINT, APPROVE, SEAL, TOKEN, GENERATE, CERTIFY, CLOSE = range(1, 8)

GENESIS: dict[str, tuple[Callable[[], World], Callable[[], Event], str]] = {
    "somebody before it begins": (
        World,
        lambda: appointed()[0],
        "No ceremony is running",
    ),
    "a second beginning": (lambda: at_step(SEAL), genesis_begun, "before the genesis begins"),
    "a plan that makes no site": (
        World,
        lambda: GenesisBegun(SITE, key_plan(MASTER).text),
        "'vendor-keys' makes no site",
    ),
    "a plan that can't be read": (World, lambda: GenesisBegun(SITE, "{}"), "has no 'ceremony'"),
    "a plan that is impossible": (
        World,
        lambda: GenesisBegun(SITE, PLAN.text.replace('"a reviewer"', '"an author"')),
        "is author and approver",
    ),
    "a name twice": (
        lambda: at_step(APPOINT, appointed()),
        lambda: appointed_as("operator-1", STRANGER.public_key),
        "operator-1 and operator-1 are one person",
    ),
    "a key twice": (
        lambda: at_step(APPOINT, appointed()),
        lambda: appointed_as("operator-4", FIRST.public_key),
        "operator-4 and operator-1 are one person",
    ),
    "a key that is none": (
        lambda: at_step(APPOINT),
        lambda: appointed_as("operator-4", "ssh-ed25519 AAAA"),
        "not an OpenSSH public key",
    ),
    "too few operators": (
        lambda: at_step(APPOINT, appointed()[:-1]),
        lambda: StepDone(1),
        "2 operators are appointed of 3",
    ),
    "too few custodians": (
        lambda: at_step(APPOINT, appointed()[1:]),
        lambda: StepDone(1),
        "2 custodians are appointed of 3",
    ),
    "too many operators": (
        lambda: at_step(APPOINT, appointed(), appointed_as("operator-4", STRANGER.public_key)),
        lambda: StepDone(1),
        "4 operators are appointed of 3",
    ),
    "somebody after the signing began": (
        lambda: at_step(APPROVE),
        lambda: appointed_as("operator-4", STRANGER.public_key),
        "is at step 2 (approve); person-appointed belongs to 'appoint'",
    ),
    "a signature of nobody": (
        lambda: at_step(APPROVE),
        lambda: signed(STRANGER, STATEMENT),
        "stranger does not take part",
    ),
    "a signature twice": (
        lambda: at_step(APPROVE, approved()[0]),
        lambda: approved()[0],
        "custodian-1 has signed it already",
    ),
    "a signature over another plan": (
        lambda: at_step(APPROVE),
        lambda: signed(CUSTODIANS[1], OTHER_PLAN),
        "not the one of this ceremony",
    ),
    "a signature over something else": (
        lambda: at_step(APPROVE),
        lambda: signed(CUSTODIANS[0], b'{"approve":"that"}'),
        "not the one of this ceremony",
    ),
    "another's signature": (
        lambda: at_step(APPROVE),
        lambda: replace(signed(CUSTODIANS[0], STATEMENT), person="custodian-2"),
        "made with another key",
    ),
    "not everybody signed": (
        lambda: at_step(APPROVE, approved()[:-1]),
        lambda: StepDone(2),
        "operator-3 has not signed",
    ),
    "a step that is not open": (
        lambda: at_step(APPROVE),
        lambda: StepDone(4),
        "is at step 2 (approve), not at step 4",
    ),
    "a step in which nothing has happened": (
        lambda: at_step(CERTIFY),
        lambda: StepDone(6),
        "Step 6 (certify) is not done: nothing has happened in it",
    ),
    "a seal twice": (
        lambda: at_step(SEAL, sealed()),
        lambda: sealed()[0],
        "user-pin is sealed already",
    ),
    "a seal that nobody may miss": (
        lambda: at_step(SEAL),
        lambda: resealed(threshold=3),
        "sealed to more people than open it",
    ),
    "a seal that one person opens": (
        lambda: at_step(SEAL),
        lambda: resealed(threshold=1),
        "at least two open it",
    ),
    "a seal for one person": (
        lambda: at_step(SEAL),
        lambda: resealed(holders=("operator-1",) * 3),
        "sealed to more people than open it",
    ),
    "the operators' PIN for a custodian": (
        lambda: at_step(SEAL),
        lambda: resealed(holders=("operator-1", "operator-2", "custodian-1")),
        "custodian-1 is not a registered operator",
    ),
    "the officer's PIN for an operator": (
        lambda: at_step(SEAL),
        lambda: resealed(purpose="so-pin"),
        "operator-1 is not a registered custodian",
    ),
    "a token without its seals": (
        lambda: at_step(SEAL, sealed()[0], StepDone(3)),
        token_made,
        "Not every PIN is sealed",
    ),
    "a token twice": (lambda: at_step(TOKEN, token_made()), token_made, "The token is made once"),
    "a key before the token": (
        lambda: at_step(TOKEN),
        lambda: keys_made()[0],
        "key-generated belongs to 'generate'",
    ),
    "a key twice on the record": (
        lambda: at_step(GENERATE, keys_made()),
        lambda: keys_made()[0],
        "site/log-signer/1 is on the record already",
    ),
    "a key that is missing": (
        lambda: at_step(GENERATE, keys_made()[1:]),
        lambda: StepDone(5),
        "log-signer is not there",
    ),
    "a certificate of another key": (
        lambda: at_step(CERTIFY),
        lambda: CertificateIssued(RECIPIENT, ca_certificate()),
        "of another key than the one on the record",
    ),
    "a certificate by another CA": (
        lambda: at_step(CERTIFY),
        lambda: CertificateIssued(
            RECIPIENT, recipient_certificate(ec.generate_private_key(ec.SECP256R1()))
        ),
        "not signed by the site's CA",
    ),
    "a certificate twice": (
        lambda: at_step(CERTIFY, certified()),
        lambda: certified()[1],
        "is certified already",
    ),
    "a certificate that is none": (
        lambda: at_step(CERTIFY),
        lambda: CertificateIssued(RECIPIENT, "hello"),
        "not a certificate in PEM form",
    ),
    "another site founded": (
        lambda: at_step(CLOSE),
        lambda: replace(founded(), site="other"),
        "one of kif.test, not of other",
    ),
    "founded with another key": (
        lambda: at_step(CLOSE),
        lambda: replace(founded(), log_key=bytes(32)),
        "The key that signs this log",
    ),
    "a log that another key signs": (
        lambda: World(genesis()[:-8], key=SoftwareSigner().public_key),
        founded,
        "The key that signs this log",
    ),
    "closed before it is founded": (
        lambda: at_step(CLOSE, attested(Running(PLAN, SITE, SITE), by=FOUNDERS)),
        lambda: CeremonyClosed(BY, "genesis"),
        "The site is not founded yet",
    ),
    "closed before everybody signed its end": (
        lambda: World(genesis()[:-2]),
        lambda: CeremonyClosed(BY, "genesis"),
        "operator-3 did not sign the end",
    ),
    "the end signed over another head": (
        lambda: World(genesis()[:-7]),
        lambda: attested(Running(PLAN, SITE, SITE), (7, "00" * 32))[0],
        "not the one of the end of this ceremony",
    ),
    "another ceremony closed": (
        lambda: World(genesis()[:-1]),
        lambda: CeremonyClosed(BY, "other"),
        "'genesis' is running, not 'other'",
    ),
    "an earlier attempt told too late": (
        lambda: at_step(APPOINT),
        aborted,
        "before the genesis begins",
    ),
}

for _late, _words in {
    "a name twice": "No ceremony is running",
    "a token twice": "No ceremony is running",
    "a key twice on the record": "No ceremony is running",
    "a seal twice": "No ceremony is running",
    "a certificate twice": "No ceremony is running",
    "another site founded": "No ceremony is running",
    "closed before everybody signed its end": "No ceremony is running",
    "a step that is not open": "No ceremony is running",
    "an earlier attempt told too late": "before the genesis begins",
    "a second beginning": "before the genesis begins",
}.items():
    GENESIS[f"{_late}, after the closing"] = (lambda: World(genesis()), GENESIS[_late][1], _words)
GENESIS["somebody appointed in another ceremony"] = (
    lambda: World(genesis(), ceremony_begun()),
    lambda: appointed_as("operator-4", STRANGER.public_key),
    "is at step 1 (open); person-appointed belongs to 'appoint'",
)
GENESIS["a new key in another ceremony"] = (
    lambda: World(genesis(), ceremony_begun()),
    lambda: KeyGenerated(of_site("site-ca"), "site-ca", "P-256", None, None, "00" * 65),
    "key-generated belongs to 'generate'",
)


@pytest.mark.control("KIF-CER-05", "KIF-LOG-03")
@pytest.mark.parametrize("case", GENESIS)
def test_a_genesis_that_is_out_of_order_is_refused(case: str) -> None:
    world, event, words = GENESIS[case]
    refused(world(), event(), words)


def test_earlier_attempts_come_first() -> None:
    assert World(aborted(), aborted(), genesis()).state.genesis.closed


# -- hands and time ---------------------------------------------------------------------------


NOT_TWO = {
    "one operator for two": (
        ("operator-1", "operator-1"),
        "are not different people; 2 are needed",
    ),
    "a custodian": (("operator-1", "custodian-1"), "custodian-1 is not a registered operator"),
    "a stranger": (("stranger", "operator-1"), "stranger is not a registered operator"),
    "one operator": (("operator-1",), "opened the token; 2 operators do that"),
}


@pytest.mark.control("KIF-ORA-01")
@pytest.mark.parametrize("case", NOT_TWO)
@pytest.mark.parametrize(
    "event",
    [opened(), registered(), received(1), claimed(1), closed(0, 0, 1)],
    ids=lambda e: e.kind,
)
def test_whatever_is_done_is_done_by_two_operators(event: Event, case: str) -> None:
    by, words = NOT_TWO[case]
    error = refused(site(), replace(event, by=by), words)  # type: ignore[type-var]
    assert error.control is Control.DUAL_CONTROL


@pytest.mark.control("KIF-LOG-06")
def test_time_does_not_go_back() -> None:
    world = site()
    world.clock.time -= timedelta(hours=1)
    error = refused(world, opened(), "behind the ledger's last entry")
    assert error.control is Control.CLOCK


@pytest.mark.control("KIF-LOG-06")
def test_two_operators_record_that_the_clock_was_ahead() -> None:
    world = site()
    was = world.state.time
    assert was is not None
    world.clock.time -= timedelta(days=1)
    refused(world, ClockCorrected(BY, was - timedelta(seconds=1)), "behind the ledger's last entry")
    refused(world, ClockCorrected(("operator-1", "stranger"), was), "not a registered operator")
    world.admit(ClockCorrected(BY, was), opened())
    assert world.state.time is not None
    assert world.state.time < was


def test_a_clock_that_is_right_is_not_corrected() -> None:
    world = site()
    was = world.state.time
    assert was is not None
    refused(world, ClockCorrected(BY, was), "not behind")
    with pytest.raises(KifError, match="not behind"):
        world.state.admit(ClockCorrected(BY, was), was)


# -- issuers and libraries --------------------------------------------------------------------


@pytest.mark.control("KIF-GW-04")
def test_an_issuer_is_registered_once_with_a_certificate() -> None:
    world = site()
    refused(world, IssuerRegistered(BY, ISSUER, "hello"), "not a certificate")
    world.admit(registered())
    refused(world, registered(), "registered already")


@pytest.mark.control("KIF-GW-04")
def test_a_certificate_is_one_issuers_and_can_be_renewed() -> None:
    world = World(site().events, registered())
    first, second = world.state.issuers.certificates[ISSUER], issuer_certificate()
    refused(world, IssuerRegistered(BY, "other", first or ""), "registered for 'bank' already")
    refused(world, IssuerRegistered(BY, "other", second + second), "holds 2 certificates")
    refused(world, IssuerRegistered(BY, "other", "x\n" + second), "registered alone")
    refused(world, IssuerRenewed(BY, "other", second, "expired"), "'other' is not registered")
    world.admit(IssuerRenewed(BY, ISSUER, second, "expired"))
    assert world.state.issuers.certificates == {ISSUER: second}
    world.admit(IssuerRegistered(BY, "other", first or ""))


@pytest.mark.control("KIF-GW-04")
def test_nothing_comes_from_an_issuer_that_was_withdrawn_until_it_is_renewed() -> None:
    world = World(site().events, registered(), received(1))
    refused(world, IssuerWithdrawn(BY, "other", "ended"), "not registered")
    world.admit(IssuerWithdrawn(BY, ISSUER, "the contract ended"))
    refused(world, IssuerWithdrawn(BY, ISSUER, "again"), "not registered")
    refused(world, received(1, C), "not registered")
    refused(world, registered(), "registered already, or was")
    world.admit(prepared())  # what came before goes on
    world.admit(IssuerRenewed(BY, ISSUER, issuer_certificate(), "a new contract"), received(1, C))


# -- batches that end early -------------------------------------------------------------------


@pytest.mark.control("KIF-ORA-05")
def test_cards_left_over_are_closed_short_and_with_nothing_left_it_is_closed() -> None:
    world = released(2)
    world.admit(made(1), dispatched(1))
    refused(world, BatchClosed(BY, B, 1, 0), "received 2 cards")
    refused(world, BatchClosedShort(BY, B, 1, 0, 0, "why"), "received 2 cards")
    world.admit(BatchClosedShort(BY, B, 1, 0, 1, "the blanks ran out"))
    assert world.state.batches.known[B].state is BatchState.CLOSED


@pytest.mark.control("KIF-ORA-04")
@pytest.mark.parametrize("before", [[], [prepared()]])
def test_a_batch_of_which_no_card_was_made_is_cancelled_and_its_file_comes_again(
    before: list[Event],
) -> None:
    world = World(site().events, registered(), received(2), before)
    refused(world, received(2, C, reference=B), "received before")
    world.admit(BatchCancelled(BY, B, "a wrong product"))
    ended = world.state.batches.known[B]
    assert (ended.state, ended.outcome and ended.outcome.left) == (BatchState.CANCELLED, 2)
    refused(world, BatchCancelled(BY, B, "again"), "is cancelled; nothing happens to its cards")
    refused(world, prepared(), "is cancelled")
    world.admit(received(2, C, reference=B))
    told, other = world.state.batches.encode(), World(site().events).state.batches
    other.restore(canonical.decode(canonical.encode(told)))
    assert other.encode() == told


@pytest.mark.control("KIF-ORA-04")
@pytest.mark.parametrize("on", [[claimed(1)], made(1), [*made(1)[:2], suspect(1)]])
def test_a_batch_of_which_a_card_was_begun_is_not_cancelled(on: list[Event]) -> None:
    world = released(2)
    world.admit(on)
    refused(world, BatchCancelled(BY, B, "why"), "can't be cancelled")


def test_a_released_batch_that_was_not_begun_is_cancelled() -> None:
    world = released(2)
    world.admit(claimed(1), CardRejected(BY, B, 1, STATION, Control.CARD_STATUS, "a blank"))
    world.admit(BatchCancelled(BY, B, "the issuer took it back"))
    assert world.state.batches.known[B].state is BatchState.CANCELLED


def test_only_holders_of_the_pin_accept_a_library() -> None:
    world = site()
    fields = world.state.genesis.encode()
    del fields["sealed"]["user-pin"]["files"]["operator-2"]
    world.state.genesis.restore(fields)
    event = LibraryAccepted(BY, "/x.so", DIGEST, DIGEST)
    refused(world, event, "accepted by holders of the user PIN")
    by = ("operator-1", "operator-3")
    world.admit(replace(event, by=by))
    assert world.state.genesis.sealed["user-pin"].quorum == DIGEST
    assert world.state.genesis.token["library"] == "/x.so"


# -- batches ----------------------------------------------------------------------------------


def with_issuer() -> World:
    world = site()
    world.admit(registered())
    return world


def with_received(count: int = 3) -> World:
    world = with_issuer()
    world.admit(received(count))
    return world


def with_prepared(count: int = 3) -> World:
    world = with_received(count)
    world.admit(prepared())
    return world


def with_approval() -> World:
    world = with_prepared()
    world.admit(approval(world.state, FIRST))
    return world


def lapsed(world: World) -> World:
    world.clock.time = EXPIRES + timedelta(seconds=5)
    return world


def resigned(event: ApprovalGiven, old: str, new: str) -> ApprovalGiven:
    """Change a statement and sign it again."""
    statement = event.statement.replace(old, new)
    assert statement != event.statement
    from kif.ledger.approval import RELEASE

    return replace(event, statement=statement, signature=FIRST.sign(RELEASE, statement.encode()))


OTHER_KEYS = {MASTER: "gp-aes-01:000000"}

BATCHES: dict[str, tuple[Callable[[], World], Callable[[World], Event], str]] = {
    "a batch of nobody": (site, lambda w: received(1), "'bank' is not registered"),
    "an empty batch": (with_issuer, lambda w: received(0), "at least one card"),
    "a batch twice": (
        with_received,
        lambda w: received(1, B, "other", "ee" * 16),
        f"as batch {B}",
    ),
    "a reference twice": (
        with_received,
        lambda w: received(1, C, B),
        f"received before, as batch {B}",
    ),
    "a content twice": (
        with_received,
        lambda w: received(1, C, content=B * 2),
        f"received before, as batch {B}",
    ),
    "a batch prepared that never came": (with_issuer, lambda w: prepared(), "There is no batch"),
    "a batch prepared twice": (with_prepared, lambda w: prepared(), "only a received batch"),
    "a batch without a card to prepare": (
        lambda: World(site().events, registered(), received(1), suspect(1)),
        lambda w: prepared(),
        "no card left",
    ),
    "a key that is not there": (
        with_received,
        lambda w: replace(prepared(), keys={replace(MASTER, version=2): KEYS[MASTER]}),
        "vendor/card-manager/2 is unknown",
    ),
    "a key of another check value": (
        with_received,
        lambda w: replace(prepared(), keys=OTHER_KEYS),
        "has the check value gp-aes-01:504A77 on the record, not gp-aes-01:000000",
    ),
    "an approval of what is not prepared": (
        with_received,
        lambda w: approval(w.state, FIRST),
        "only a prepared batch is released",
    ),
    "an approval by a custodian": (
        with_prepared,
        lambda w: approval(w.state, CUSTODIANS[0]),
        "custodian-1 is not a registered operator",
    ),
    "an approval by a stranger": (
        with_prepared,
        lambda w: approval(w.state, STRANGER),
        "stranger is not a registered operator",
    ),
    "an approval twice by one": (
        with_approval,
        lambda w: approval(w.state, FIRST),
        "a second, different operator",
    ),
    "an approval in another's name": (
        with_prepared,
        lambda w: replace(approval(w.state, FIRST), person="operator-2"),
        "made with another key",
    ),
    "another batch's approval": (
        lambda: two_prepared(),
        lambda w: replace(approval(w.state, FIRST, C), batch=B),
        f"not the one of batch {B}",
    ),
    "an approval of other terms": (
        with_approval,
        lambda w: approval(w.state, SECOND, stations=("station-2",)),
        "operator-1 signed other terms",
    ),
    "an approval that ends otherwise": (
        with_approval,
        lambda w: approval(w.state, SECOND, expires=EXPIRES + timedelta(days=1)),
        "operator-1 signed other terms",
    ),
    "an approval of more cards": (
        with_prepared,
        lambda w: resigned(approval(w.state, FIRST), '"count":3', '"count":4'),
        f"not the one of batch {B}",
    ),
    "an approval of no station": (
        with_prepared,
        lambda w: approval(w.state, FIRST, stations=()),
        "names no stations and no end",
    ),
    "an approval of more stations than there can be": (
        with_prepared,
        lambda w: approval(w.state, FIRST, stations=tuple(f"s-{n}" for n in range(101))),
        "names no stations and no end",
    ),
    "an approval whose end has no offset": (
        with_prepared,
        lambda w: resigned(approval(w.state, FIRST), ".000000+00:00", ".000000"),
        "names no stations and no end",
    ),
    "an approval that ends at this moment": (
        with_prepared,
        lambda w: approval(w.state, FIRST, expires=w.clock.time + timedelta(seconds=1)),
        "which is past",
    ),
    "an approval whose end is no time": (
        with_prepared,
        lambda w: resigned(approval(w.state, FIRST), '"expires":"2026', '"expires":"x026'),
        "names no stations and no end",
    ),
    "an approval that has ended": (
        with_prepared,
        lambda w: approval(w.state, FIRST, expires=START),
        "which is past",
    ),
    "an approval that is no statement": (
        with_prepared,
        lambda w: replace(approval(w.state, FIRST), statement="{}"),
        "names no stations and no end",
    ),
    "an approval whose signature is of another statement": (
        with_prepared,
        lambda w: replace(
            approval(w.state, FIRST),
            signature=approval(w.state, FIRST, stations=("x",)).signature,
        ),
        "not over this statement",
    ),
    "an approval of a released batch": (
        released,
        lambda w: approval(w.state, FIRST),
        "only a prepared batch is released",
    ),
    "a release by one": (
        with_approval,
        lambda w: BatchReleased(B, 3),
        "has 1 approvals for 3 cards",
    ),
    "a release of another number": (
        lambda: twice_approved(),
        lambda w: BatchReleased(B, 4),
        "has 2 approvals for 3 cards",
    ),
    "a release twice": (released, lambda w: BatchReleased(B, 3), "only a prepared batch"),
    "a dispatch of what is not released": (
        with_prepared,
        lambda w: dispatched(1),
        "only a released batch is dispatched",
    ),
    "a dispatch of nothing": (released, lambda w: dispatched(0), "0 good cards"),
    "a dispatch of more than is good": (
        lambda: World(released().events, made(1)),
        lambda w: dispatched(2),
        "has 1 good cards",
    ),
    "a closing of what is not released": (
        with_prepared,
        lambda w: closed(0, 0, 3),
        "only a released batch is closed",
    ),
    "a closing with a wrong count": (
        lambda: World(released().events, made(1), dispatched(1)),
        lambda w: closed(0, 1, 2),
        "received 3 cards, but 1 good, 0 suspect and 2 left over make 3",
    ),
    "a closing with a card on the line": (
        lambda: World(released().events, claimed(1)),
        lambda w: closed(0, 0, 2),
        "0 good, 0 suspect and 2 left over make 2",
    ),
    "a closing with a good card that is still here": (
        lambda: World(released().events, made(1)),
        lambda w: closed(0, 0, 2),
        "Finish or dispatch the cards",
    ),
    "a closing twice": (
        lambda: World(released().events, closed(0, 0, 3)),
        lambda w: closed(0, 0, 3),
        "only a released batch is closed",
    ),
}


def two_prepared() -> World:
    world = with_prepared()
    world.admit(received(3, C), prepared(C))
    return world


def twice_approved() -> World:
    world = with_approval()
    world.admit(approval(world.state, SECOND))
    return world


@pytest.mark.control("KIF-LOG-03", "KIF-ORA-04")
@pytest.mark.parametrize("case", BATCHES)
def test_a_batch_that_goes_another_way_is_refused(case: str) -> None:
    build, event, words = BATCHES[case]
    world = build()
    refused(world, event(world), words)


def test_a_batch_goes_from_file_to_closing() -> None:
    world = released(3)
    assert world.state.batches.known[B].state is BatchState.RELEASED
    world.admit(made(1), flat(made(2)[:2], suspect(2)), dispatched(1), closed(1, 1, 1))
    batch = world.state.batches.known[B]
    assert batch.outcome is not None
    assert (batch.outcome.good, batch.outcome.suspect, batch.outcome.left) == (1, 1, 1)
    assert world.state.batches.jobs == {}
    refused(world, claimed(3), "closed; cards are made of a released batch only")
    refused(world, suspect(3), "is closed; nothing happens")


def test_a_release_that_has_lapsed_is_renewed_by_two() -> None:
    world = lapsed(released())
    refused(world, claimed(1), f"release of batch {B} ended at")
    later = EXPIRES + timedelta(days=30)
    world.admit(approval(world.state, FIRST, expires=later))
    assert world.state.batches.known[B].state is BatchState.PREPARED
    refused(world, claimed(1), "is prepared; cards are made of a released batch only")
    world.admit(approval(world.state, SECOND, expires=later), BatchReleased(B, 3))
    world.admit(replace(claimed(1), until=later))
    assert world.state.batches.jobs[B].state(1) is JobState.CLAIMED


def test_an_approval_that_has_lapsed_does_not_count() -> None:
    world = lapsed(with_approval())
    later = EXPIRES + timedelta(days=30)
    world.admit(approval(world.state, SECOND, expires=later))
    refused(world, BatchReleased(B, 3), "has 1 approvals")
    world.admit(approval(world.state, FIRST, expires=later), BatchReleased(B, 3))


def test_a_release_may_name_a_hundred_stations() -> None:
    world = with_prepared()
    stations = tuple(f"s-{number}" for number in range(100))
    world.admit(enrolment(*stations[:50]), enrolment(*stations[50:]))
    for person in OPERATORS:
        world.admit(approval(world.state, person, stations=stations))
    world.admit(BatchReleased(B, 3), claimed(1, station="s-99"))


def test_a_release_holds_to_its_last_moment() -> None:
    world = released()
    world.clock.time = EXPIRES - timedelta(seconds=1)
    world.admit(claimed(1))
    later = approval(world.state, FIRST, expires=EXPIRES + timedelta(days=30))
    world.clock.time = EXPIRES - timedelta(seconds=1)
    refused(world, later, "only a prepared batch is released")
    world.clock.time = EXPIRES
    refused(world, claimed(2), "ended at")


def test_a_closed_batch_is_not_renewed() -> None:
    world = World(released().events, closed(0, 0, 3))
    lapsed(world)
    event = approval(world.state, FIRST, expires=EXPIRES + timedelta(days=30))
    refused(world, event, "is closed; only a prepared batch")


def test_two_batches_side_by_side_are_each_their_own() -> None:
    world = released(1)
    world.release(1, C)
    world.admit(made(1), made(1, C), dispatched(1), dispatched(1, C), closed(1, 0, 0, C))
    assert world.state.batches.known[B].state is BatchState.RELEASED


# -- cards ------------------------------------------------------------------------------------


CARDS: dict[str, tuple[list[Event], Event, str]] = {
    "a card claimed twice": ([claimed(1)], claimed(1), "is claimed; it can't become claimed"),
    "a card of another station": ([], claimed(1, station="station-2"), "not for station-2"),
    "card number 0": ([], claimed(4), "there is no card 4"),
    "a batch that is not there": ([], claimed(1, C), "There is no batch"),
    "a suspect card of a batch that is not there": ([], suspect(1, C), "There is no batch"),
    "keys for a card that nobody claimed": ([], authorised(1), "is not on the line"),
    "keys twice": ([claimed(1), authorised(1)], authorised(1, serial=chip(9)), "is personalising"),
    "a chip twice": (
        [claimed(1), authorised(1), claimed(2)],
        authorised(2, serial=chip(1)),
        f"The card {chip(1)} was used",
    ),
    "a chip of a suspect card": (
        [claimed(1), authorised(1), suspect(1), claimed(2)],
        authorised(2, serial=chip(1)),
        "was used for another job",
    ),
    "done without keys": ([claimed(1)], done(1), "is claimed; it can't become personalised"),
    "done twice": (made(1)[:3], done(1), "is personalised; it can't become personalised"),
    "printed before it is done": (made(1)[:2], printed(1), "is personalising; it can't become"),
    "good without a print": (made(1)[:3], verified(1), "is personalised; it can't become good"),
    "good twice": (made(1), verified(1), "is good; it can't become good"),
    "good and suspect": (made(1), suspect(1), "is good; it can't become suspect"),
    "suspect twice": ([suspect(1)], suspect(1), "is suspect; it can't become suspect"),
    "suspect and made": ([suspect(1)], claimed(1), "is suspect; it can't become claimed"),
    "suspect and done": ([*made(1)[:2], suspect(1)], done(1), "is suspect"),
    "dispatched and made": ([*made(1), dispatched(1)], claimed(1), "is dispatched"),
    "a claim withdrawn after keys": (
        made(1)[:2],
        ClaimWithdrawn(BY, B, 1),
        "only a claim is withdrawn",
    ),
    "a claim withdrawn that was none": ([], ClaimWithdrawn(BY, B, 1), "only a claim is withdrawn"),
}


@pytest.mark.control("KIF-LOG-03", "KIF-ORA-03", "KIF-CHIP-06")
@pytest.mark.parametrize("case", CARDS)
def test_a_card_that_goes_another_way_is_refused(case: str) -> None:
    before, event, words = CARDS[case]
    refused(World(released().events, before), event, words)


def test_a_claim_that_is_withdrawn_leaves_the_card_for_another() -> None:
    world = World(released().events, claimed(1))
    assert world.state.batches.jobs[B].line == {1: Hold("station-1", EXPIRES)}
    world.admit(ClaimWithdrawn(BY, B, 1))
    assert world.state.batches.jobs[B].line == {}
    world.admit(made(1))
    assert world.state.batches.jobs[B].state(1) is JobState.GOOD


def test_a_card_can_be_suspect_from_every_state_on_the_line_and_before() -> None:
    for length in range(5):
        world = World(released().events, made(1)[:length], suspect(1))
        assert world.state.batches.jobs[B].state(1) is JobState.SUSPECT
        assert world.state.batches.jobs[B].line == {}
    assert World(with_received().events, suspect(1)).state.batches.jobs[B].count(JobState.SUSPECT)


def test_a_suspect_card_is_not_prepared_and_not_released() -> None:
    world = World(with_received().events, suspect(2), prepared())
    batch = world.state.batches.known[B]
    assert (batch.prepared, world.state.batches.jobs[B].state(2)) == (2, JobState.SUSPECT)
    for person in OPERATORS:
        world.admit(approval(world.state, person))
    refused(world, BatchReleased(B, 3), "approvals for 2 cards")
    world.admit(BatchReleased(B, 2), closed(0, 1, 2))


def test_a_token_may_be_opened_by_each_pair_in_any_order() -> None:
    site().admit(TokenOpened(("operator-2", "operator-1")))


def test_what_is_taken_back_leaves_no_trace() -> None:
    """A proposal of many events that fails at its end: the journal undoes each kind of change."""
    world = released()
    before = everything(world.state)
    mark = world.state.journal.mark()
    world.admit(made(1), claimed(2), suspect(2), claimed(3), dispatched(1))
    world.admit(received(2, C), suspect(1, C), prepared(C))
    world.state.journal.back(mark)
    world.state.time = None
    assert everything(world.state).count(chip(1)) == 0
    assert world.state.batches.jobs[B].count(JobState.PREPARED) == 3
    assert before.count(C) == everything(world.state).count(C) == 0


def test_a_snapshot_is_of_a_site_at_a_checkpoint() -> None:
    with pytest.raises(ValueError, match="at a checkpoint"):
        encode_snapshot(Tail.of(SIGNER.verifier))
    assert SIGNER.public_key.hex() == World(genesis()).state.keys.public_key(LOG_SIGNER).hex()


def test_what_is_settled_is_final_and_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chips_module, "_RECENT", 1)
    world = World(released().events, made(1))
    assert world.state.journal.mark() > 0
    world.state.settle()
    assert world.state.journal.mark() == 0
    assert world.state.chips._recent == {}
    assert bytes.fromhex(chip(1)) in world.state.chips
