"""A log that was altered in any way does not verify, and the place is named."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, KifError
from kif.formats.state import BatchState
from kif.ledger.event import Entry
from kif.ledger.merkle import Frontier
from kif.ledger.note import open_checkpoint, sign_checkpoint
from kif.ledger.tail import Tail
from kif.ledger.verify import verify_log
from kif.store.engine import Store, make_store, open_store
from tests.ledger.history import (
    SIGNER,
    STATION,
    B,
    Clock,
    SoftwareSigner,
    enrolment,
    genesis,
    key_ceremony,
    made,
    opened,
)
from tests.ledger.stored import (
    GENESIS,
    GROUPS,
    SIZES,
    SUSPECT,
    alter,
    checked,
    cut_back,
    filled,
    put_last,
    put_leaf,
    sql,
    write_group,
)

LAST = SIZES[-1]
AFTER = GENESIS + len(key_ceremony()) + len(enrolment(STATION))
"""The first entry after the genesis and the key ceremony, but for the opening."""
RECEIVED = AFTER + 2
"""The first entry that has a payload."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A log of a whole batch."""
    return filled(tmp_path / "db", GROUPS)


def test_a_log_as_it_was_written_verifies(store: Store) -> None:
    report = checked(store)
    assert (report.size, report.checkpoints) == (LAST, len(GROUPS))
    assert report.state.batches.known[B].state is BatchState.CLOSED
    assert (report.last.size, report.last.root) == (LAST, report.root)
    with store.reading() as tx:
        assert [size for size, _ in tx.ledger.checkpoints()] == SIZES


def test_what_is_committed_is_shown_to_whoever_verifies(store: Store) -> None:
    seen: list[Entry] = []
    with store.reading() as tx:
        verify_log(tx.ledger, SIGNER.verifier, seen.append)
    assert [entry.index for entry in seen] == list(range(LAST))
    assert "It fell on the floor." in repr(seen[SUSPECT].event)


@pytest.mark.parametrize("verifier", ["", "nonsense", "a+b+c", "cut"])
def test_what_is_no_verifier_key_is_bad_input(store: Store, verifier: str) -> None:
    with store.reading() as tx, pytest.raises(BadInput, match="not a log's verifier key"):
        verify_log(tx.ledger, SIGNER.verifier[:-4] if verifier == "cut" else verifier)


def test_a_log_that_was_never_begun_does_not_verify(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="has no entries"):
        checked(make_store(tmp_path / "db"))


def leaf_at(session: Session, index: int) -> bytes:
    wanted = text('SELECT leaf FROM ledger_entry WHERE "index" = :index')
    return bytes(session.execute(wanted, {"index": index}).scalar_one())


def renumbered(leaf: bytes, old: int, new: int) -> bytes:
    changed = leaf.replace(b'"index":%d' % old, b'"index":%d' % new)
    assert changed != leaf
    return changed


def swap_and_number_again(session: Session) -> None:
    """Swap two approvals, which could stand either way: the tree alone can tell."""
    first, second = AFTER + 4, AFTER + 5
    one, two = leaf_at(session, first), leaf_at(session, second)
    times = [canonical.decode(leaf)["time"].encode() for leaf in (one, two)]
    put_leaf(session, first, renumbered(two, second, first).replace(times[1], times[0]))
    put_leaf(session, second, renumbered(one, first, second).replace(times[0], times[1]))


def another_entry(session: Session) -> None:
    """Put an entry that the rules admit where another stood."""
    index = AFTER + 1
    leaf = leaf_at(session, index)
    put_leaf(session, index, leaf.replace(b'"issuer":"bank"', b'"issuer":"bonk"'))


def drop_the_end(session: Session) -> None:
    """Drop the last entries, and leave their checkpoints."""
    session.execute(text("DELETE FROM ledger_payload"))
    session.execute(text(f'DELETE FROM ledger_entry WHERE "index" >= {LAST - 2}'))


def sign_by_another(session: Session) -> None:
    frontier = Frontier()
    for (leaf,) in session.execute(text('SELECT leaf FROM ledger_entry ORDER BY "index"')):
        frontier = frontier.append(leaf)
    forged = sign_checkpoint(SoftwareSigner(), frontier.size, frontier.root())
    put_last(session, forged.note)


def forge_an_entry(session: Session) -> None:
    """Append an entry that the rules would admit, which nobody signed."""
    leaf = renumbered(leaf_at(session, GENESIS), GENESIS, LAST)
    leaf = leaf.replace(b'"group":1,', b'"group":%d,' % len(GROUPS))
    leaf = leaf.replace(b"2026-01-01T00:00:", b"2026-01-02T00:00:")
    put = text('INSERT INTO ledger_entry ("index", leaf) VALUES (:index, :leaf)')
    session.execute(put, {"index": LAST, "leaf": leaf})


CHECKPOINT = "DELETE FROM ledger_checkpoint WHERE size = "

ALTERED: dict[str, tuple[Callable[[Session], object], str]] = {
    "the first entry removed": (
        sql('DELETE FROM ledger_entry WHERE "index" = 0'),
        "Entry 1 stands at place 0",
    ),
    "an entry removed": (
        sql('DELETE FROM ledger_entry WHERE "index" = 4'),
        "Entry 5 stands at place 4",
    ),
    "the last entry removed": (
        sql(f'DELETE FROM ledger_entry WHERE "index" = {LAST - 1}'),
        f"of size {LAST}, but only {LAST - 1} entries",
    ),
    "two entries swapped and numbered again": (swap_and_number_again, "checkpoint of size"),
    "another entry in its place": (another_entry, "checkpoint of size|is not one that may stand"),
    "an entry doubled": (
        sql(
            f"INSERT INTO ledger_entry SELECT {LAST}, leaf FROM ledger_entry "
            f'WHERE "index" = {LAST - 1}'
        ),
        "more entries than its last checkpoint covers",
    ),
    "an entry forged at the end": (forge_an_entry, "more entries than its last checkpoint covers"),
    "an entry emptied": (sql("UPDATE ledger_entry SET leaf = x''"), "Entry 0 can't be read"),
    "an entry that is a number": (sql("UPDATE ledger_entry SET leaf = 7"), "Entry 0 can't be"),
    "an entry that is text": (sql("UPDATE ledger_entry SET leaf = 'x'"), "Entry 0 can't be read"),
    "the last checkpoint removed": (
        sql(f"{CHECKPOINT}{LAST}"),
        "more entries than its last checkpoint covers",
    ),
    "a middle checkpoint removed": (
        sql(f"{CHECKPOINT}{SIZES[3]}"),
        f"checkpoint of size {SIZES[3]} is missing: it covers the entries from {SIZES[2]} to",
    ),
    "the first checkpoint removed": (
        sql(f"{CHECKPOINT}{SIZES[0]}"),
        f"checkpoint of size {SIZES[0]} is missing: it covers the entries from 0 to",
    ),
    "the last entries removed": (drop_the_end, f"of size {LAST - 1}, but only {LAST - 2} entries"),
    "a checkpoint moved": (
        sql(f"UPDATE ledger_checkpoint SET size = {SIZES[5] + 1} WHERE size = {SIZES[5]}"),
        f"checkpoint of size {SIZES[5]} is missing",
    ),
    "a checkpoint at nothing": (
        sql(f"UPDATE ledger_checkpoint SET size = 0 WHERE size = {SIZES[0]}"),
        f"checkpoint of size {SIZES[0]} is missing",
    ),
    "a checkpoint beyond the end": (
        sql(f"UPDATE ledger_checkpoint SET size = {LAST + 1} WHERE size = {LAST}"),
        f"checkpoint of size {LAST + 1}, but only {LAST}",
    ),
    "a checkpoint in another's place": (
        sql(
            "UPDATE ledger_checkpoint SET note = "
            f"(SELECT note FROM ledger_checkpoint WHERE size = {SIZES[1]}) WHERE size = {LAST}"
        ),
        f"checkpoint of size {SIZES[1]} was signed over other entries",
    ),
    "a checkpoint that is a number": (sql("UPDATE ledger_checkpoint SET note = 7"), "checkpoint"),
    "a checkpoint that is bytes": (
        sql("UPDATE ledger_checkpoint SET note = CAST(note AS BLOB) || x'00'"),
        "checkpoint",
    ),
    "a checkpoint signed with another key": (
        sign_by_another,
        f"checkpoint of size {LAST} is not one",
    ),
    "a checkpoint signed for another size": (
        lambda session: put_last(session, sign_checkpoint(SIGNER, 9, bytes(32)).note),
        "checkpoint of size 9 was signed over other entries",
    ),
    "all checkpoints removed": (sql("DELETE FROM ledger_checkpoint"), "0 checkpoints end"),
    "a payload changed": (
        sql("UPDATE ledger_payload SET payload = x'00'"),
        f"payload of entry {RECEIVED}",
    ),
    "a payload that is text": (
        sql("UPDATE ledger_payload SET payload = 'x'"),
        f"payload of entry {RECEIVED}",
    ),
    "a salt changed": (sql("UPDATE ledger_payload SET salt = x'00'"), f"entry {RECEIVED}"),
    "a salt that is a number": (sql("UPDATE ledger_payload SET salt = 32"), f"entry {RECEIVED}"),
    "a payload of no entry": (
        sql("INSERT INTO ledger_payload (\"index\", salt, payload) VALUES (0, 'a', 'b')"),
        "payload of entry 0",
    ),
}


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("case", ALTERED)
def test_an_altered_log_is_found(store: Store, case: str) -> None:
    change, words = ALTERED[case]
    alter(store, change)
    with pytest.raises(CheckFailed, match=words) as failed:
        checked(store)
    assert failed.value.exit_code == 1
    assert failed.value.control in (Control.LEDGER_INTACT, Control.LEDGER_RULES)


@pytest.mark.control("KIF-LOG-02")
def test_any_byte_of_the_last_entries_that_is_flipped_is_found(store: Store) -> None:
    with store.reading() as tx:
        leaves = dict(enumerate(tx.ledger.leaves()))
    for index in (GENESIS, SUSPECT, LAST - 1):
        leaf = leaves[index]
        for place in range(0, len(leaf), 3):
            flipped = leaf[:place] + bytes((leaf[place] ^ 1,)) + leaf[place + 1 :]
            alter(store, partial(put_leaf, index=index, leaf=flipped))
            with pytest.raises(CheckFailed, match=r"Entry \d|entry \d|checkpoint of size \d"):
                checked(store)
        alter(store, partial(put_leaf, index=index, leaf=leaf))
    assert checked(store).size == LAST


@pytest.mark.control("KIF-LOG-02")
def test_any_byte_of_a_checkpoint_that_is_flipped_is_found(store: Store) -> None:
    with store.reading() as tx:
        (_, note) = list(tx.ledger.checkpoints())[-1]
    for place in range(len(note)):
        flipped = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
        alter(store, partial(put_last, note=flipped))
        with pytest.raises(CheckFailed, match=r"checkpoint (of|without a) size"):
            checked(store)
    alter(store, partial(put_last, note=note))
    assert checked(store).size == LAST


@pytest.mark.control("KIF-LOG-02")
def test_damage_anywhere_in_the_file_is_found_or_touches_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path / "db", GROUPS)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    store.close()
    whole, root = (tmp_path / "db").read_bytes(), checked(store).root
    found = 0
    for place in range(0, len(whole), 720):
        damaged = whole[:place] + bytes(each ^ 0xFF for each in whole[place : place + 8])
        (tmp_path / f"db{place}").write_bytes(damaged + whole[place + 8 :])
        try:
            with closing(open_store(tmp_path / f"db{place}")) as hurt:
                assert checked(hurt).root == root
        except KifError:
            found += 1
    assert found > 20


def test_an_erased_payload_does_not_break_the_log(store: Store) -> None:
    alter(store, sql("DELETE FROM ledger_payload"))
    assert checked(store).size == LAST


@pytest.mark.control("KIF-LOG-03")
def test_an_entry_that_the_rules_refuse_is_found_whoever_signed_it(tmp_path: Path) -> None:
    """The log's own key signs a history that the state machine would never have admitted."""
    store = filled(tmp_path / "db", GROUPS[:5])
    with store.transaction() as tx:
        tail = Tail.of(SIGNER.verifier)
        for leaf, size in zip(tx.ledger.leaves(), range(10_000), strict=False):
            tail.follow(leaf)
            notes = dict(tx.ledger.checkpoints())
            if size + 1 in notes:
                tail.close_group(open_checkpoint(notes[size + 1], SIGNER.verifier))
        tail.state.admit = lambda event, time: None  # type: ignore[method-assign]
        write_group(tx.ledger, tail, made(1), Clock(tail.state.time or Clock().time))
    with pytest.raises(
        CheckFailed, match=r"may stand here.*cards are made of a released"
    ) as failed:
        checked(store)
    assert failed.value.control is Control.LEDGER_RULES
    assert failed.value.sentence.startswith(f"Entry {SIZES[4]} (job-claimed)")


def test_a_log_begins_with_a_genesis(tmp_path: Path) -> None:
    with pytest.raises(KifError, match="genesis is not closed"):
        filled(tmp_path / "db", [[opened()]])


@pytest.mark.parametrize("size", SIZES)
def test_a_log_cut_back_to_an_earlier_checkpoint_verifies_by_itself(
    store: Store, size: int
) -> None:
    """The limit that docs/formats/ledger.md states: only someone who remembers can tell."""
    alter(store, partial(cut_back, size=size))
    assert checked(store).size == size
    assert len(genesis()) == GENESIS
