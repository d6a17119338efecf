"""Release by two different people, and closing by a reconciliation that holds."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from kif.ceremony.hold import hold
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, KifError, Refused
from kif.formats.state import BatchState
from kif.graphics.front import require_fit
from kif.ledger.approval import RELEASE
from kif.ledger.event import Entry
from kif.oracle.cache import differences
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView, Claim
from kif.preparation.prepare import prepare_batch
from kif.store.models import Site
from tests.certificate import issuer_certificate
from tests.site import (
    ISSUER,
    OPERATORS,
    TestSite,
    claimed,
    new_claim,
    received_file,
    released_batch,
    shipped,
)

FIRST, SECOND = OPERATORS


@pytest.fixture
def batch(oracle: LocalOracle, request: pytest.FixtureRequest) -> BatchView:
    """A prepared batch of this test's own."""
    number = len(oracle.supervision.batches())
    view = oracle.gateway.admit(received_file(f"S-{number}", 1, first=number * 10 + 1), again=True)
    return prepare_batch(view.id, oracle.preparation, require_fit, lambda: None)


def last(oracle: LocalOracle) -> Entry:
    with oracle.gateway.desk.record.reading() as (_, tx):
        return [Entry.decode(leaf) for leaf in tx.ledger.leaves()][-1]


@pytest.mark.control("KIF-ORA-01", "KIF-ORA-02")
def test_the_second_operator_releases_a_batch(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    once = site.approve(oracle, batch.id, FIRST)
    assert (once.state, tuple(once.approvals)) == (BatchState.PREPARED, (FIRST,))
    twice = site.approve(oracle, batch.id, SECOND)
    assert twice.state is BatchState.RELEASED
    assert last(oracle).event.kind == "batch-released"


@pytest.mark.control("KIF-ORA-01")
def test_one_operator_twice_is_refused_and_recorded(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    site.approve(oracle, batch.id, FIRST)
    with pytest.raises(Refused, match="different operator"):
        site.approve(oracle, batch.id, FIRST)
    assert oracle.supervision.batch(batch.id).state is BatchState.PREPARED
    assert last(oracle).event.kind == "approval-refused"


@pytest.mark.control("KIF-ORA-02")
@pytest.mark.parametrize("person", ["custodian-1", "nobody", "no name\n"])
def test_only_registered_operators_approve(
    site: TestSite, oracle: LocalOracle, batch: BatchView, person: str
) -> None:
    statement, signature = site.signed_release(oracle, batch.id, FIRST)
    with pytest.raises(KifError, match=r"not a registered operator|not in its form"):
        oracle.supervision.approve_release(batch.id, person, statement, signature)
    assert last(oracle).event.kind == "approval-refused"


@pytest.mark.control("KIF-ORA-02")
def test_an_operator_can_not_sign_as_another(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    statement, signature = site.signed_release(oracle, batch.id, FIRST)
    with pytest.raises(Refused, match="another key"):
        oracle.supervision.approve_release(batch.id, SECOND, statement, signature)


@pytest.mark.control("KIF-ORA-02")
def test_a_signature_over_another_batch_is_refused(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    other = oracle.gateway.admit(received_file(f"T-{batch.id}", 1, first=90_000), again=True)
    prepare_batch(other.id, oracle.preparation, require_fit, lambda: None)
    statement, signature = site.signed_release(oracle, other.id, FIRST)
    with pytest.raises(BadInput, match="not the one of batch"):
        oracle.supervision.approve_release(batch.id, FIRST, statement, signature)
    own = oracle.supervision.release_statement(batch.id)
    with pytest.raises(Refused, match="not over this statement"):
        oracle.supervision.approve_release(batch.id, FIRST, own, signature)


@pytest.mark.control("KIF-ORA-04")
def test_a_batch_that_is_not_prepared_is_not_released(oracle: LocalOracle) -> None:
    raw = oracle.gateway.admit(received_file("RAW", 1, first=91_000), again=True)
    with pytest.raises(BadInput, match="only a prepared batch"):
        oracle.supervision.release_statement(raw.id)


def test_the_second_is_shown_the_terms_of_the_first(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    hold(oracle.ceremonies, shipped("enrol-station"), "site", site.people)
    until = datetime.now(UTC) + timedelta(days=3)
    told = oracle.supervision.release_statement(batch.id, ("station-2",), until)
    signature = site.people.sign(FIRST, RELEASE, told)
    oracle.supervision.approve_release(batch.id, FIRST, told, signature)
    assert oracle.supervision.release_statement(batch.id) == told
    assert site.approve(oracle, batch.id, SECOND).state is BatchState.RELEASED
    with pytest.raises(Refused, match="released for station-2, not for station-1"):
        new_claim(oracle, batch.id)
    assert isinstance(new_claim(oracle, batch.id, "station-2"), Claim)
    assert [each.name for each in oracle.stations.all()] == ["station-1", "station-2"]
    oracle.stations.withdraw("station-2", "It was scrapped.")
    with pytest.raises(Refused, match="There is no enrolled station station-2"):
        new_claim(oracle, batch.id, "station-2")
    with pytest.raises(Refused, match="There is no enrolled station station-2"):
        oracle.stations.withdraw("station-2", "It was scrapped.")


def test_without_a_station_nothing_is_released(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    oracle.stations.withdraw("station-1", "It was moved.")
    try:
        with pytest.raises(Refused, match=r"No station is enrolled: hold ceremonies/enrol-station"):
            oracle.supervision.release_statement(batch.id)
    finally:
        hold(oracle.ceremonies, shipped("enrol-station"), "site", site.people)


def test_a_batch_is_released_for_enrolled_stations_alone(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    with pytest.raises(Refused, match="There is no enrolled station station-8") as refused:
        oracle.supervision.release_statement(batch.id, ("station-8",))
    assert refused.value.control is Control.STATION
    told = oracle.supervision.release_statement(batch.id).replace(b"station-1", b"station-8")
    signature = site.people.sign(FIRST, RELEASE, told)
    with pytest.raises(Refused, match="There is no enrolled station station-8"):
        oracle.supervision.approve_release(batch.id, FIRST, told, signature)


def test_the_statement_says_what_is_made_with_which_keys(
    oracle: LocalOracle, batch: BatchView
) -> None:
    statement = oracle.supervision.release_statement(batch.id).decode()
    for part in (batch.id, ISSUER, "test-debit", '"count":1', "gp-aes-01:504A77"):
        assert part in statement


@pytest.mark.control("KIF-ORA-05")
def test_a_batch_with_a_card_on_the_line_is_not_closed(site: TestSite, oracle: LocalOracle) -> None:
    view = released_batch(site, oracle, "CLOSE", 2, first=92_000)
    claim = claimed(oracle, view.id)
    with pytest.raises(CheckFailed, match="received 2 cards"):
        oracle.supervision.close_batch(view.id)
    oracle.chip.give_up(claim.lease, Control.CARD_PRESENT, "It fell on the floor.")
    with pytest.raises(Refused, match=r"2 of the 2 cards of batch .* not made\. .* --reason"):
        oracle.supervision.close_batch(view.id)
    closed = oracle.supervision.close_batch(view.id, "The blanks ran out.")
    assert closed.state is BatchState.CLOSED
    with pytest.raises(KifError):
        oracle.supervision.close_batch(view.id)


def test_a_batch_that_is_not_there_is_a_sentence(oracle: LocalOracle) -> None:
    with pytest.raises(BadInput, match="There is no batch nowhere"):
        oracle.supervision.batch("nowhere")


def test_an_issuer_is_registered_once(oracle: LocalOracle, batch: BatchView) -> None:
    with pytest.raises(Refused, match="registered already"):
        oracle.supervision.register_issuer(ISSUER, issuer_certificate().encode())


@pytest.mark.control("KIF-ORA-04")
def test_a_cancelled_batch_comes_again(site: TestSite, oracle: LocalOracle) -> None:
    file = received_file("CANCEL", 1, first=93_000)
    view = oracle.gateway.admit(file)
    with pytest.raises(Refused, match="was received before"):
        oracle.gateway.admit(file)
    cancelled = oracle.supervision.cancel_batch(view.id, "The wrong product.")
    assert cancelled.state is BatchState.CANCELLED
    again = oracle.gateway.admit(file)  # its cards don't count as having come before, either
    prepare_batch(again.id, oracle.preparation, require_fit, lambda: None)
    with pytest.raises(KifError):
        oracle.supervision.cancel_batch(view.id, "again")
    require_cache(oracle)


def require_cache(oracle: LocalOracle) -> None:
    """The tables say what the log says, every sealed record included."""
    with oracle.gateway.desk.record.reading() as (state, tx):
        verifier = tx.session.scalars(select(Site.log_verifier)).one()
        assert not list(differences(tx.session, state, verifier, whole=True))


@pytest.mark.control("KIF-GW-04")
def test_an_issuer_is_renewed_and_withdrawn(oracle: LocalOracle) -> None:
    first, second = issuer_certificate(), issuer_certificate()
    oracle.supervision.register_issuer("passing", first.encode())
    oracle.supervision.renew_issuer("passing", second.encode(), "The old one expires.")
    register = {each.name: each.certificate for each in oracle.gateway.issuers()}
    assert register["passing"] == second
    oracle.supervision.withdraw_issuer("passing", "The contract ended.")
    assert "passing" not in [each.name for each in oracle.gateway.issuers()]
    with pytest.raises(Refused, match="registered already, or was"):
        oracle.supervision.register_issuer("passing", first.encode())
    require_cache(oracle)


@pytest.mark.control("KIF-GW-04")
@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_only_a_certificate_is_registered(oracle: LocalOracle, text: str) -> None:
    with pytest.raises(BadInput, match="not a certificate in PEM or DER form"):
        oracle.supervision.register_issuer("other", text.encode())
    assert "other" not in [issuer.name for issuer in oracle.gateway.issuers()]


def test_ssh_keygen_accepts_the_release_signature_too(
    site: TestSite, oracle: LocalOracle, batch: BatchView, tmp_path: Path
) -> None:
    statement, signature = site.signed_release(oracle, batch.id, FIRST)
    (tmp_path / "sig").write_text(signature)
    public = site.people.key(FIRST).with_suffix(".pub").read_text()
    (tmp_path / "signers").write_text(f"{FIRST} {public}")
    who = ["-f", str(tmp_path / "signers"), "-I", FIRST, "-n", "kif-release-batch"]
    subprocess.run(
        ["ssh-keygen", "-Y", "verify", *who, "-s", str(tmp_path / "sig")],
        input=statement,
        check=True,
    )
