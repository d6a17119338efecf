"""Data preparation's desk: clear records out, one at a time; whole batches of scripts in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.secret import Secret
from kif.ledger.event import Boundary, Event, Kind
from kif.oracle.desk import (
    ORACLE,
    Desk,
    batch_row,
    batch_view,
    job_row,
    job_rows,
    step,
    step_batch,
)
from kif.oracle.interface import BatchView, JobView
from kif.store.state import BatchState, JobState


@dataclass(frozen=True)
class Preparing:
    """Implements :class:`kif.oracle.interface.PreparationOracle`."""

    desk: Desk

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        return self.desk.batch(batch)

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch, in their order."""
        return self.desk.jobs(batch)

    def record(self, job: int) -> Secret:
        """Return the clear record (JSON) of a card job that is not yet prepared."""
        with self.desk.store.reading() as tx:
            row = job_row(tx, job)
            if row.state is not JobState.RECEIVED:
                raise Refused(
                    Control.JOB_STATE,
                    f"Card {row.number} of batch {row.batch_id} is {row.state.value}; a record is "
                    "given out only before it is prepared.",
                )
            return self.desk.reveal(row, row.record, "record")

    def save_scripts(self, batch: str, scripts: dict[int, Secret]) -> BatchView:
        """Keep the scripts (job -> JSON) of a whole batch: it is PREPARED then."""
        with self.desk.store.transaction() as tx:
            row = batch_row(tx, batch)
            jobs = job_rows(tx, batch)
            if {job.id for job in jobs} != set(scripts):
                raise Refused(
                    Control.JOB_STATE,
                    f"Batch {batch} has {len(jobs)} cards and {len(scripts)} scripts came. Prepare "
                    "the whole batch; nothing was changed.",
                )
            step_batch(row, BatchState.PREPARED)
            for job in jobs:
                step(job, JobState.PREPARED)
                job.script = self.desk.protect(batch, job.number, scripts[job.id], "script")
            subject: dict[str, str | int] = {"batch": batch, "count": len(jobs)}
            self.desk.record(tx, Event(Kind.BATCH_PREPARED, ORACLE, Boundary.HSM, subject))
            tx.session.flush()
            return batch_view(tx, row)
