"""Fulfilment's desk: the good cards of a batch leave by a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import update

from kif.formats.state import JobState
from kif.ledger.events.batch import BatchDispatched
from kif.oracle.cache import require_open_cards
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.messages import BatchView, JobView
from kif.oracle.rows import moved_batch
from kif.oracle.views import job_views
from kif.store.models import CardJob


@dataclass(frozen=True)
class Fulfilment:
    """Implements :class:`kif.oracle.interface.FulfilmentOracle`."""

    desk: Desk

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        return self.desk.batch(batch)

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch, in their order, as the log says that they stand.

        Raises ``CheckFailed`` (LEDGER_TABLES) when their rows say something else.
        """
        with self.desk.record.reading() as (state, tx):
            require_open_cards(tx.session, state, batch)
            return job_views(tx.session, batch)

    def dispatched(self, batch: str, count: int, list_digest: str) -> BatchView:
        """Record that the good cards left, by a list of as many with this SHA-256 (hex)."""
        return self.desk.record.write(partial(_dispatched, batch, count, list_digest))


def _dispatched(batch: str, count: int, list_digest: str, step: Step) -> BatchView:
    step.record(BatchDispatched(step.by, batch, count, list_digest))
    good = (CardJob.batch_id == batch) & (CardJob.state == JobState.GOOD)
    step.session.execute(update(CardJob).where(good).values(state=JobState.DISPATCHED))
    return moved_batch(step, batch)
