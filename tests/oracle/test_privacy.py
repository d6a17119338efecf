"""Erasure: nobody reads again what is erased, not even in a backup, and the log still verifies."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from kif.ceremony.hold import resume
from kif.chip.personalise import personalise
from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed, Refused
from kif.formats.keyref import KeyRef, of_site
from kif.formats.state import BatchState, KeyState
from kif.fulfilment.dispatch import dispatch_batch
from kif.hsm.data import batch_key, find_retention_key, reveal
from kif.hsm.token import Token
from kif.ledger.event import Entry
from kif.oracle.audit import audit
from kif.oracle.desk import context
from kif.oracle.home import Home
from kif.oracle.local import LocalOracle, now
from kif.oracle.messages import BatchView, JobRef
from kif.store.engine import open_store
from kif.store.models import Batch, CardJob
from tests.attacks import good_card
from tests.ceremony.test_keeping import held, require_record
from tests.cli.kif import kif, operators
from tests.killing import killed_at, killings
from tests.oracle.test_chip import Wire, card
from tests.site import (
    ISSUER,
    TestSite,
    appoint_witness,
    claimed,
    found_site,
    furnished,
    received_file,
    rehearsing_people,
    released_batch,
    require_lives_told,
)

LAST_MONTH = datetime(2026, 1, 15, 12, tzinfo=UTC)
WINDOW = KeyRef(ISSUER, "retention", 202601)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestSite:
    """A site that stands since January 2026."""
    monkeypatch.setattr("kif.ceremony.genesis._now", lambda: LAST_MONTH)
    monkeypatch.setattr("kif.oracle.local.now", lambda: LAST_MONTH)
    made = furnished(found_site(tmp_path / "home"))
    with made.oracle() as oracle:
        finished(made, oracle, "JANUARY")
    monkeypatch.setattr("kif.oracle.local.now", now)
    return made


def finished(site: TestSite, oracle: LocalOracle, reference: str, first: int = 1) -> BatchView:
    """Bring a batch to its closing: one good card, one suspect."""
    batch = released_batch(site, oracle, reference, 2, first=first)
    good_card(oracle, batch.id)
    claim = claimed(oracle, batch.id)
    personalise(claim, Wire(card("bad-rmac@1")), oracle.chip)
    dispatch_batch(batch.id, oracle.fulfilment, site.home.path / "dispatch")
    return oracle.supervision.close_batch(batch.id)


def sealed_record(database: Path) -> tuple[str, bytes | None, bytes]:
    """Return the first batch's id, its seed, and the sealed record of its first card."""
    store = open_store(database)
    with store.reading() as tx:
        batch, seed = tx.session.execute(select(Batch.id, Batch.seed)).first() or ("", None)
        record = tx.session.scalars(
            select(CardJob.record).where(CardJob.batch_id == batch, CardJob.number == 1)
        ).one()
    store.close()
    return batch, seed, record


def backup(site: TestSite, folder: Path) -> Path:
    """Copy the database away, as a backup does."""
    folder.mkdir()
    for path in site.home.site.glob("kif.sqlite*"):
        shutil.copy(path, folder)
    return folder / "kif.sqlite"


def read_with_token(site: TestSite, database: Path) -> bytes:
    """Read a record past kif: with the token and its PIN, and a database from anywhere."""
    batch, seed, record = sealed_record(database)
    with Token.open(site.home.token_place(), site.pin()) as token:
        key = batch_key(find_retention_key(token, str(WINDOW)), seed or bytes(32))
        return reveal(key, record, context(JobRef(batch, 1), "record")).reveal()


@pytest.mark.control("KIF-ORA-09")
def test_an_erased_window_is_read_by_nobody_not_even_from_a_backup(
    site: TestSite, tmp_path: Path
) -> None:
    kept = backup(site, tmp_path / "backup")
    assert b"TEST/CARDHOLDER" in read_with_token(site, kept)
    with site.oracle() as oracle:
        (view,) = oracle.privacy.erase_window(WINDOW, "It was due.")
        assert (view.state, view.reference) == (BatchState.ERASED, "")
        (window,) = oracle.privacy.windows()
        assert (window.erased, window.due, window.batches) == (True, False, 1)
        with oracle.gateway.desk.record.reading() as (state, tx):
            assert state.keys.known[WINDOW].state is KeyState.DESTROYED
            with pytest.raises(CheckFailed, match="was erased"):
                oracle.gateway.desk.reveal(state, tx.connection, JobRef(view.id, 1), b"", "record")
    for database in (site.home.database, kept):
        with pytest.raises(DeviceFailed, match="no key with the label 'test-issuer/retention"):
            read_with_token(site, database)
    report = audit(site.home)
    assert report.state.batches.known[view.id].state is BatchState.ERASED
    with site.oracle() as oracle:
        finished(site, oracle, "NOW", first=50)
    audit(site.home)


@pytest.mark.control("KIF-LOG-05", "KIF-ORA-09")
def test_a_restored_backup_does_not_bring_an_erased_window_back(
    site: TestSite, tmp_path: Path
) -> None:
    kept = backup(site, tmp_path / "backup")
    with site.oracle() as oracle:
        oracle.privacy.erase_window(WINDOW, "It was due.")
    for path in site.home.site.glob("kif.sqlite*"):
        path.unlink()
    for path in kept.parent.iterdir():
        shutil.copy(path, site.home.site)
    with pytest.raises(CheckFailed, match="older or another database"):
        site.oracle().__enter__()


@pytest.mark.control("KIF-ORA-09")
def test_an_erased_batch_is_gone_from_the_live_database(site: TestSite) -> None:
    batch, seed, _ = sealed_record(site.home.database)
    assert seed is not None
    with site.oracle() as oracle:
        view = oracle.privacy.erase_batch(batch, "The issuer asked for it.")
        assert view.state is BatchState.ERASED
        other = finished(site, oracle, "OTHER", first=50)
        assert not [job for job in oracle.supervision.jobs(batch) if job.reason]
        assert [job for job in oracle.supervision.jobs(other.id) if job.reason]
    assert not [
        path for path in site.home.path.rglob("*") if path.is_file() and seed in path.read_bytes()
    ]
    databases = [path.read_bytes() for path in site.home.site.glob("kif.sqlite*")]
    assert [each for each in databases if b"OTHER" in each]
    assert not [each for each in databases if b"JANUARY" in each]
    audit(site.home)


@pytest.mark.control("KIF-ORA-09")
def test_payloads_of_an_erased_batch_go_and_its_entries_stay(site: TestSite) -> None:
    batch, _, _ = sealed_record(site.home.database)

    def told(oracle: LocalOracle) -> list[bool]:
        with oracle.gateway.desk.record.reading() as (_, tx):
            entries = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
            return [
                tx.ledger.payload(each.index) is not None
                for each in entries
                if each.commit and getattr(each.event, "batch", None) == batch
            ]

    with site.oracle() as oracle:
        assert told(oracle) == [True, True]
        oracle.privacy.erase_batch(batch, "It was due.")
        assert told(oracle) == [False, False, True]
    audit(site.home)


@pytest.mark.control("KIF-ORA-09")
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_erasure_that_is_killed_is_finished_at_the_next_opening(
    site: TestSite, when: str
) -> None:
    assert killed_at(site.home.path, "erase", "kif.oracle.keys:KeyRing.destroy", when)
    with site.oracle() as oracle, pytest.raises(DeviceFailed, match="no key"):
        find_retention_key(oracle.gateway.desk.keys.token, str(WINDOW))
    audit(site.home)


@pytest.mark.control("KIF-CER-06", "KIF-ORA-09")
def test_a_window_is_erased_in_a_ceremony_before_a_witness(site: TestSite, tmp_path: Path) -> None:
    appoint_witness(site)
    with pytest.raises(Refused, match="site-ca/1 is no retention key; this plan is for one"):
        held(site, "erase-window", of_site("site-ca"))
    said = held(site, "erase-window", WINDOW)
    assert "1 batch can't be read any more, wherever copies of the database lie." in said
    assert f"{WINDOW} is destroyed." in said
    page = require_record(site, tmp_path / "report")
    assert f"{WINDOW} was destroyed, and 1 batches are erased by it: This is a rehearsal" in page
    affidavit = kif(site.home.path, "form", "destruction", str(WINDOW), tmp_path / "form")
    assert affidavit.code == 0, affidavit.err
    assert "witness-1" in Path(affidavit.out.split()[0]).read_text()
    with pytest.raises(DeviceFailed, match="no key with the label"):
        read_with_token(site, site.home.database)
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06", "KIF-ORA-09")
@pytest.mark.parametrize(("place", "when"), killings(["oracle.privacy:Privacy.erase_window"]))
def test_an_erasure_in_a_ceremony_that_is_killed_goes_on(
    site: TestSite, place: str, when: str, tmp_path: Path
) -> None:
    appoint_witness(site)
    assert killed_at(site.home.path, f"erase-window {WINDOW}", f"kif.{place}", when)
    with site.oracle() as oracle:
        resume(oracle.ceremonies, site.people)
        assert oracle.custody.state(WINDOW) is KeyState.DESTROYED
    require_record(site, tmp_path / "report")
    audit(site.home)


def test_a_window_is_due_half_a_year_after_its_month(site: TestSite) -> None:
    with site.oracle() as oracle:
        oracle.gateway.admit(received_file("NOW", 1, first=80), again=True)
        old, new = oracle.privacy.windows()
    assert (old.key, old.until, old.due, old.still_open) == (WINDOW, date(2026, 8, 1), True, 0)
    assert (new.due, new.still_open) == (False, 1)


def test_what_is_due_is_listed_and_erased_by_command(site: TestSite) -> None:
    home = site.home.path
    (row,) = kif(home, "privacy", "due", "--json").json()
    assert (row["key"], row["batches"], row["open"]) == (str(WINDOW), 1, 0)
    done = kif(
        home, "privacy", "erase", row["key"], "--reason", "It was due.", "--json",
        given=operators(site),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert [each["state"] for each in done.json()] == ["erased"]
    assert kif(home, "privacy", "due", "--json").json() == []
    (row,) = kif(home, "privacy", "due", "--all", "--json").json()
    assert row["erased"] == "yes"
    again = kif(home, "privacy", "erase", row["key"], "--reason", "x", given=operators(site))
    assert again.code == 4
    assert "is destroyed" in again.err


def test_a_batch_that_is_open_is_not_erased(site: TestSite) -> None:
    with site.oracle() as oracle:
        view = oracle.gateway.admit(received_file("NOW", 1, first=80), again=True)
        with pytest.raises(Refused, match="only a closed or cancelled batch is erased") as refused:
            oracle.privacy.erase_batch(view.id, "x")
    assert refused.value.control is Control.BATCH_STATE


@pytest.mark.control("KIF-ORA-04")
def test_no_dispatch_list_is_written_of_an_erased_batch(site: TestSite, tmp_path: Path) -> None:
    batch, _, _ = sealed_record(site.home.database)
    with site.oracle() as oracle:
        oracle.privacy.erase_batch(batch, "It was due.")
        with pytest.raises(Refused, match="is erased; cards of a released batch"):
            dispatch_batch(batch, oracle.fulfilment, tmp_path / "lists")
    assert not (tmp_path / "lists").exists()


def test_the_demo_goes_on_after_an_erasure(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for number in (1, 2):
        assert kif(home, "demo", "--cards", "1").code == 0
        if number == 1:
            (batch,) = kif(home, "batch", "status", "--json").json()
            given = operators(TestSite(Home(home), rehearsing_people(home)))
            erased = kif(
                home, "privacy", "erase", batch["id"], "--reason", "It was due.", given=given
            )
            assert erased.code == 0, erased.err
    states = [each["state"] for each in kif(home, "batch", "status", "--json").json()]
    assert states == ["erased", "closed"]
    assert kif(home, "log", "verify").code == 0
