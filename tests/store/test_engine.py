"""The database: durable, append-only where it has to be, and honest when it can't write."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, StatementError

from kif.formats.error import CheckFailed, LedgerUnavailable, Refused
from kif.formats.state import BatchState, JobState
from kif.store.engine import Store, make_store, open_store
from kif.store.models import Batch, CardJob, Issuer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A new database."""
    return make_store(tmp_path / "db")


def add_batch(store: Store, batch: str = "b") -> None:
    with store.transaction() as tx:
        if tx.session.get(Issuer, "i") is None:
            tx.session.add(Issuer(name="i", certificate="c"))
            tx.session.flush()
        tx.session.add(
            Batch(
                id=batch,
                issuer="i",
                place=1,
                file_reference=batch,
                product="p",
                count=1,
                state=BatchState.RECEIVED,
                records="",
                profile="",
                scripts="",
                retention="i/retention/1",
                seed=b"s",
            )
        )
        tx.session.flush()
        tx.session.add(
            CardJob(
                batch_id=batch,
                number=1,
                display="1",
                pseudonym="p",
                valid_until=date(2030, 1, 1),
                state=JobState.RECEIVED,
                record=b"",
                record_digest=b"",
            )
        )


def test_states_come_back_as_what_they_are(store: Store) -> None:
    add_batch(store)
    with store.reading() as tx:
        batch = tx.session.scalars(select(Batch)).one()
        assert batch.state is BatchState.RECEIVED
        assert tx.session.scalars(select(CardJob)).one().state is JobState.RECEIVED


def test_a_state_that_does_not_exist_is_refused(store: Store) -> None:
    add_batch(store)
    with pytest.raises(StatementError), store.transaction() as tx:
        tx.session.execute(text("SELECT 1"))
        tx.session.scalars(select(CardJob)).one().state = "hope"  # type: ignore[assignment]


@pytest.mark.control("KIF-LOG-04")
def test_a_state_that_somebody_wrote_is_a_sentence(store: Store) -> None:
    add_batch(store)
    with store.transaction() as tx:
        tx.session.execute(text("UPDATE card_job SET state = 'hope'"))
    with pytest.raises(CheckFailed, match="state 'hope', which is none"), store.reading() as tx:
        tx.session.scalars(select(CardJob)).one()


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyError), store.transaction() as tx:
        tx.session.add(Issuer(name="i", certificate="c"))
        tx.session.flush()
        raise KeyError
    with store.reading() as tx:
        assert tx.session.scalars(select(Issuer)).first() is None


def test_a_reference_that_points_nowhere_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError), store.transaction() as tx:
        tx.session.execute(text("INSERT INTO approval VALUES ('no', 'one', 'x')"))


def test_it_is_as_durable_as_sqlite_can_be(store: Store) -> None:
    with store.reading() as tx:
        modes = [
            tx.session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert modes == ["wal", 2, 1]


@pytest.mark.control("KIF-LOG-01")
@pytest.mark.parametrize("table", ["ledger_entry", "ledger_checkpoint"])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {} SET rowid = 7",
        "DELETE FROM {}",
        "REPLACE INTO {0} SELECT * FROM {0}",
        "UPDATE OR REPLACE {} SET rowid = 7",
    ],
)
def test_the_ledger_is_append_only(store: Store, table: str, change: str) -> None:
    with store.transaction() as tx:
        tx.ledger.add([(0, b"leaf")])
        tx.ledger.add_checkpoint(1, "note")
    with pytest.raises(IntegrityError, match="append-only"), store.transaction() as tx:
        tx.session.execute(text(change.format(table)))
    with store.reading() as tx:
        assert list(tx.ledger.leaves()) == [b"leaf"]
        assert list(tx.ledger.checkpoints()) == [(1, "note")]


@pytest.mark.control("KIF-LOG-01")
def test_a_database_that_is_full_is_a_sentence_and_nothing_is_done(store: Store) -> None:
    with store.reading() as tx:
        pages = tx.session.execute(text("PRAGMA page_count")).scalar_one()
    with (
        pytest.raises(LedgerUnavailable, match="can't be written") as full,
        store.transaction() as tx,
    ):
        tx.session.execute(text(f"PRAGMA max_page_count = {pages}"))
        tx.ledger.add([(0, bytes(100_000))])
        tx.session.flush()
    assert full.value.exit_code == 5
    with store.reading() as tx:
        assert list(tx.ledger.leaves()) == []


@pytest.mark.control("KIF-LOG-01")
def test_a_database_that_is_read_only_is_a_sentence(store: Store) -> None:
    with (
        pytest.raises(LedgerUnavailable, match=r"readonly database.*so nothing was done"),
        store.transaction() as tx,
    ):
        tx.session.execute(text("PRAGMA query_only = ON"))
        tx.ledger.add([(0, b"leaf")])
        tx.session.flush()


NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from kif.formats.error import CheckFailed, LedgerUnavailable, Refused
from kif.store.engine import open_store
from kif.store.models import Issuer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    with open_store(Path(sys.argv[1])).transaction() as tx:
        tx.session.add(Issuer(name="i", certificate="c"))
        tx.ledger.add([(0, bytes(200_000))])
        tx.session.flush()
        print("all that is left is to commit")
except LedgerUnavailable as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.control("KIF-LOG-01")
def test_a_commit_that_the_disk_refuses_is_a_sentence_and_nothing_is_done(
    store: Store, tmp_path: Path
) -> None:
    """The operating system itself refuses the write, when everything else is done."""
    store.close()
    command = [sys.executable, "-c", NO_ROOM, str(tmp_path / "db")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 5, result.stderr
    assert result.stdout.startswith("all that is left is to commit\nThe database can't be written")
    with store.reading() as tx:
        assert tx.session.scalars(select(Issuer)).first() is None
        assert list(tx.ledger.leaves()) == []
    add_batch(store)


WRITER = """
import sys
from pathlib import Path
from kif.store.engine import open_store
from kif.store.models import Issuer
store = open_store(Path(sys.argv[1]))
for number in range(25):
    with store.transaction() as tx:
        tx.session.add(Issuer(name=f"{sys.argv[2]}-{number}", certificate="c"))
"""


def test_two_processes_write_at_once_and_lose_nothing(store: Store, tmp_path: Path) -> None:
    commands = [
        [sys.executable, "-c", WRITER, str(tmp_path / "db"), name] for name in ("one", "two")
    ]
    running = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [process.wait() for process in running] == [0, 0]
    with store.reading() as tx:
        assert len(list(tx.session.scalars(select(Issuer)))) == 50


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"not a database, whatever it is called" * 100)
    with pytest.raises(LedgerUnavailable, match=r"can't be read.*not a database"):
        open_store(tmp_path / "db")
    with pytest.raises(LedgerUnavailable, match=r"can't be written.*not a database"):
        make_store(tmp_path / "db")


def test_a_schema_that_is_damaged_is_a_sentence(store: Store, tmp_path: Path) -> None:
    store.close()
    whole = (tmp_path / "db").read_bytes()
    unreadable = whole.replace(b"CREATE TABLE", b"\xba" * 12).replace(b"alembic", b"\xba" * 7)
    (tmp_path / "db").write_bytes(unreadable)
    with pytest.raises(LedgerUnavailable, match="schema is damaged"), store.reading() as tx:
        list(tx.ledger.leaves())
    with pytest.raises(LedgerUnavailable, match="schema is damaged"):
        add_batch(store)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="unable to open"):
        make_store(tmp_path / "no" / "db")


@pytest.mark.control("KIF-CER-05")
@pytest.mark.parametrize("content", [None, b""])
def test_a_database_that_is_missing_or_empty_is_not_made_anew(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused, match=r"no database at|database is empty"):
        open_store(path)
    assert path.exists() == (content is not None)


@pytest.mark.control("KIF-CER-05")
@pytest.mark.parametrize(("version", "words"), [("0001", "made by kif 0.1.0"), ("9", "version of")])
def test_a_database_of_another_version_is_not_touched(
    store: Store, tmp_path: Path, version: str, words: str
) -> None:
    with store.transaction() as tx:
        tx.session.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))
    with pytest.raises(Refused, match=words):
        open_store(tmp_path / "db")


def test_a_name_that_means_something_in_an_address_is_a_name(tmp_path: Path) -> None:
    make_store(tmp_path / "what?mode=ro#1").close()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith("#1")]
