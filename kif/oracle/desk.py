"""What every desk of the oracle works with: the keys, the record, and card data at rest.

Nothing is decided on a row. A desk asks the state that follows from the log, records what it does,
and brings the rows up to date in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from sqlalchemy import LargeBinary, Text, Update, bindparam, cast, func, select, update
from sqlalchemy.orm import Session

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, DeviceFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.state import BatchState, JobState
from kif.formats.text import for_the_record
from kif.hsm import data
from kif.hsm.cmac import CmacMaster
from kif.hsm.key import Key
from kif.ledger.batch import Batch as Known
from kif.ledger.binding import BoundRecord, BoundScript, root_over, sealed_digest
from kif.ledger.events.card import CardSuspect
from kif.ledger.keys import KeyEntry
from kif.ledger.state import State
from kif.oracle.group import Step
from kif.oracle.interface import BatchView, JobRef, JobView
from kif.oracle.keys import KeyRing
from kif.oracle.record import Record
from kif.store.models import Approval, Batch, CardJob, KeyRecord

_GONE = frozenset({Control.KEY_FOUND, Control.DATA_AT_REST})


@dataclass(frozen=True)
class Desk:
    """The oracle's common ground."""

    keys: KeyRing
    record: Record
    _scripts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Digests of the sealed scripts of a batch, once they were compared with its root."""

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        with self.record.reading() as (_, tx):
            return batch_view(tx.session, batch)

    def jobs(self, batch: str) -> list[JobView]:
        """Return the cards of a batch, in their order."""
        with self.record.reading() as (_, tx):
            return job_views(tx.session, batch)

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare a card suspect: it is never tried again."""
        return self.record.write(lambda step: mark_suspect(step, job, control, sentence))

    def script(self, job: JobRef, turn: JobState) -> Secret:
        """Return the clear script (JSON) of a card that stands in this state; no other gets it."""
        with self.record.reading() as (state, tx):
            return self.script_at(state, tx.session, job, turn)

    def script_at(self, state: State, session: Session, job: JobRef, turn: JobState) -> Secret:
        """Do the same at a state. Raises ``CheckFailed``: DATA_AT_REST for this card's data alone.

        1. It is this stage's turn; 2. the batch's scripts are those that were released; 3. the
        sealed script is the one among them; 4. it opens.
        """
        now = state.batches.open_jobs(job.batch).state(job.number)
        if now is not turn:
            raise Refused(
                Control.JOB_STATE,
                f"{job} is {now.value}; its data is given out here only while it is {turn.value}.",
            )
        bound = self._bound_scripts(session, state.batches.require(job.batch))
        sealed = script_of(session, job)
        if sealed_digest(sealed) != bound.get(job.number):
            raise _not_bound(job, "script")
        return self.reveal(state, session, job, sealed, "script")

    def master(self, batch: str, key: KeyRef) -> Key:
        """Return a master that the batch was released with. Raises ``Refused`` for any other."""
        with self.record.reading() as (state, _):
            return self.keys.master(key, _released_with(state, batch, key))

    def cmac_master(self, batch: str, key: KeyRef) -> CmacMaster:
        """Return a vendor's card manager key that the batch was released with."""
        with self.record.reading() as (state, _):
            return self.keys.cmac_master(key, _released_with(state, batch, key))

    def protect(self, step: Step, job: JobRef, clear: Secret, what: str) -> bytes:
        """Encrypt card data for rest, bound to its card and to what it is."""
        key = self._batch_key(step.state, step.session, job.batch)
        return data.protect(self.keys.token, key, clear, context(job, what))

    def reveal(
        self, state: State, session: Session, job: JobRef, sealed: bytes, what: str
    ) -> Secret:
        """Decrypt card data. Raises ``CheckFailed`` (DATA_AT_REST) when it does not open."""
        try:
            key = self._batch_key(state, session, job.batch)
            return data.reveal(key, sealed, context(job, what))
        except DeviceFailed as exc:
            if exc.control not in _GONE:
                raise
            raise CheckFailed(
                Control.DATA_AT_REST,
                f"The {what} of {job} can't be opened: {exc.sentence}",
            ) from exc

    def _batch_key(self, state: State, session: Session, batch: str) -> Key:
        """Return the data key of a batch, whose row has the seed that the log names."""
        known = state.batches.require(batch)
        seed = session.connection().execute(_SEED, {"this_batch": batch}).scalar()
        if known.state is BatchState.ERASED:
            raise CheckFailed(Control.DATA_AT_REST, f"Batch {batch} was erased.")
        if seed is None or sealed_digest(seed).hex() != known.seed:
            raise CheckFailed(
                Control.DATA_AT_REST,
                f"The seed of batch {batch}'s data key is not the one in the log.",
            )
        return self.keys.batch(batch, KeyRef.parse(known.retention), seed)

    def _bound_scripts(self, session: Session, batch: Known) -> dict[int, bytes]:
        """Return the digests of a batch's scripts, which give the root that was released."""
        if batch.id not in self._scripts:
            bound = bound_scripts(session, batch.id)
            if root_over(bound) != batch.scripts:
                raise CheckFailed(
                    Control.LEDGER_TABLES,
                    f"The scripts of batch {batch.id} are not those that were prepared and "
                    "released: their root differs. No card is made of them; restore the database "
                    "from a backup.",
                )
            self._scripts[batch.id] = {each.number: each.digest for each in bound}
        return self._scripts[batch.id]


def _released_with(state: State, batch: str, key: KeyRef) -> KeyEntry:
    """Return a key that is active, and in the statement that two people signed for the batch."""
    kcv = dict(state.batches.require(batch).keys).get(str(key))
    if kcv is None:
        raise Refused(
            Control.KEY_STATE, f"Batch {batch} was not released with {key}; nothing was derived."
        )
    state.keys.require_active(key, kcv)
    return state.keys.require(key)


def context(job: JobRef, what: str) -> bytes:
    """Return what sealed data of a card is bound to."""
    return f"{job.batch}/{job.number}/{what}".encode()


def _not_bound(job: JobRef, what: str) -> CheckFailed:
    return CheckFailed(
        Control.DATA_AT_REST,
        f"The {what} of {job} is not the one that the log binds. Nothing was made of it.",
    )


def record_of(session: Session, job: JobRef) -> bytes:
    """Return a card's sealed record, which is the one whose digest stands beside it."""
    record, digest = _sealed_record(session, job)
    if sealed_digest(record) != digest:
        raise _not_bound(job, "record")
    return record


def bound_records(session: Session, batch: str) -> list[BoundRecord]:
    """Return what the record root of a batch is over, as the table has it."""
    wanted = select(
        CardJob.number,
        cast(CardJob.display, Text),
        cast(CardJob.pseudonym, Text),
        cast(CardJob.valid_until, Text),
        func.coalesce(cast(CardJob.record_digest, LargeBinary), b""),
    )
    rows = session.execute(wanted.where(CardJob.batch_id == batch).order_by(CardJob.number))
    return [BoundRecord(*row) for row in rows]


def bound_scripts(session: Session, batch: str) -> list[BoundScript]:
    """Return what the script root of a batch is over, as the table has it."""
    wanted = select(CardJob.number, cast(CardJob.script_digest, LargeBinary))
    of_batch = (CardJob.batch_id == batch) & CardJob.script_digest.is_not(None)
    return [
        BoundScript(*row)
        for row in session.execute(wanted.where(of_batch).order_by(CardJob.number))
    ]


def mark_suspect(step: Step, job: JobRef, control: Control, sentence: str) -> JobView:
    """Declare a card suspect within a work."""
    reason = for_the_record(sentence)
    step.record(CardSuspect(step.by, job.batch, job.number, control, reason))
    return moved(step, job, station=None, reason=f"{reason} [{control.value}]")


def moved(step: Step, job: JobRef, **more: Any) -> JobView:
    """Bring a card's row up to the state of the log; return the view of it."""
    state = step.state.batches.open_jobs(job.batch).state(job.number)
    changed = {"state": state, **more}
    step.session.connection().execute(_move(*sorted(changed)), {**_key(job), **changed})
    return job_view(step.session, job)


@cache
def _move(*columns: str) -> Update:
    """Return the statement that changes these columns of a card; built once."""
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    return update(_JOB).where(_THIS).values(**values)


def moved_batch(step: Step, batch: str) -> BatchView:
    """Bring a batch's row up to the state of the log; return the view of it."""
    known = step.state.batches.require(batch)
    values = {"state": known.state, "profile": known.profile, "scripts": known.scripts}
    step.session.execute(update(Batch).where(Batch.id == batch).values(**values))
    return batch_view(step.session, batch)


def _sealed_record(session: Session, job: JobRef) -> tuple[bytes, bytes]:
    """Return a card's sealed record and the digest beside it."""
    row = session.connection().execute(_RECORD, _key(job)).first()
    if row is None:
        raise _not_there(job)
    return row[0], row[1]


def script_of(session: Session, job: JobRef) -> bytes:
    """Return a card's sealed script, empty when it has none."""
    row = session.connection().execute(_SCRIPT, _key(job)).first()
    if row is None:
        raise _not_there(job)
    return bytes(row[0])


def _key(job: JobRef) -> dict[str, Any]:
    return {"this_batch": job.batch, "this_number": job.number}


def _not_there(job: JobRef) -> BadInput:
    return BadInput(Control.JOB_STATE, f"{job} is not there.")


def batch_view(session: Session, batch: str) -> BatchView:
    """Return what anyone may see of a batch, as the tables have it. Raises ``BadInput``."""
    row = session.get(Batch, batch, populate_existing=True)
    if row is None:
        raise BadInput(
            Control.BATCH_STATE, f"There is no batch {batch}. 'kif batch status' lists them."
        )
    people = select(Approval.person).where(Approval.batch_id == batch).order_by(Approval.person)
    jobs = select(CardJob.state, func.count()).where(CardJob.batch_id == batch)
    counted = session.execute(jobs.group_by(CardJob.state).order_by(CardJob.state))
    return BatchView(
        row.id,
        row.issuer,
        row.file_reference,
        row.product,
        row.count,
        row.state,
        tuple(session.scalars(people)),
        {found[0]: found[1] for found in counted},
    )


def batch_views(session: Session) -> list[BatchView]:
    """Return every batch, oldest first."""
    ids = list(session.scalars(select(Batch.id).order_by(Batch.place)))
    return list(map(partial(batch_view, session), ids))


_VIEW = (
    CardJob.batch_id,
    CardJob.number,
    CardJob.display,
    CardJob.pseudonym,
    CardJob.state,
    CardJob.card_serial,
    CardJob.reason,
)

_JOB: Any = CardJob.__table__
# What every card is looked up and moved by is built once.
_THIS = (_JOB.c.batch_id == bindparam("this_batch")) & (_JOB.c.number == bindparam("this_number"))
_CARD = select(*(_JOB.c[column.key] for column in _VIEW)).where(_THIS)
_SCRIPT = select(func.coalesce(cast(_JOB.c.script, LargeBinary), b"")).where(_THIS)
_RECORD = select(
    func.coalesce(cast(_JOB.c.record, LargeBinary), b""),
    func.coalesce(cast(_JOB.c.record_digest, LargeBinary), b""),
).where(_THIS)
_SEED = select(Batch.__table__.c.seed).where(Batch.__table__.c.id == bindparam("this_batch"))


def job_views(session: Session, batch: str) -> list[JobView]:
    """Return the cards of a batch, in their order. Raises ``BadInput`` when there is no batch."""
    batch_view(session, batch)
    wanted = select(*_VIEW).where(CardJob.batch_id == batch).order_by(CardJob.number)
    return [_view(row) for row in session.execute(wanted)]


def job_view(session: Session, job: JobRef) -> JobView:
    """Return what anyone may see of a card job. Raises ``BadInput`` when there is none."""
    row = session.connection().execute(_CARD, _key(job)).first()
    if row is None:
        raise _not_there(job)
    return _view(row)


def _view(row: Any) -> JobView:
    return JobView(
        JobRef(row.batch_id, row.number),
        row.batch_id,
        row.number,
        row.display,
        row.pseudonym,
        row.state,
        row.card_serial,
        row.reason,
    )


def key_row(state: State, key: KeyRef) -> KeyRecord:
    """Return the row of a key, as the log has it."""
    entry = state.keys.require(key)
    return KeyRecord(
        key=str(key),
        usage=entry.usage,
        algorithm=entry.algorithm,
        kcv=entry.kcv,
        state=entry.state.value,
    )


def move_keys(step: Step, keys: Iterable[KeyRef]) -> None:
    """Bring the rows of keys up to the state of the log."""
    for key in keys:
        state = step.state.keys.require(key).state.value
        this = KeyRecord.key == str(key)
        step.session.execute(update(KeyRecord).where(this).values(state=state))
