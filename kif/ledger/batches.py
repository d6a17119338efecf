"""The batches: received, prepared, released by two people on terms, made, dispatched, closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import CARD_MANAGER, Owner, purpose_of
from kif.formats.state import BatchState, JobState
from kif.ledger.approval import RELEASE
from kif.ledger.batch import (
    Batch,
    Outcome,
    Terms,
    batch_fields,
    batch_of,
    release_statement,
    terms_of,
)
from kif.ledger.events.batch import (
    ApprovalGiven,
    BatchCancelled,
    BatchClosed,
    BatchClosedShort,
    BatchDispatched,
    BatchPrepared,
    BatchReceived,
    BatchReleased,
)
from kif.ledger.events.ceremony import Role
from kif.ledger.form import write_time
from kif.ledger.issuers import Issuers
from kif.ledger.jobs import Jobs
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys
from kif.ledger.people import People, same_statement

APPROVERS = 2


class Batches:
    """Every batch by its id, and the jobs of those that are not closed."""

    def __init__(self, journal: Journal, people: People, keys: Keys, issuers: Issuers) -> None:
        self._journal, self._people, self._keys, self._issuers = journal, people, keys, issuers
        self.known: dict[str, Batch] = {}
        self.jobs: dict[str, Jobs] = {}
        self._names: dict[str, str] = {}
        self._contents: dict[str, str] = {}

    def made_with(self, key: KeyRef) -> list[str]:
        """Return every batch that was prepared or released with a key."""
        return [each.id for each in self.known.values() if str(key) in dict(each.keys)]

    def depending(self, key: KeyRef) -> list[str]:
        """Return every batch that was prepared or released with a key, and is not closed."""
        return [batch for batch in self.made_with(key) if batch in self.jobs]

    def require(self, batch: str) -> Batch:
        """Return a batch, or raise ``BadInput`` (BATCH_STATE)."""
        if batch not in self.known:
            raise BadInput(
                Control.BATCH_STATE, f"There is no batch {batch}. 'kif batch status' lists them."
            )
        return self.known[batch]

    def open_jobs(self, batch: str) -> Jobs:
        """Return the jobs of a batch that is not closed, or raise (BATCH_STATE)."""
        self.require(batch)
        if batch not in self.jobs:
            raise Refused(
                Control.BATCH_STATE,
                f"Batch {batch} is {self.known[batch].state.value}; nothing happens to its cards.",
            )
        return self.jobs[batch]

    def received(self, event: BatchReceived) -> None:
        """Take a batch of a registered issuer whose reference and content never came before."""
        self._issuers.require(event.issuer)
        self.require_new(event.issuer, event.batch, event.name, event.content)
        if not event.count:
            raise BadInput(Control.FILE_COUNT, "A batch has at least one card.")
        batch = Batch(
            event.batch,
            event.issuer,
            event.product,
            event.count,
            event.records,
            str(event.retention),
            event.seed,
        )
        self._journal.put(self.known, batch.id, batch)
        self._journal.put(self.jobs, batch.id, Jobs(batch.count, self._journal, batch.id))
        self._journal.put(self._names, event.name, batch.id)
        self._journal.put(self._contents, event.content, batch.id)

    def require_new(self, issuer: str, batch: str, name: str, content: str) -> None:
        """Require that a file never came before, by its keyed digests (FILE_REPLAY)."""
        earlier = self._names.get(name) or self._contents.get(content)
        if earlier is not None or batch in self.known:
            raise Refused(
                Control.FILE_REPLAY,
                f"This file of {issuer}, or one of its reference, was received before, as "
                f"batch {earlier or batch}. Nothing was changed; ask the issuer whether it "
                "meant a new one.",
            )

    def prepared(self, event: BatchPrepared, now: datetime) -> None:
        """Take the scripts of a whole batch, and the keys that they name."""
        batch = self.in_state(event.batch, "is prepared", BatchState.RECEIVED)
        for key, kcv in event.keys.items():
            if Owner.ISSUER in purpose_of(key).owners and key.owner != batch.issuer:
                raise Refused(
                    Control.KEY_USAGE,
                    f"{key} is not a key of {batch.issuer}, whose cards these are.",
                )
            self._keys.require_active(key, kcv, now)
        count = self.jobs[batch.id].move_all(JobState.RECEIVED, JobState.PREPARED)
        if not count:
            raise Refused(
                Control.BATCH_STATE, f"Batch {batch.id} has no card left that can be made."
            )
        self.put(
            replace(
                batch,
                state=BatchState.PREPARED,
                profile=event.profile,
                scripts=event.scripts,
                prepared=count,
                keys=_key_texts(event.keys),
            )
        )

    def approved(self, event: ApprovalGiven, now: datetime) -> None:
        """Take an operator's signature over the release of a prepared batch, or a lapsed one."""
        batch = self._lapsed(self.require(event.batch), now)
        if batch.state is not BatchState.PREPARED:
            raise Refused(
                Control.BATCH_STATE,
                f"Batch {batch.id} is {batch.state.value}; only a prepared batch is released.",
            )
        self._people.require(event.person, Role.OPERATOR)
        if event.person in dict(batch.approvals):
            raise Refused(
                Control.DUAL_CONTROL,
                f"{event.person} has approved batch {batch.id} already; a second, different "
                "operator is needed.",
            )
        terms = terms_of(event.statement)
        same_statement(event.statement, release_statement(batch, terms), f"batch {batch.id}")
        if terms.expires <= now:
            raise Refused(
                Control.DUAL_CONTROL,
                f"The terms end at {write_time(terms.expires)}, which is past.",
            )
        for person, statement in batch.approvals:
            if statement != event.statement:
                raise Refused(
                    Control.DUAL_CONTROL,
                    f"{person} signed other terms: {statement}. Both operators sign the same.",
                )
        self._people.verify(event.person, RELEASE, event.statement, event.signature)
        given = (event.person, event.statement)
        self.put(replace(batch, approvals=(*batch.approvals, given), terms=terms))

    def released(self, event: BatchReleased) -> None:
        """Release a batch that two people have approved."""
        batch = self.in_state(event.batch, "is released", BatchState.PREPARED)
        if len(batch.approvals) < APPROVERS or event.count != batch.prepared:
            raise Refused(
                Control.DUAL_CONTROL,
                f"Batch {batch.id} has {len(batch.approvals)} approvals for {batch.prepared} "
                f"cards; two different operators release it, for all of them.",
            )
        self.put(replace(batch, state=BatchState.RELEASED))

    def require_released(self, batch: str, station: str, now: datetime) -> Terms:
        """Return the terms by which a station may make cards of a batch now, or raise."""
        found = self.require(batch)
        terms = found.terms
        if found.state is not BatchState.RELEASED or terms is None:
            raise Refused(
                Control.BATCH_STATE,
                f"Batch {batch} is {found.state.value}; cards are made of a released batch only. "
                "Two operators release it with 'kif batch release'.",
            )
        if now > terms.expires:
            raise Refused(
                Control.BATCH_STATE,
                f"The release of batch {batch} ended at {write_time(terms.expires)}. Two operators "
                "renew it with 'kif batch release'.",
            )
        if station not in terms.stations:
            raise Refused(
                Control.BATCH_STATE,
                f"Batch {batch} was released for {', '.join(terms.stations)}, not for {station}.",
            )
        for key, kcv in found.keys:
            self._keys.require_active(KeyRef.parse(key), kcv, now)
        return terms

    def dispatched(self, event: BatchDispatched, now: datetime) -> None:
        """Send off every good card of a released batch; at least one."""
        batch = self.in_state(event.batch, "is dispatched", BatchState.RELEASED)
        count = self.jobs[batch.id].move_all(JobState.GOOD, JobState.DISPATCHED)
        if not count or count != event.count:
            raise Refused(
                Control.BATCH_STATE,
                f"Batch {batch.id} has {count} good cards to send off, and the list has "
                f"{event.count}. Nothing was dispatched.",
            )
        self.put(replace(batch, dispatched=f"{now:%Y-%m-%d}"))

    def closed(self, event: BatchClosed) -> None:
        """Close a batch whose cards are all good or suspect."""
        self._close(event.batch, (event.good, event.suspect, 0))

    def closed_short(self, event: BatchClosedShort) -> None:
        """Close a batch with cards left over."""
        self._close(event.batch, (event.good, event.suspect, event.left))

    def _close(self, name: str, stated: tuple[int, int, int]) -> None:
        """Close a batch that balances: received = good + suspect + left, none on the line."""
        batch = self.in_state(name, "is closed", BatchState.RELEASED)
        found = self.balance(batch.id)
        if stated != found or sum(stated) != batch.count:
            raise CheckFailed(
                Control.RECONCILIATION,
                f"Batch {batch.id} received {batch.count} cards, but {found[0]} good, {found[1]} "
                f"suspect and {found[2]} left over make {sum(found)}. Finish or dispatch the cards "
                "that are still here, then close it again.",
            )
        self._end(batch, BatchState.CLOSED, stated)

    def cancelled(self, event: BatchCancelled) -> None:
        """End a batch of which no card was made; its reference and content are free again."""
        batch, jobs = self.require(event.batch), self.open_jobs(event.batch)
        if not jobs.unmade:
            raise Refused(
                Control.BATCH_STATE,
                f"Cards of batch {batch.id} were made, or are on the line; it can't be cancelled. "
                "Dispatch what is good, then close it with a reason.",
            )
        suspect = jobs.count(JobState.SUSPECT)
        for table in (self._names, self._contents):
            for digest in [each for each, owner in table.items() if owner == batch.id]:
                self._journal.drop(table, digest)
        self._end(batch, BatchState.CANCELLED, (0, suspect, len(jobs) - suspect))

    def _end(self, batch: Batch, state: BatchState, counts: tuple[int, int, int]) -> None:
        outcome = Outcome(*counts, self.jobs[batch.id].digest())
        self._journal.drop(self.jobs, batch.id)
        self.put(replace(batch, state=state, outcome=outcome))

    def balance(self, batch: str) -> tuple[int, int, int]:
        """Return how many cards are good (and dispatched), suspect, and left over."""
        jobs = self.open_jobs(batch)
        states = (JobState.DISPATCHED, JobState.SUSPECT, JobState.PREPARED)
        good, suspect, left = (jobs.count(state) for state in states)
        return good, suspect, left

    def vendor_of(self, batch: str) -> str:
        """Return whose blanks a batch is made of; empty for a batch that names no vendor's key."""
        keys = (KeyRef.parse(key) for key, _ in self.require(batch).keys)
        return next((key.owner for key in keys if key.purpose == CARD_MANAGER), "")

    def on_the_line(self) -> list[tuple[str, int, JobState]]:
        """Return batch, number and state of every card that is on the line."""
        return [
            (batch, number, jobs.state(number))
            for batch, jobs in self.jobs.items()
            for number in sorted(jobs.line)
        ]

    def in_state(self, batch: str, what: str, *states: BatchState) -> Batch:
        """Return a batch that stands in one of these states, or raise (BATCH_STATE)."""
        found = self.require(batch)
        if found.state not in states:
            right = " or ".join(state.value for state in states)
            raise Refused(
                Control.BATCH_STATE,
                f"Batch {batch} is {found.state.value}; only a {right} batch {what}. "
                "Nothing was changed.",
            )
        return found

    def _lapsed(self, batch: Batch, now: datetime) -> Batch:
        """Return the batch as prepared when its approvals have lapsed."""
        if batch.terms is None or now <= batch.terms.expires:
            return batch
        if batch.state not in (BatchState.PREPARED, BatchState.RELEASED):
            return batch
        return replace(batch, state=BatchState.PREPARED, approvals=(), terms=None)

    def put(self, batch: Batch) -> None:
        """Keep a batch as it is now."""
        self._journal.put(self.known, batch.id, batch)

    def encode(self) -> list[dict[str, Any]]:
        """Return every batch as JSON values."""
        names = {batch: name for name, batch in self._names.items()}
        contents = {batch: content for content, batch in self._contents.items()}
        return [
            batch_fields(batch)
            | {
                "name": names.get(batch.id),
                "content": contents.get(batch.id),
                "jobs": self.jobs[batch.id].encode() if batch.id in self.jobs else None,
            }
            for batch in self.known.values()
        ]

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        for each in fields:
            name, content, jobs = (each.pop(key) for key in ("name", "content", "jobs"))
            batch = batch_of(each)
            self.known[batch.id] = batch
            for table, digest in ((self._names, name), (self._contents, content)):
                if digest is not None:  # else the batch was cancelled
                    table[digest] = batch.id
            if jobs is not None:
                self.jobs[batch.id] = Jobs.restore(jobs, self._journal, batch.id)


def _key_texts(keys: Mapping[KeyRef, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(key), kcv) for key, kcv in keys.items()))
