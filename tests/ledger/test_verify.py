"""A log that was altered in any way does not verify, and the place is named."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from kif.formats.control import Control
from kif.formats.error import CheckFailed, KifError
from kif.ledger.event import Kind, encode
from kif.ledger.merkle import Frontier
from kif.ledger.note import sign_checkpoint
from kif.store.engine import Store, open_store
from tests.ledger.history import START, SoftwareSigner, closed, event, made, received
from tests.ledger.stored import (
    GROUPS,
    SIGNER,
    alter,
    cut_back,
    filled,
    put_last,
    put_leaf,
    sql,
    verified,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A log of a whole batch."""
    return filled(tmp_path / "db", GROUPS)


def test_a_log_as_it_was_written_verifies(store: Store) -> None:
    report = verified(store)
    assert (report.size, report.checkpoints) == (10, 5)
    assert len(report.batches["b"].good) == 2
    assert (report.last.size, report.last.root) == (10, report.root)


def test_a_log_that_was_never_signed_does_not_verify(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db")
    store.migrate()
    with pytest.raises(CheckFailed, match="0 entries, but only 0 are signed"):
        verified(store)


def swap(session: Session) -> None:
    for old, new in ((3, -1), (4, 3), (-1, 4)):
        move = text('UPDATE ledger_entry SET "index" = :new WHERE "index" = :old')
        session.execute(move, {"new": new, "old": old})


def swap_and_number_again(session: Session) -> None:
    """Swap two entries and give each the other's index: the tree alone can tell."""
    leaves = [leaf for (leaf,) in session.execute(text("SELECT leaf FROM ledger_entry"))]
    put_leaf(session, 6, leaves[7].replace(b'"index":7', b'"index":6'))
    put_leaf(session, 7, leaves[6].replace(b'"index":6', b'"index":7'))


def another_entry(session: Session) -> None:
    """Put a canonical entry, of the right place and time, where another stood."""
    other = event(Kind.CARD_PRINTED, batch="b", number=2)
    put_leaf(session, 7, encode(other, 7, START + timedelta(seconds=3), None))


def drop_the_end(session: Session) -> None:
    """Drop the entries from 7 on, and leave their checkpoints."""
    session.execute(text("DELETE FROM ledger_payload"))
    session.execute(text('DELETE FROM ledger_entry WHERE "index" >= 7'))


def sign_by_another(session: Session) -> None:
    frontier = Frontier()
    for (leaf,) in session.execute(text('SELECT leaf FROM ledger_entry ORDER BY "index"')):
        frontier = frontier.append(leaf)
    forged = sign_checkpoint(SoftwareSigner(), frontier.size, frontier.root())
    put_last(session, "note", forged.note)


def sign_another_size(session: Session) -> None:
    put_last(session, "note", sign_checkpoint(SIGNER, 9, bytes(32)).note)


ALTERED: dict[str, tuple[Callable[[Session], object], str]] = {
    "the first entry removed": (
        sql('DELETE FROM ledger_entry WHERE "index" = 0'),
        "Entry 1 stands at place 0",
    ),
    "an entry removed": (
        sql('DELETE FROM ledger_entry WHERE "index" = 4'),
        "Entry 5 stands at place 4",
    ),
    "the last entry removed": (sql('DELETE FROM ledger_entry WHERE "index" = 9'), "of size 10"),
    "two entries swapped": (swap, "Entry 4 stands at place 3"),
    "two entries swapped and numbered again": (swap_and_number_again, "checkpoint of size 8"),
    "another entry in its place": (another_entry, "checkpoint of size 8"),
    "an entry doubled": (
        sql('INSERT INTO ledger_entry SELECT 10, leaf FROM ledger_entry WHERE "index" = 9'),
        "Entry 9 stands at place 10",
    ),
    "an entry emptied": (sql("UPDATE ledger_entry SET leaf = x''"), "Entry 0 can't be read"),
    "an entry that is a number": (sql("UPDATE ledger_entry SET leaf = 7"), "Entry 0 can't be"),
    "an entry that is text": (sql("UPDATE ledger_entry SET leaf = 'x'"), "Entry 0 can't be read"),
    "the last checkpoint removed": (
        sql("DELETE FROM ledger_checkpoint WHERE size = 10"),
        "10 entries, but only 9 are signed",
    ),
    "the last entries removed": (drop_the_end, "checkpoint of size 8, but only 7 entries"),
    "a checkpoint moved": (sql("UPDATE ledger_checkpoint SET size = 5 WHERE size = 4"), "size 5"),
    "a checkpoint at nothing": (
        sql("UPDATE ledger_checkpoint SET size = 0 WHERE size = 1"),
        "checkpoint of size 0",
    ),
    "a checkpoint beyond the end": (
        sql("UPDATE ledger_checkpoint SET size = 11 WHERE size = 10"),
        "checkpoint of size 11",
    ),
    "a checkpoint in another's place": (
        sql(
            "UPDATE ledger_checkpoint SET note = "
            "(SELECT note FROM ledger_checkpoint WHERE size = 8) WHERE size = 9"
        ),
        "checkpoint of size 9",
    ),
    "a checkpoint that is a number": (sql("UPDATE ledger_checkpoint SET note = 7"), "checkpoint"),
    "a checkpoint that is bytes": (
        sql("UPDATE ledger_checkpoint SET note = CAST(note AS BLOB) || x'00'"),
        "checkpoint",
    ),
    "a checkpoint signed with another key": (sign_by_another, "checkpoint of size 10 is not one"),
    "a checkpoint signed for another size": (sign_another_size, "checkpoint of size 10"),
    "all checkpoints removed": (sql("DELETE FROM ledger_checkpoint"), "only 0 are signed"),
    "a payload changed": (sql("UPDATE ledger_payload SET payload = x'00'"), "payload of entry 8"),
    "a payload that is text": (sql("UPDATE ledger_payload SET payload = 'x'"), "of entry 8"),
    "a salt changed": (sql("UPDATE ledger_payload SET salt = x'00'"), "payload of entry 8"),
    "a salt that is a number": (sql("UPDATE ledger_payload SET salt = 32"), "payload of entry 8"),
}


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("case", ALTERED)
def test_an_altered_log_is_found(store: Store, case: str) -> None:
    change, words = ALTERED[case]
    alter(store, change)
    with pytest.raises(CheckFailed, match=words) as failed:
        verified(store)
    assert (failed.value.control, failed.value.exit_code) == (Control.LEDGER_INTACT, 1)


@pytest.mark.control("KIF-LOG-02")
def test_any_byte_of_any_entry_that_is_flipped_is_found(tmp_path: Path) -> None:
    store = filled(tmp_path / "db", [[received(1)], made(1), [closed(1, 0, 0)]])
    with store.reading() as tx:
        leaves = list(tx.ledger.leaves())
    for index, leaf in enumerate(leaves):
        for place in range(len(leaf)):
            flipped = leaf[:place] + bytes((leaf[place] ^ 1,)) + leaf[place + 1 :]
            alter(store, partial(put_leaf, index=index, leaf=flipped))
            with pytest.raises(CheckFailed, match=r"Entry \d|checkpoint of size \d"):
                verified(store)
        alter(store, partial(put_leaf, index=index, leaf=leaf))
    assert verified(store).size == 5


@pytest.mark.control("KIF-LOG-02")
def test_any_byte_of_a_checkpoint_that_is_flipped_is_found(store: Store) -> None:
    with store.reading() as tx:
        (_, note) = list(tx.ledger.checkpoints())[-1]
    for place in range(len(note)):
        flipped = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
        alter(store, partial(put_last, column="note", value=flipped))
        with pytest.raises(CheckFailed, match=r"checkpoint (of|without a) size"):
            verified(store)
    alter(store, partial(put_last, column="note", value=note))
    assert verified(store).size == 10


@pytest.mark.control("KIF-LOG-02")
def test_damage_anywhere_in_the_file_is_found_or_touches_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path / "db", GROUPS)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    store.close()
    whole, root = (tmp_path / "db").read_bytes(), verified(store).root
    found = 0
    for place in range(0, len(whole), 120):
        damaged = whole[:place] + bytes(each ^ 0xFF for each in whole[place : place + 8])
        (tmp_path / f"db{place}").write_bytes(damaged + whole[place + 8 :])
        hurt = open_store(tmp_path / f"db{place}")
        try:
            assert verified(hurt).root == root
        except KifError:
            found += 1
        hurt.close()
    assert found > 20


def test_an_erased_payload_does_not_break_the_log(store: Store) -> None:
    alter(store, sql("DELETE FROM ledger_payload"))
    assert verified(store).size == 10


def test_an_entry_earlier_than_the_one_before_is_found(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db")
    store.migrate()
    frontier = Frontier()
    with store.transaction() as tx:
        for index, seconds in enumerate((5, 4)):
            time = START + timedelta(seconds=seconds)
            leaf = encode(event(Kind.DEVIATION), index, time, None)
            tx.ledger.add(index, leaf)
            frontier = frontier.append(leaf)
        signed = sign_checkpoint(SIGNER, 2, frontier.root())
        tx.ledger.add_checkpoint(2, signed.note, frontier.encode())
    with pytest.raises(CheckFailed, match="Entry 1 is earlier"):
        verified(store)


@pytest.mark.parametrize("size", [1, 4, 8, 9])
def test_a_log_cut_back_to_an_earlier_checkpoint_verifies_by_itself(
    store: Store, size: int
) -> None:
    """The limit that docs/formats/ledger.md states: only someone who remembers can tell."""
    alter(store, partial(cut_back, size=size))
    assert verified(store).size == size
