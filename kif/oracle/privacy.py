"""The desk of privacy: what is kept how long, and how it is erased.

A batch's data key is derived from the retention key of its issuer and month over the batch's seed.
Destroying the retention key erases every batch of that window, wherever copies of the database
lie; destroying the seed erases one batch in this database. What the log may hide goes as well: the
payloads of a batch's entries, whose commitments stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import update

from kif.formats.keyref import KeyRef
from kif.formats.purpose import RETENTION
from kif.formats.state import KeyState
from kif.formats.text import for_the_record
from kif.ledger.event import Entry
from kif.ledger.events.batch import BatchErased, WindowErased
from kif.ledger.retention import month_of
from kif.ledger.state import State
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.messages import BatchView, WindowView
from kif.oracle.rows import move_keys, moved_batch
from kif.store.ledger import LedgerTables
from kif.store.models import Batch, CardJob

KEPT_MONTHS = 6
"""How long a window's card data is kept after its month, unless it is erased before."""


@dataclass(frozen=True)
class Privacy:
    """Implements :class:`kif.oracle.interface.PrivacyOracle`."""

    desk: Desk

    def windows(self) -> Sequence[WindowView]:
        """Return every window, oldest first."""
        with self.desk.record.deciding() as state:
            return windows_of(state, self.desk.record.clock())

    def erase_batch(self, batch: str, reason: str) -> BatchView:
        """Erase a closed batch: its seed is destroyed in this database."""

        def work(step: Step) -> BatchView:
            step.record(BatchErased(step.by, batch, for_the_record(reason)))
            (view,) = _forget(step, [batch])
            return view

        view = self.desk.record.write(work)
        self._clean([batch])
        return view

    def erase_window(self, key: KeyRef, reason: str) -> Sequence[BatchView]:
        """Erase a window that is over: its retention key is destroyed, once that is on record."""

        def work(step: Step) -> list[BatchView]:
            batches = [each.id for each in step.state.retention.of_window(key)]
            step.record(WindowErased(step.by, key, len(batches), for_the_record(reason)))
            move_keys(step, (key,))
            return _forget(step, batches)

        views = self.desk.record.write(work)
        self._clean([view.id for view in views])
        self.desk.keys.destroy(key)
        return views

    def _clean(self, batches: Sequence[str]) -> None:
        """Destroy what this process still holds, and the database's older pages."""
        for batch in batches:
            self.desk.keys.forget_batch(batch)
        self.desk.record.store.truncate_log()


def windows_of(state: State, now: datetime) -> list[WindowView]:
    """Return every window of a state, oldest first."""
    keys = [key for key in state.keys.known if key.purpose == RETENTION]
    return [
        _window(state, key, now)
        for key in sorted(keys, key=lambda k: (month_of(k), k.owner, k.version))
    ]


def _window(state: State, key: KeyRef, now: datetime) -> WindowView:
    batches = state.retention.of_window(key)
    still = sum(each.id in state.batches.jobs for each in batches)
    kept = state.keys.require(key).state is not KeyState.DESTROYED
    end = _months_after(month_of(key), KEPT_MONTHS + 1)
    due = kept and end <= now.astimezone(UTC).date()
    return WindowView(key, len(batches), still, end, due=due, erased=not kept)


def _months_after(month: int, more: int) -> date:
    """Return the first day of the month that is so many after YYYYMM."""
    count = month // 100 * 12 + month % 100 - 1 + more
    return date(count // 12, count % 12 + 1, 1)


def _forget(step: Step, batches: Sequence[str]) -> list[BatchView]:
    """Erase the seeds of batches, and what only their entries' payloads and rows tell."""
    for batch in batches:
        this = Batch.id == batch
        step.session.execute(update(Batch).where(this).values(seed=None, file_reference=""))
        cards = CardJob.batch_id == batch
        step.session.execute(update(CardJob).where(cards).values(reason=None))
    ledger = LedgerTables(step.connection)
    for index in _payloads_about(ledger, frozenset(batches)):
        ledger.forget_payload(index)
    return [moved_batch(step, batch) for batch in batches]


def _payloads_about(ledger: LedgerTables, batches: frozenset[str]) -> list[int]:
    """Return the indexes of the entries about batches that have a payload."""
    return [
        index
        for index, _, _ in ledger.payloads()
        if getattr(Entry.decode(next(ledger.leaves(index))).event, "batch", None) in batches
    ]
