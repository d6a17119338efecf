"""Statements that the driver runs itself give what SQLAlchemy gives, and fail as it fails."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from kif.formats.error import CheckFailed, LedgerUnavailable
from kif.formats.state import JobState
from kif.store.engine import Store, make_store
from kif.store.models import CardJob, Issuer
from kif.store.statement import Statement
from tests.store.test_engine import add_batch

SEEN = (CardJob.number, CardJob.state, CardJob.valid_until, CardJob.script)
READ = select(*SEEN).where(CardJob.batch_id == bindparam("batch"), CardJob.station.is_(None))
MOVE = (
    update(CardJob)
    .where(CardJob.number == bindparam("this"))
    .values(state=bindparam("state"), valid_until=bindparam("until"), script=b"")
    .returning(*SEEN)
)
NEW = insert(Issuer).values(name=bindparam("name"), certificate="SECRET")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = make_store(tmp_path / "db")
    add_batch(store)
    return store


def test_values_and_rows_are_of_the_columns_types(store: Store) -> None:
    with store.transaction() as tx:
        values = {"this": 1, "state": JobState.GOOD, "until": date(2031, 2, 3)}
        assert Statement(MOVE).run(tx.connection, values) == [
            (1, JobState.GOOD, date(2031, 2, 3), b"")
        ]
    with store.reading() as tx:
        rows = Statement(READ).run(tx.connection, {"batch": "b"})
        assert rows == list(map(tuple, tx.connection.execute(READ, {"batch": "b"})))
        assert rows[0][1] is JobState.GOOD
        assert Statement(READ).run(tx.connection, {"batch": "none"}) == []


def test_a_state_that_is_none_is_refused_both_ways(store: Store) -> None:
    with pytest.raises(ValueError, match="hope"), store.transaction() as tx:
        Statement(MOVE).run(tx.connection, {"this": 1, "state": "hope", "until": date(2031, 2, 3)})
    with store.transaction() as tx:
        tx.session.execute(text("UPDATE card_job SET state = 'hope'"))
    with pytest.raises(CheckFailed, match="state 'hope', which is none"), store.reading() as tx:
        Statement(READ).run(tx.connection, {"batch": "b"})


def test_it_runs_for_each_of_many_values_or_for_none_of_them(store: Store) -> None:
    names = [{"name": name} for name in ("one", "two", "one")]
    with store.transaction() as tx:
        Statement(NEW).run_for_each(tx.connection, names[:2])
    with pytest.raises(IntegrityError), store.transaction() as tx:
        Statement(NEW).run_for_each(tx.connection, [{"name": "three"}, *names[2:]])
    with store.reading() as tx:
        assert set(tx.session.scalars(select(Issuer.name))) == {"i", "one", "two"}


def test_what_fails_says_no_value(store: Store) -> None:
    with pytest.raises(IntegrityError) as broken, store.transaction() as tx:
        Statement(NEW).run(tx.connection, {"name": "i"})
    assert "UNIQUE constraint failed" in str(broken.value)
    assert "SECRET" not in str(broken.value)
    with pytest.raises(LedgerUnavailable, match="no such table") as gone, store.transaction() as tx:
        tx.session.execute(text("DROP TABLE card_job"))
        Statement(READ).run(tx.connection, {"batch": "b"})
    assert isinstance(gone.value.__cause__, OperationalError)


def test_a_value_that_is_missing_is_no_null(store: Store) -> None:
    with pytest.raises(KeyError), store.transaction() as tx:
        Statement(MOVE).run(tx.connection, {"this": 1, "state": JobState.GOOD})


def test_a_database_that_another_process_holds_is_a_sentence(store: Store) -> None:
    with (
        store.transaction(),
        pytest.raises(LedgerUnavailable, match="locked"),
        Store(store.engine).transaction() as tx,
    ):
        tx.flush()
