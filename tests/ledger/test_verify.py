"""A log that was altered in any way does not verify, and the place is named."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed, LedgerUnavailable
from kif.ledger.event import Boundary, Event, Kind
from kif.ledger.note import sign_checkpoint
from kif.ledger.verify import LogReport, verify_log
from kif.store.engine import Store, open_store
from tests.ledger.history import SoftwareSigner, closed, event, flat, made, new_log, received

SIGNER = SoftwareSigner()
GROUPS = [
    [received(3)],
    made(1),
    flat(made(2), event(Kind.CARD_SUSPECT, batch="b", number=3)),
    [Event(Kind.BATCH_DISPATCHED, "x", Boundary.HSM, {"batch": "b"}, {"only": "the issuer"})],
    [closed(2, 1, 0)],
]


def filled(path: Path, groups: list[list[Event]]) -> Store:
    store, log = open_store(path), new_log(SIGNER)
    store.migrate()
    for group in groups:
        with store.transaction() as tx:
            log.append(tx.ledger, group)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A log of a whole batch."""
    return filled(tmp_path / "db", GROUPS)


def verified(store: Store) -> LogReport:
    with store.reading() as tx:
        return verify_log(tx.ledger, SIGNER.verifier)


def alter(store: Store, change: Callable[[Session], object]) -> None:
    """Change the ledger behind its back: without the triggers."""
    with store.transaction() as tx:
        names = tx.session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for (name,) in list(names):
            tx.session.execute(text(f"DROP TRIGGER {name}"))
        change(tx.session)


def sql(statement: str) -> Callable[[Session], object]:
    return lambda session: session.execute(text(statement))


def test_a_log_as_it_was_written_verifies(store: Store) -> None:
    report = verified(store)
    assert (report.size, report.checkpoints) == (10, 5)
    assert len(report.batches["b"].good) == 2
    assert report.last.size == 10


def swap(session: Session) -> None:
    for old, new in ((3, -1), (4, 3), (-1, 4)):
        move = text('UPDATE ledger_entry SET "index" = :new WHERE "index" = :old')
        session.execute(move, {"new": new, "old": old})


ALTERED: dict[str, tuple[Callable[[Session], object], str]] = {
    "an entry removed": (sql('DELETE FROM ledger_entry WHERE "index" = 4'), "stands at place 4"),
    "the last entry removed": (sql('DELETE FROM ledger_entry WHERE "index" = 9'), "size 10"),
    "two entries swapped": (swap, "stands at place"),
    "an entry doubled": (
        sql('INSERT INTO ledger_entry SELECT 10, leaf FROM ledger_entry WHERE "index" = 9'),
        "Entry 9 stands at place 10",
    ),
    "the last checkpoint removed": (
        sql("DELETE FROM ledger_checkpoint WHERE size = 10"),
        "only 9 are signed",
    ),
    "a checkpoint moved": (sql("UPDATE ledger_checkpoint SET size = 5 WHERE size = 4"), "size 5"),
    "all checkpoints removed": (sql("DELETE FROM ledger_checkpoint"), "only 0 are signed"),
    "a payload changed": (sql("UPDATE ledger_payload SET payload = x'00'"), "payload of entry 8"),
    "a salt changed": (sql("UPDATE ledger_payload SET salt = x'00'"), "payload of entry 8"),
}


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("case", ALTERED)
def test_an_altered_log_is_found(store: Store, case: str) -> None:
    change, words = ALTERED[case]
    alter(store, change)
    with pytest.raises(CheckFailed, match=words):
        verified(store)


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("index", [0, 5, 9])
def test_any_byte_of_an_entry_that_is_flipped_is_found(store: Store, index: int) -> None:
    with store.reading() as tx:
        leaf = list(tx.ledger.leaves())[index]
    for place in range(len(leaf)):
        put_leaf(store, index, leaf[:place] + bytes((leaf[place] ^ 1,)) + leaf[place + 1 :])
        with pytest.raises(CheckFailed):
            verified(store)
    put_leaf(store, index, leaf)
    verified(store)


def put_leaf(store: Store, index: int, leaf: bytes) -> None:
    put = text('UPDATE ledger_entry SET leaf = :leaf WHERE "index" = :index')
    alter(store, lambda session: session.execute(put, {"leaf": leaf, "index": index}))


def put_note(store: Store, note: str) -> None:
    put = text("UPDATE ledger_checkpoint SET note = :note WHERE size = 10")
    alter(store, lambda session: session.execute(put, {"note": note}))


def test_any_byte_of_a_checkpoint_that_is_flipped_is_found(store: Store) -> None:
    with store.reading() as tx:
        (_, note) = list(tx.ledger.checkpoints())[-1]
    for place in range(len(note)):
        put_note(store, note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :])
        with pytest.raises(CheckFailed):
            verified(store)


@pytest.mark.control("KIF-LOG-02")
def test_a_log_that_somebody_else_signed_again_is_found(store: Store) -> None:
    other = SoftwareSigner()
    forged = sign_checkpoint(other, 10, verified(store).root).note
    put_note(store, forged)
    with pytest.raises(CheckFailed, match="of size 10"):
        verified(store)


def test_an_erased_payload_does_not_break_the_log(store: Store) -> None:
    alter(store, sql("DELETE FROM ledger_payload"))
    assert verified(store).size == 10


UNBALANCED = {
    "a batch twice": (flat(received(1), received(1)), "a second time"),
    "a batch that never came": (made(1), "never received"),
    "a job twice": (flat(received(1), made(1), made(1, serial="other")), "same card job twice"),
    "a chip twice": (
        flat(received(2), made(1, serial="chip"), made(2, serial="chip")),
        "chip chip twice",
    ),
    "done without leave": (flat(received(1), made(1)[1:]), "nobody authorised"),
    "done twice": (flat(received(1), made(1)[:2], made(1)[1]), "ends an injection twice"),
    "passed without being made": (flat(received(1), made(1)[2]), "was not made"),
    "passed twice": (flat(received(1), made(1), made(1)[2]), "the same card twice"),
    "passed and suspect": (
        flat(received(1), made(1), event(Kind.CARD_SUSPECT, batch="b", number=1)),
        "is settled",
    ),
    "a card too many": (flat(received(1), made(2)), "names card 2"),
    "a wrong count at the end": (flat(received(1), made(1), closed(0, 1, 0)), "they are"),
    "a card lost at the end": (flat(received(2), made(1), closed(1, 0, 0)), "1 of 2 cards"),
}


@pytest.mark.control("KIF-LOG-03")
@pytest.mark.parametrize("case", UNBALANCED)
def test_a_history_that_does_not_balance_is_found(tmp_path: Path, case: str) -> None:
    events, words = UNBALANCED[case]
    with pytest.raises(CheckFailed, match=words) as failed:
        verified(filled(tmp_path / "db", [events]))
    assert failed.value.control is Control.LEDGER_RUN_BALANCE


class BrokenSigner(SoftwareSigner):
    """An HSM that is gone."""

    def sign(self, message: bytes) -> bytes:
        raise DeviceFailed(Control.TOKEN_PRESENT, "The HSM is gone.")


@pytest.mark.control("KIF-LOG-01")
def test_nothing_is_written_that_can_not_be_signed(store: Store) -> None:
    log = new_log(BrokenSigner())
    with (
        pytest.raises(LedgerUnavailable, match="can't be continued") as refused,
        store.transaction() as tx,
    ):
        log.append(tx.ledger, [received(1, "other")])
    assert refused.value.exit_code == 5
    assert verified(store).size == 10
