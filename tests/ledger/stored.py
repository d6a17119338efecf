"""A log in a real database, and the ways in which somebody alters it behind its back."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from kif.ledger.event import Boundary, Event, Kind
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


def put_leaf(session: Session, index: int, leaf: bytes) -> None:
    """Put other bytes in an entry's place."""
    put = text('UPDATE ledger_entry SET leaf = :leaf WHERE "index" = :index')
    session.execute(put, {"leaf": leaf, "index": index})


def put_last(session: Session, column: str, value: str | bytes) -> None:
    """Put something else in a column of the last checkpoint."""
    last = "(SELECT max(size) FROM ledger_checkpoint)"
    put = text(f"UPDATE ledger_checkpoint SET {column} = :value WHERE size = {last}")  # noqa: S608
    session.execute(put, {"value": value})


def cut_back(session: Session, size: int) -> None:
    """Take everything away that came after a checkpoint."""
    for statement in (
        f'DELETE FROM ledger_payload WHERE "index" >= {size}',  # noqa: S608
        f'DELETE FROM ledger_entry WHERE "index" >= {size}',  # noqa: S608
        f"DELETE FROM ledger_checkpoint WHERE size > {size}",  # noqa: S608
    ):
        session.execute(text(statement))
