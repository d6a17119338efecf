"""Opening a site again: snapshots, clocks, and a log that is changed while it is open."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from kif.formats.control import Control
from kif.formats.error import KifError, LedgerUnavailable, Refused
from kif.ledger.events.batch import FileRefused
from kif.oracle import local
from kif.oracle.audit import audit
from kif.oracle.group import Step
from kif.oracle.local import correct_clock, now
from tests.ledger.stored import drop_triggers
from tests.site import ISSUER, OPERATORS, make_site, received_file

DIGEST = "ab" * 32


def refusal(step: Step) -> int:
    """A work that always can be done; it gives the index of its entry."""
    return step.record(FileRefused(step.by, DIGEST, Control.FILE_INTACT, "It was altered."))


TAKEN = {
    "the last entry": 'DELETE FROM ledger_entry WHERE "index" = (SELECT max("index") FROM '
    "ledger_entry)",
    "the last checkpoint": "DELETE FROM ledger_checkpoint WHERE size = (SELECT max(size) FROM "
    "ledger_checkpoint)",
    "an entry that nobody signed": 'INSERT INTO ledger_entry SELECT max("index") + 1, leaf FROM '
    "ledger_entry",
    "a checkpoint of nothing": "INSERT INTO ledger_checkpoint SELECT max(size) + 1, note FROM "
    "ledger_checkpoint",
}


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("case", TAKEN)
def test_a_log_that_is_changed_while_it_is_open_stops_the_oracle(tmp_path: Path, case: str) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        record = oracle.gateway.desk.record
        record.write(refusal)
        with record.store.transaction() as tx:
            drop_triggers(tx.session)
            tx.session.execute(text("PRAGMA defer_foreign_keys = ON"))
            tx.session.execute(text("DELETE FROM ledger_payload"))
            tx.session.execute(text(TAKEN[case]))
        for _ in range(2):  # and it stays so: this process knows no state that holds
            with pytest.raises(LedgerUnavailable, match=r"can't be continued") as error:
                record.write(refusal)
            assert error.value.exit_code == 5


@pytest.mark.control("KIF-LOG-06")
def test_a_clock_that_had_been_ahead_is_corrected_by_two_operators(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        record = oracle.gateway.desk.record
        record.clock = lambda: now() + timedelta(days=1)
        record.write(refusal)
    with (
        pytest.raises(
            LedgerUnavailable, match=r"The clock says .*'kif log correct-clock'"
        ) as error,
        site.oracle(),
    ):
        pass
    assert error.value.control is Control.CLOCK
    with site.home.alone():
        was, is_now = correct_clock(site.home, site.pin(), OPERATORS)
    assert was - is_now > timedelta(hours=23)
    with site.oracle() as oracle:
        oracle.gateway.desk.record.write(refusal)
    audit(site.home)
    with site.home.alone(), pytest.raises(KifError, match="not behind the log"):
        correct_clock(site.home, site.pin(), OPERATORS)


def test_a_site_opens_from_a_snapshot_and_still_sees_every_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "EVERY", 10)
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        view = oracle.gateway.admit(received_file("ONE", 2), again=True)
    with site.oracle() as oracle:
        store = oracle.gateway.desk.record.store
        with store.reading() as tx:
            snapshot = tx.ledger.snapshot()
        assert snapshot is not None
        assert oracle.supervision.batch(view.id).count == 2
        assert oracle.gateway.issuers()[0].name == ISSUER
        with pytest.raises(Refused, match="was received before"):
            oracle.gateway.admit(received_file("ONE", 2), again=True)
    audit(site.home)
    with store.transaction() as tx:
        drop_triggers(tx.session)
        change = text("UPDATE ledger_entry SET leaf = leaf || ' ' WHERE \"index\" = 3")
        tx.session.execute(change)
    with pytest.raises(KifError, match=r"has other ones|something was changed"), site.oracle():
        pass


def test_an_older_snapshot_of_the_site_itself_is_followed_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "EVERY", 1)
    site = make_site(tmp_path / "home")
    with site.oracle() as oracle:
        store = oracle.gateway.desk.record.store
    with store.reading() as tx:
        old = tx.ledger.snapshot()
    assert old is not None
    with site.oracle() as oracle:
        oracle.gateway.desk.record.write(refusal)
    with store.transaction() as tx:
        tx.ledger.put_snapshot(*old)
    with site.oracle() as oracle:
        assert oracle.gateway.desk.record.tail.size > old[0]
