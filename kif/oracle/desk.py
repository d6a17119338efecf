"""What every desk of the oracle works with: keys, database, log; and the steps of a card job."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret
from kif.hsm import data
from kif.ledger.event import Boundary, Event, Kind
from kif.ledger.log import Log
from kif.oracle.interface import BatchView, JobView
from kif.oracle.keys import SiteKeys
from kif.store.engine import Store, Transaction
from kif.store.models import Approval, Batch, CardJob
from kif.store.state import BATCH_STEPS, JOB_STEPS, BatchState, JobState

ORACLE = "oracle"


@dataclass(frozen=True)
class Desk:
    """The oracle's common ground."""

    keys: SiteKeys
    store: Store
    log: Log

    def record(self, tx: Transaction, *events: Event) -> None:
        """Append events, and sign the checkpoint over them, in the caller's transaction."""
        self.log.append(tx.ledger, events)

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        with self.store.reading() as tx:
            return batch_view(tx, batch_row(tx, batch))

    def jobs(self, batch: str) -> list[JobView]:
        """Return the cards of a batch, in their order."""
        with self.store.reading() as tx:
            batch_row(tx, batch)
            return [job_view(row) for row in job_rows(tx, batch)]

    def suspect(self, job: int, control: str, sentence: str) -> JobView:
        """Declare a card suspect: it is never tried again."""
        with self.store.transaction() as tx:
            row = job_row(tx, job)
            self.mark_suspect(tx, row, control, sentence)
            return job_view(row)

    def mark_suspect(self, tx: Transaction, row: CardJob, control: str, sentence: str) -> None:
        """Do the same within a transaction."""
        step(row, JobState.SUSPECT)
        row.reason = f"{sentence} [{control}]"
        reason: dict[str, str | int] = {"control": control, "reason": sentence}
        self.record(tx, job_event(Kind.CARD_SUSPECT, row, Boundary.HSM, **reason))

    def script(self, job: int) -> Secret:
        """Return the clear script (JSON) of a card that is being made."""
        with self.store.reading() as tx:
            row = job_row(tx, job)
            if row.script is None:
                raise Refused(Control.JOB_STATE, f"Card {row.number} is not prepared yet.")
            return self.reveal(row, row.script, "script")

    def protect(self, batch: str, number: int, clear: Secret, what: str) -> bytes:
        """Encrypt card data for rest, bound to its card and to what it is."""
        key = self.keys.batch(batch)
        return data.protect(self.keys.token, key, clear, _context(batch, number, what))

    def reveal(self, row: CardJob, sealed: bytes, what: str) -> Secret:
        """Decrypt card data."""
        context = _context(row.batch_id, row.number, what)
        return data.reveal(self.keys.batch(row.batch_id), sealed, context)


def _context(batch: str, number: int, what: str) -> bytes:
    return f"{batch}/{number}/{what}".encode()


def step(row: CardJob, to: JobState) -> None:
    """Move a card job one step. Raises ``Refused`` (JOB_STATE) when there is no such step."""
    if to not in JOB_STEPS[row.state]:
        raise Refused(
            Control.JOB_STATE,
            f"Card {row.number} of batch {row.batch_id} is {row.state.value}; it can't become "
            f"{to.value}. Nothing was changed.",
        )
    row.state = to


def step_batch(row: Batch, to: BatchState) -> None:
    """Move a batch one step. Raises ``Refused`` (BATCH_STATE) when there is no such step."""
    if to not in BATCH_STEPS[row.state]:
        raise Refused(
            Control.BATCH_STATE,
            f"Batch {row.id} is {row.state.value}; it can't become {to.value}. Nothing was "
            "changed.",
        )
    row.state = to


def job_row(tx: Transaction, job: int) -> CardJob:
    """Return a card job's row. Raises ``BadInput`` when there is none."""
    row = tx.session.get(CardJob, job)
    if row is None:
        raise BadInput(Control.JOB_STATE, f"There is no card job {job}.")
    return row


def batch_row(tx: Transaction, batch: str) -> Batch:
    """Return a batch's row. Raises ``BadInput`` when there is none."""
    row = tx.session.get(Batch, batch)
    if row is None:
        raise BadInput(
            Control.BATCH_STATE, f"There is no batch {batch}. 'kif batch status' lists them."
        )
    return row


def job_rows(tx: Transaction, batch: str) -> list[CardJob]:
    """Return a batch's card jobs in their order."""
    wanted = select(CardJob).where(CardJob.batch_id == batch).order_by(CardJob.number)
    return list(tx.session.scalars(wanted))


def batch_view(tx: Transaction, row: Batch) -> BatchView:
    """Return what anyone may see of a batch."""
    people = select(Approval.person).where(Approval.batch_id == row.id).order_by(Approval.person)
    jobs = select(CardJob.state, func.count()).where(CardJob.batch_id == row.id)
    counted = tx.session.execute(jobs.group_by(CardJob.state).order_by(CardJob.state))
    return BatchView(
        row.id,
        row.issuer,
        row.file_reference,
        row.product,
        row.count,
        row.state,
        tuple(tx.session.scalars(people)),
        {row[0]: row[1] for row in counted},
    )


def job_view(row: CardJob) -> JobView:
    """Return what anyone may see of a card job."""
    return JobView(
        row.id,
        row.batch_id,
        row.number,
        row.bin,
        row.pseudonym,
        row.state,
        row.card_serial,
        row.reason,
    )


def job_event(kind: Kind, row: CardJob, boundary: Boundary, **more: str | int) -> Event:
    """Return an event about a card: batch, number, BIN, pseudonym, and what more there is."""
    subject: dict[str, str | int] = {
        "batch": row.batch_id,
        "number": row.number,
        "bin": row.bin,
        "pseudonym": row.pseudonym,
        **more,
    }
    if row.card_serial is not None:
        subject["card_serial"] = row.card_serial
    return Event(kind, row.station or ORACLE, boundary, subject)
