"""A log in a real database, and the ways in which somebody alters it behind its back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from kif.ledger.event import Boundary, Event, commitment, committed_payload
from kif.ledger.events.ceremony import CeremonyClosed
from kif.ledger.note import sign_checkpoint
from kif.ledger.tail import Tail
from kif.ledger.verify import LogReport, verify_log
from kif.store.engine import Store, make_store
from kif.store.ledger import LedgerTables
from tests.ledger.history import (
    BY,
    OPERATORS,
    SIGNER,
    STATION,
    Clock,
    SoftwareSigner,
    approval,
    attested,
    closed,
    dispatched,
    enrolment,
    flat,
    genesis,
    key_ceremony,
    made,
    opened,
    prepared,
    received,
    registered,
    running_for,
    suspect,
)

SALT = b"\x5a" * 32
GENESIS = len(genesis())
Group = Iterable[Event] | Callable[[Tail], Iterable[Event]]


def approvals(tail: Tail) -> list[Event]:
    from kif.ledger.events.batch import BatchReleased
    from tests.ledger.history import B

    given = [approval(tail.state, person) for person in OPERATORS]
    return [*given, BatchReleased(B, 3)]


def rest_of_ceremony(tail: Tail) -> list[Event]:
    """Return the ceremony from its components on, whose end is signed as it is then."""
    return [
        *key_ceremony()[7:11],
        *attested(running_for(), tail.state.head),
        CeremonyClosed(BY, "vendor-keys"),
    ]


GROUPS: list[Group] = [
    genesis(),
    [opened(), *key_ceremony()[:7]],
    rest_of_ceremony,
    lambda tail: enrolment(STATION, head=tail.state.head),
    [registered(), received(3)],
    [prepared()],
    approvals,
    made(1),
    flat(made(2), suspect(3)),
    [dispatched(2)],
    [closed(2, 1, 0)],
]
_CEREMONY, _ENROLMENT = len(key_ceremony()), len(enrolment(STATION))
SIZES = [
    GENESIS,
    GENESIS + 8,
    GENESIS + _CEREMONY + 1,
    *(GENESIS + _CEREMONY + _ENROLMENT + each for each in (1, 3, 4, 7, 12, 18, 19, 20)),
]
"""Where the checkpoints of these groups stand."""
SUSPECT = GENESIS + _CEREMONY + _ENROLMENT + 17
"""The index of the entry about the suspect card, which has a payload."""


def write_group(
    ledger: LedgerTables, tail: Tail, group: Group, clock: Clock, signer: SoftwareSigner = SIGNER
) -> None:
    """Append a group to the log of an open transaction, and sign it."""
    for event in group(tail) if callable(group) else group:
        payload = committed_payload(event)
        commit = None if payload is None else commitment(SALT, payload)
        entry = tail.propose(event, clock(), commit, Boundary.HSM)
        hidden = [] if payload is None else [(entry.index, SALT, payload)]
        ledger.add([(entry.index, tail.last_leaf)], hidden)
    checkpoint = sign_checkpoint(signer, tail.size, tail.frontier.root())
    ledger.add_checkpoint(tail.size, checkpoint.note)
    tail.close_group(checkpoint)


def filled(path: Path, groups: Iterable[Group]) -> Store:
    """Return a database with a log in it."""
    store, tail, clock = make_store(path), Tail.of(SIGNER.verifier), Clock()
    for group in groups:
        with store.transaction() as tx:
            write_group(tx.ledger, tail, group, clock)
    return store


def checked(store: Store) -> LogReport:
    """Verify the log of a database."""
    with store.reading() as tx:
        return verify_log(tx.ledger, SIGNER.verifier)


def alter(store: Store, change: Callable[[Session], object]) -> None:
    """Change the ledger behind its back: without the triggers."""
    with store.transaction() as tx:
        drop_triggers(tx.session)
        change(tx.session)


def drop_triggers(session: Session) -> None:
    names = session.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
    for (name,) in list(names):
        session.execute(text(f"DROP TRIGGER {name}"))


def sql(statement: str) -> Callable[[Session], object]:
    return lambda session: session.execute(text(statement))


def put_leaf(session: Session, index: int, leaf: bytes) -> None:
    """Put other bytes in an entry's place."""
    put = text('UPDATE ledger_entry SET leaf = :leaf WHERE "index" = :index')
    session.execute(put, {"leaf": leaf, "index": index})


def put_last(session: Session, note: str) -> None:
    """Put something else in the place of the last checkpoint."""
    last = "(SELECT max(size) FROM ledger_checkpoint)"
    put = text(f"UPDATE ledger_checkpoint SET note = :note WHERE size = {last}")
    session.execute(put, {"note": note})


def cut_back(session: Session, size: int) -> None:
    """Take everything away that came after a checkpoint."""
    for statement in (
        f'DELETE FROM ledger_payload WHERE "index" >= {size}',
        f'DELETE FROM ledger_entry WHERE "index" >= {size}',
        f"DELETE FROM ledger_checkpoint WHERE size > {size}",
    ):
        session.execute(text(statement))
