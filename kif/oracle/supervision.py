"""The desk of people: the issuer register, release under dual control, closing a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import delete

from kif.formats.certificate import require_signer
from kif.formats.control import Control
from kif.formats.error import BadInput, KifError, Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import PAIRS
from kif.formats.script import Script
from kif.formats.state import BatchState
from kif.formats.text import for_the_record, is_name
from kif.hsm.key import Algorithm
from kif.ledger.batch import Terms, release_statement
from kif.ledger.batches import APPROVERS
from kif.ledger.events.batch import (
    ApprovalGiven,
    ApprovalRefused,
    BatchCancelled,
    BatchClosed,
    BatchClosedShort,
    BatchReleased,
)
from kif.ledger.events.site import (
    BlanksDelivered,
    IssuerRegistered,
    IssuerRenewed,
    IssuerWithdrawn,
    LibraryTested,
)
from kif.ledger.state import State
from kif.oracle.desk import Desk
from kif.oracle.dryrun import dry_run
from kif.oracle.group import Step
from kif.oracle.messages import BatchView, JobRef, JobView, Line
from kif.oracle.rows import moved_batch
from kif.oracle.views import batch_views
from kif.store.models import Approval, Issuer

VALID = timedelta(days=30)
"""How long a release holds when nobody says otherwise."""


@dataclass(frozen=True)
class Supervision:
    """Implements :class:`kif.oracle.interface.SupervisionOracle`."""

    desk: Desk

    def batches(self) -> Sequence[BatchView]:
        """Return every batch, oldest first."""
        with self.desk.record.reading() as (_, tx):
            return batch_views(tx.session)

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        return self.desk.batch(batch)

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch, in their order."""
        return self.desk.jobs(batch)

    def dry_run(self, job: JobRef) -> Sequence[Line]:
        """Return what a prepared card would be sent, without a card and without a secret."""
        with self.desk.record.reading() as (state, tx):
            if state.batches.require(job.batch).state is BatchState.RECEIVED:
                raise Refused(Control.BATCH_STATE, f"Batch {job.batch} is not prepared yet.")
            script = Script.decode(self.desk.bound_script(state, tx.connection, job))
            return list(dry_run(script, partial(_size_of, state)))

    def register_issuer(self, name: str, certificate: bytes) -> None:
        """Enter an issuer and its signing certificate (PEM or DER) in the register."""
        if not is_name(name):
            raise BadInput(
                Control.FILE_SIGNER,
                "An issuer's name has 1 to 64 letters, digits, spaces and . _ @ -, and no number "
                "as long as a card's. Nothing was registered.",
            )
        signer = require_signer(certificate)

        def work(step: Step) -> None:
            step.record(IssuerRegistered(step.by, name, signer))
            step.session.add(Issuer(name=name, certificate=signer))

        self.desk.record.write(work)

    def renew_issuer(self, name: str, certificate: bytes, reason: str) -> None:
        """Give an issuer another signing certificate (PEM or DER), or take it back in with one."""
        signer, told = require_signer(certificate), for_the_record(reason)
        self.desk.record.write(
            lambda step: _put_issuer(step, IssuerRenewed(step.by, name, signer, told), signer)
        )

    def withdraw_issuer(self, name: str, reason: str) -> None:
        """Accept no file of an issuer from here on; its batches go on."""
        told = for_the_record(reason)
        self.desk.record.write(
            lambda step: _put_issuer(step, IssuerWithdrawn(step.by, name, told), None)
        )

    def register_delivery(self, vendor: str, delivery: str, chips: Sequence[bytes]) -> None:
        """Note the blanks that a vendor delivered, by their serials, ten bytes each."""
        serials = b"".join(chips).hex().upper()
        self.desk.record.write(
            lambda step: step.record(BlanksDelivered(step.by, vendor, delivery, serials))
        )

    def release_statement(
        self, batch: str, stations: Sequence[str] = (), expires: datetime | None = None
    ) -> bytes:
        """Return exactly what a person signs to release a batch (canonical JSON, ASCII).

        Where somebody has signed already, the terms are that person's, unless others are given.
        """
        with self.desk.record.deciding() as state:
            return statement_of(state, batch, stations, expires, self.desk.record.clock())

    def approve_release(
        self, batch: str, person: str, statement: bytes, signature: str
    ) -> BatchView:
        """Take a person's SSH signature over the statement; the second releases the batch."""
        try:
            return self.desk.record.write(
                partial(_approve, batch, person, statement.decode(errors="replace"), signature)
            )
        except KifError as refused:
            self._log_refusal(batch, person, refused)
            raise

    def _log_refusal(self, batch: str, person: str, refused: KifError) -> None:
        event = ApprovalRefused(
            for_the_record(person),
            for_the_record(batch),
            refused.control,
            for_the_record(refused.sentence),
        )
        self.desk.record.write(lambda step: step.record(event))

    def record_test(
        self, library: str, library_digest: str, vectors: str, counts: tuple[int, int, int]
    ) -> None:
        """Put the result of a run of known answers on the record, whatever it was."""
        self.desk.record.write(
            lambda step: step.record(
                LibraryTested(step.by, library, library_digest, vectors, *counts)
            )
        )

    def close_batch(self, batch: str, reason: str | None = None) -> BatchView:
        """Close a batch whose cards are all accounted for, or raise ``CheckFailed``.

        ``reason`` says why cards are left over; without one there may be none.
        """
        return self._ended(batch, partial(_close, batch, reason))

    def cancel_batch(self, batch: str, reason: str) -> BatchView:
        """End a batch of which no card was made; its file may come again."""
        return self._ended(batch, partial(_cancel, batch, for_the_record(reason)))

    def _ended(self, batch: str, work: Callable[[Step], BatchView]) -> BatchView:
        view = self.desk.record.write(work)
        self.desk.keys.forget_batch(batch)
        return view


def statement_of(
    state: State,
    batch: str,
    stations: Sequence[str],
    expires: datetime | None,
    now: datetime,
) -> bytes:
    """Return the statement of a batch's release on terms given, agreed, or by default."""
    known = state.batches.require(batch)
    if known.state is BatchState.RECEIVED:
        raise BadInput(
            Control.BATCH_STATE, f"Batch {batch} is received; only a prepared batch is released."
        )
    agreed = known.terms if known.terms and known.terms.expires > now else None
    end = (now + VALID).replace(hour=0, minute=0, second=0, microsecond=0)
    terms = Terms(
        tuple(stations) or (agreed.stations if agreed else state.stations.every()),
        expires or (agreed.expires if agreed else end),
    )
    for station in terms.stations:
        state.stations.require_enrolled(station)
    return release_statement(known, terms)


def _approve(batch: str, person: str, statement: str, signature: str, step: Step) -> BatchView:
    step.record(ApprovalGiven(person, batch, statement, signature))
    known = step.state.batches.require(batch)
    if len(known.approvals) == 1:  # what is there is of a release that has lapsed
        step.session.execute(delete(Approval).where(Approval.batch_id == batch))
    step.session.add(Approval(batch_id=batch, person=person, statement=statement))
    if len(known.approvals) >= APPROVERS:
        step.record(BatchReleased(batch, known.prepared))
    return moved_batch(step, batch)


def _close(batch: str, reason: str | None, step: Step) -> BatchView:
    good, suspect, left = step.state.batches.balance(batch)
    count = step.state.batches.require(batch).count
    if left and reason is None and good + suspect + left == count:
        raise Refused(
            Control.RECONCILIATION,
            f"{left} of the {count} cards of batch {batch} are not made. Make them, or close it "
            "with --reason, which ends it without them.",
        )
    if left:
        told = for_the_record(reason or "")
        step.record(BatchClosedShort(step.by, batch, good, suspect, left, told))
    else:
        step.record(BatchClosed(step.by, batch, good, suspect))
    return moved_batch(step, batch)


def _cancel(batch: str, reason: str, step: Step) -> BatchView:
    step.record(BatchCancelled(step.by, batch, reason))
    return moved_batch(step, batch)


def _put_issuer(step: Step, event: IssuerRenewed | IssuerWithdrawn, signer: str | None) -> None:
    step.record(event)
    row = step.session.get_one(Issuer, event.issuer)
    row.certificate = signer


def _size_of(state: State, key: KeyRef) -> int:
    """Return how many bytes a key on the record has, or the modulus of its pair."""
    if key.purpose in PAIRS:
        return len(state.keys.public_key(key))
    return Algorithm(state.keys.require(key).algorithm).size
