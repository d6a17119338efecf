"""Appending: signed before it counts, and only to the end that this log's key signed."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from kif.formats.control import Control
from kif.formats.error import DeviceFailed, LedgerUnavailable
from kif.ledger.event import Boundary, Entry, Event, Kind, commitment
from kif.ledger.log import Log
from kif.ledger.merkle import Frontier
from kif.ledger.note import open_checkpoint, sign_checkpoint
from kif.ledger.verify import verify_log
from kif.store.engine import Store, open_store
from kif.store.ledger import LedgerTables
from tests.ledger.history import START, Clock, SoftwareSigner, event, made, new_log, received
from tests.ledger.stored import GROUPS, SIGNER, alter, filled, put_last, sql, verified

LATER = START + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A log of a whole batch."""
    return filled(tmp_path / "db", GROUPS)


def later_log(signer: SoftwareSigner = SIGNER, time: datetime = LATER) -> Log:
    return Log(signer, lambda: time, lambda size: bytes(size))


def append(store: Store, log: Log, events: list[Event]) -> None:
    with store.transaction() as tx:
        log.append(tx.ledger, events)


def kept(store: Store) -> tuple[list[bytes], list[tuple[int, str]]]:
    with store.reading() as tx:
        return list(tx.ledger.leaves()), list(tx.ledger.checkpoints())


def test_each_group_has_one_checkpoint_over_all_that_went_before(store: Store) -> None:
    leaves, checkpoints = kept(store)
    frontier, roots = Frontier(), {}
    for leaf in leaves:
        frontier = frontier.append(leaf)
        roots[frontier.size] = frontier.root()
    assert [size for size, _ in checkpoints] == [1, 4, 8, 9, 10]
    for size, note in checkpoints:
        assert open_checkpoint(note, SIGNER.verifier).root == roots[size]


def test_the_entries_of_a_group_have_one_time_and_their_places(store: Store) -> None:
    entries = [Entry.decode(leaf) for leaf in kept(store)[0]]
    assert [entry.index for entry in entries] == list(range(10))
    assert len({entry.time for entry in entries}) == len(GROUPS)


def test_what_is_disclosed_to_one_stands_behind_a_commitment(store: Store) -> None:
    with store.reading() as tx:
        leaf, hidden = tx.ledger.leaf(8), tx.ledger.payload(8)
    assert leaf is not None
    assert hidden == (b"\x5a" * 32, b'{"only":"the issuer"}')
    assert Entry.decode(leaf).commit == commitment(*hidden)
    assert b"issuer" not in leaf


def test_a_log_goes_on_after_the_database_was_closed(store: Store, tmp_path: Path) -> None:
    store.close()
    again = open_store(tmp_path / "db")
    append(again, later_log(), [received(1, "c")])
    assert verified(again).size == 11


class BrokenSigner(SoftwareSigner):
    """An HSM that is gone."""

    def sign(self, message: bytes) -> bytes:
        raise DeviceFailed(Control.TOKEN_PRESENT, "The HSM is gone.")


@pytest.mark.control("KIF-LOG-01")
def test_nothing_is_written_that_can_not_be_signed(tmp_path: Path) -> None:
    signer = BrokenSigner()
    store = open_store(tmp_path / "db")
    store.migrate()
    hidden = Event(Kind.BATCH_DISPATCHED, "x", Boundary.HSM, {"batch": "b"}, {"a": 1})
    with pytest.raises(LedgerUnavailable, match=r"so nothing was done: The HSM is gone") as refused:
        append(store, new_log(signer), [received(1), hidden])
    assert refused.value.exit_code == 5
    assert kept(store) == ([], [])
    with store.reading() as tx:
        assert tx.ledger.payload(1) is None


@pytest.mark.control("KIF-LOG-01")
def test_what_else_the_transaction_did_is_undone_with_it(store: Store) -> None:
    before = kept(store)
    with pytest.raises(LedgerUnavailable), store.transaction() as tx:
        later_log().append(tx.ledger, [received(1, "c")])
        later_log(time=START - timedelta(hours=1)).append(tx.ledger, made(1, batch="c"))
    assert kept(store) == before


@pytest.mark.control("KIF-LOG-01")
def test_a_clock_that_went_back_stops_the_log_and_does_not_spoil_it(store: Store) -> None:
    with pytest.raises(LedgerUnavailable, match="The clock is behind the ledger's last entry"):
        append(store, later_log(time=START - timedelta(hours=1)), [received(1, "c")])
    append(store, later_log(), [received(1, "c")])
    assert verified(store).size == 11


def test_a_clock_that_was_set_back_by_seconds_is_waited_out(store: Store) -> None:
    append(store, later_log(time=START), [received(1, "c")])
    assert verified(store).size == 11


def test_a_clock_that_stands_still_is_not_behind(store: Store) -> None:
    for batch in ("c", "d"):
        append(store, later_log(), [received(1, batch)])
    assert verified(store).size == 12


def another_history(session: Session) -> None:
    """Replace the whole log by another of its length, with everything but the signature."""
    for table in ("ledger_payload", "ledger_checkpoint", "ledger_entry"):
        sql(f"DELETE FROM {table}")(session)  # noqa: S608
    forger = SoftwareSigner(SIGNER.name, Ed25519PrivateKey.generate())
    Log(forger, Clock(), bytes).append(LedgerTables(session), [received(1), *made(1)])


def another_frontier(session: Session) -> None:
    """Leave the signed note, and put the frontier of another tree beside it."""
    put_last(session, "frontier", Frontier(10, (bytes(32), bytes(32))).encode())


def another_size(session: Session) -> None:
    put_last(session, "frontier", Frontier().encode())


def an_older_note(session: Session) -> None:
    """Put a note that the key did sign beside a frontier that it did not."""
    put_last(session, "note", sign_checkpoint(SIGNER, 9, bytes(32)).note)


NOT_THE_END: dict[str, tuple[Callable[[Session], object], str]] = {
    "another history": (another_history, "not one that this log's key signed"),
    "another frontier": (another_frontier, "frontier beside the checkpoint of size 10"),
    "another size": (another_size, "frontier beside the checkpoint of size 10"),
    "another note": (an_older_note, "frontier beside the checkpoint of size 9"),
    "a damaged frontier": (
        sql("UPDATE ledger_checkpoint SET frontier = x'00'"),
        "frontier beside the checkpoint of size 10",
    ),
    "no last entry": (sql('DELETE FROM ledger_entry WHERE "index" = 9'), "can't be continued"),
}


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("case", NOT_THE_END)
def test_a_log_is_only_continued_where_its_key_signed_that_it_ends(store: Store, case: str) -> None:
    change, words = NOT_THE_END[case]
    alter(store, change)
    before = kept(store)
    with pytest.raises(LedgerUnavailable, match=words):
        append(store, later_log(), [received(1, "c")])
    assert kept(store) == before


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kif.ledger.log import Log
from kif.store.engine import open_store
from tests.ledger.history import SoftwareSigner, received
signer = SoftwareSigner(key=Ed25519PrivateKey.from_private_bytes(bytes(32)))
log = Log(signer, lambda: datetime.now(UTC), bytes)
store = open_store(Path(sys.argv[1]))
for number in range(20):
    with store.transaction() as tx:
        log.append(tx.ledger, [received(1, f"{sys.argv[2]}-{number}")])
"""


def test_two_processes_append_to_one_log(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db")
    store.migrate()
    root = Path(__file__).parents[2]
    commands = [
        [sys.executable, "-c", WRITER, str(tmp_path / "db"), name] for name in ("one", "two")
    ]
    running = [subprocess.Popen(command, cwd=root) for command in commands]
    assert [process.wait() for process in running] == [0, 0]
    signer = SoftwareSigner(key=Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with store.reading() as tx:
        report = verify_log(tx.ledger, signer.verifier)
    assert (report.size, report.checkpoints, len(report.batches)) == (40, 40, 40)


def test_a_clock_without_its_offset_is_no_clock(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db")
    store.migrate()
    naive = datetime.now(UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="without its offset"):
        append(store, later_log(time=naive), [event(Kind.DEVIATION)])
    assert kept(store) == ([], [])
