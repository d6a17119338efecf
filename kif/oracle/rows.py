"""Rows that follow from the log: brought up to its state in the group that changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import (
    Connection,
    Executable,
    LargeBinary,
    Text,
    Update,
    bindparam,
    cast,
    delete,
    func,
    select,
    update,
)

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.keyref import KeyRef
from kif.formats.purpose import ENVELOPE_RECIPIENT, SITE_CA
from kif.formats.state import JobState
from kif.formats.text import for_the_record
from kif.ledger.batch import Batch as Known
from kif.ledger.binding import BoundRecord, BoundScript, sealed_digest
from kif.ledger.events.card import CardSuspect, ClaimWithdrawn
from kif.ledger.keys import KeyEntry
from kif.ledger.state import State
from kif.oracle.group import Step
from kif.oracle.messages import BatchView, JobRef, JobView
from kif.oracle.views import THIS_CARD, VIEW, batch_view, not_there, place_of, seen
from kif.store.models import Batch, CardJob, KeyRecord, Site
from kif.store.statement import Row, Statement

_AT_ONCE = 1000
_JOB: Any = CardJob.__table__
# The statements that each card needs are built once.
_SCRIPT = Statement(select(func.coalesce(cast(_JOB.c.script, LargeBinary), b"")).where(THIS_CARD))
_RECORD = Statement(
    select(
        func.coalesce(cast(_JOB.c.record, LargeBinary), b""),
        func.coalesce(cast(_JOB.c.record_digest, LargeBinary), b""),
    ).where(THIS_CARD)
)
_PSEUDONYM = Statement(select(_JOB.c.pseudonym).where(THIS_CARD))
_SEED = Statement(select(Batch.seed).where(Batch.id == bindparam("this_batch")))


def record_of(connection: Connection, job: JobRef) -> bytes:
    """Return a card's sealed record, which is the one whose digest stands beside it."""
    record, digest = _row_of(_RECORD, connection, job)
    if sealed_digest(record) != digest:
        raise not_bound(job, "record")
    return bytes(record)


def pseudonym_of(connection: Connection, job: JobRef) -> str:
    """Return the pseudonym of a card's subject."""
    (pseudonym,) = _row_of(_PSEUDONYM, connection, job)
    return str(pseudonym)


def bound_records(connection: Connection, batch: str) -> list[BoundRecord]:
    """Return what the record root of a batch is over, as the table has it."""
    wanted = select(
        CardJob.number,
        cast(CardJob.display, Text),
        cast(CardJob.pseudonym, Text),
        cast(CardJob.valid_until, Text),
        func.coalesce(cast(CardJob.record_digest, LargeBinary), b""),
    )
    rows = connection.execute(wanted.where(CardJob.batch_id == batch).order_by(CardJob.number))
    return [BoundRecord(*row) for row in rows]


def bound_scripts(connection: Connection, batch: str) -> list[BoundScript]:
    """Return what the script root of a batch is over, as the table has it."""
    wanted = select(CardJob.number, cast(CardJob.script_digest, LargeBinary))
    of_batch = (CardJob.batch_id == batch) & CardJob.script_digest.is_not(None)
    return [
        BoundScript(*row)
        for row in connection.execute(wanted.where(of_batch).order_by(CardJob.number))
    ]


def seed_of(connection: Connection, batch: str) -> bytes | None:
    """Return the seed of a batch's data key; None once it is erased."""
    rows = _SEED.run(connection, {"this_batch": batch})
    return rows[0][0] if rows else None


def not_bound(job: JobRef, what: str) -> CheckFailed:
    """Return the refusal of card data that is not what the log binds."""
    return CheckFailed(
        Control.DATA_AT_REST,
        f"The {what} of {job} is not the one that the log binds. Nothing was made of it.",
    )


def mark_suspect(step: Step, job: JobRef, control: Control, sentence: str) -> JobView:
    """Declare a card suspect within a work."""
    reason = for_the_record(sentence)
    step.record(CardSuspect(step.by, job.batch, job.number, control, reason))
    return moved(step, job, station=None, reason=f"{reason} [{control.value}]")


def take_back(step: Step, job: JobRef, control: Control, sentence: str) -> None:
    """Take a card off the line: ready again while nothing had left for it, else suspect."""
    if step.state.batches.open_jobs(job.batch).state(job.number) is JobState.CLAIMED:
        withdraw(step, job)
    else:
        mark_suspect(step, job, control, sentence)


def withdraw(step: Step, job: JobRef) -> JobView:
    """Give a job back for which nothing had left: it is ready again."""
    step.record(ClaimWithdrawn(step.by, job.batch, job.number))
    return moved(step, job, station=None)


def moved(step: Step, job: JobRef, **more: Any) -> JobView:
    """Bring a card's row up to the state of the log; return the view of it."""
    state = step.state.batches.open_jobs(job.batch).state(job.number)
    changed = {"state": state, **more}
    return seen(_row_of(_move_and_see(*sorted(changed)), step.connection, job, changed))


def move_all(step: Step, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Change these columns of many cards: a ``place_of`` and new values each."""
    write_all(step, _move(*columns), rows)


def write_all(step: Step, statement: Executable, rows: Iterable[dict[str, Any]]) -> None:
    """Run a statement over many rows, without a copy of them all."""
    coming = iter(rows)
    while some := list(islice(coming, _AT_ONCE)):
        step.connection.execute(statement, some)


@cache
def _move(*columns: str) -> Update:
    """Return the statement that changes these columns of a card; built once."""
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    return update(_JOB).where(THIS_CARD).values(**values)


@cache
def _move_and_see(*columns: str) -> Statement:
    """Return the same statement, which gives the card's view."""
    return Statement(_move(*columns).returning(*VIEW))


def moved_batch(step: Step, batch: str) -> BatchView:
    """Bring a batch's row up to the state of the log; return the view of it."""
    known = step.state.batches.require(batch)
    values = {"state": known.state, "profile": known.profile, "scripts": known.scripts}
    step.session.execute(update(Batch).where(Batch.id == batch).values(**values))
    return batch_view(step.session, batch)


def _row_of(
    statement: Statement,
    connection: Connection,
    job: JobRef,
    values: Mapping[str, Any] | None = None,
) -> Row:
    """Return the row of a card that a statement gives. Raises ``BadInput`` when there is none."""
    rows = statement.run(connection, {**place_of(job), **(values or {})})
    if not rows:
        raise not_there(job)
    return rows[0]


def script_of(connection: Connection, job: JobRef) -> bytes:
    """Return a card's sealed script, empty when it has none."""
    (script,) = _row_of(_SCRIPT, connection, job)
    return bytes(script)


def batch_values(place: int, batch: Known) -> dict[str, Any]:
    """Return what the row of a batch says, as far as the log has it; ``place`` from 1."""
    return {
        "id": batch.id,
        "place": place,
        "issuer": batch.issuer,
        "product": batch.product,
        "count": batch.count,
        "state": batch.state,
        "records": batch.records,
        "profile": batch.profile,
        "scripts": batch.scripts,
        "retention": batch.retention,
    }


def site_values(state: State) -> dict[str, Any]:
    """Return what the row of the site says, as the log has it; all but the log's first key."""
    return {
        "name": state.genesis.site,
        "ca_certificate": state.genesis.certificate(SITE_CA),
        "recipient_certificate": state.genesis.certificate(ENVELOPE_RECIPIENT),
        "plan_digest": state.genesis.plan,
    }


def move_site(step: Step) -> None:
    """Bring the row of the site up to the state of the log."""
    step.session.execute(update(Site).values(**site_values(step.state)))


def key_values(key: KeyRef, entry: KeyEntry) -> dict[str, Any]:
    """Return what the row of a key says, as the log has it."""
    return {
        "key": str(key),
        "usage": entry.usage,
        "algorithm": entry.algorithm,
        "kcv": entry.kcv,
        "state": entry.state.value,
    }


def key_row(state: State, key: KeyRef) -> KeyRecord:
    """Return the row of a key, as the log has it."""
    return KeyRecord(**key_values(key, state.keys.require(key)))


def move_keys(step: Step, keys: Iterable[KeyRef]) -> None:
    """Bring the rows of keys up to the state of the log."""
    for key in keys:
        state = step.state.keys.require(key).state.value
        this = KeyRecord.key == str(key)
        step.session.execute(update(KeyRecord).where(this).values(state=state))


def forget_keys(step: Step, keys: Iterable[KeyRef]) -> None:
    """Take the rows of keys out that an interrupted step had made."""
    for key in keys:
        step.session.execute(delete(KeyRecord).where(KeyRecord.key == str(key)))
