"""The desk of people: the issuer register, release under dual control, closing a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from sqlalchemy import select

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, KifError, Refused
from kif.ledger.event import Boundary, Event, Kind
from kif.oracle.approval import RELEASE, verify_approval
from kif.oracle.desk import Desk, batch_row, batch_view, job_rows, step_batch
from kif.oracle.interface import BatchView, JobView
from kif.oracle.keys import CARD_MANAGER, EMV_MASTERS
from kif.store.engine import Transaction
from kif.store.models import Approval, Batch, Issuer, KeyRecord, Person
from kif.store.state import BatchState, JobState

OPERATOR = "operator"
APPROVERS = 2


@dataclass(frozen=True)
class Supervision:
    """Implements :class:`kif.oracle.interface.SupervisionOracle`."""

    desk: Desk

    def batches(self) -> Sequence[BatchView]:
        """Return every batch, oldest first."""
        with self.desk.store.reading() as tx:
            rows = tx.session.scalars(select(Batch).order_by(Batch.received_at, Batch.id))
            return [batch_view(tx, row) for row in rows]

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        return self.desk.batch(batch)

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch, in their order."""
        return self.desk.jobs(batch)

    def register_issuer(self, name: str, certificate: str) -> None:
        """Enter an issuer and its signing certificate (PEM) in the register."""
        digest = _digest_of(certificate)
        with self.desk.store.transaction() as tx:
            if tx.session.get(Issuer, name) is not None:
                raise Refused(
                    Control.FILE_SIGNER,
                    f"The issuer '{name}' is registered already. Nothing was changed.",
                )
            tx.session.add(Issuer(name=name, certificate=certificate))
            subject: dict[str, str | int] = {"issuer": name, "digest": digest}
            event = Event(Kind.ISSUER_REGISTERED, OPERATOR, Boundary.HSM, subject)
            self.desk.record(tx, event)

    def release_statement(self, batch: str) -> bytes:
        """Return exactly what a person signs to release a batch (canonical JSON, UTF-8)."""
        with self.desk.store.reading() as tx:
            return statement_of(tx, batch_row(tx, batch))

    def approve_release(self, batch: str, person: str, signature: str) -> BatchView:
        """Take a person's SSH signature over the statement; the second releases the batch."""
        try:
            with self.desk.store.transaction() as tx:
                row = batch_row(tx, batch)
                self._approve(tx, row, person, signature)
                return batch_view(tx, row)
        except KifError as refused:
            self._log_refusal(batch, person, refused)
            raise

    def _approve(self, tx: Transaction, row: Batch, person: str, signature: str) -> None:
        if row.state is not BatchState.PREPARED:
            raise Refused(
                Control.BATCH_STATE,
                f"Batch {row.id} is {row.state.value}; only a prepared batch is released.",
            )
        approver = _operator(tx, person)
        if tx.session.get(Approval, (row.id, person)) is not None:
            raise Refused(
                Control.DUAL_CONTROL,
                f"{person} has approved batch {row.id} already; a second, different operator is "
                "needed.",
            )
        verify_approval(approver.public_key, RELEASE, statement_of(tx, row), signature)
        tx.session.add(Approval(batch_id=row.id, person=person, signature=signature))
        tx.session.flush()
        self.desk.record(tx, *self._given(tx, row, approver))

    def _given(self, tx: Transaction, row: Batch, approver: Person) -> list[Event]:
        subject: dict[str, str | int] = {
            "batch": row.id,
            "person": approver.name,
            "fingerprint": approver.fingerprint,
        }
        events = [Event(Kind.APPROVAL_GIVEN, approver.name, Boundary.HSM, subject)]
        people = tx.session.scalars(select(Approval.person).where(Approval.batch_id == row.id))
        if len(set(people)) >= APPROVERS:
            step_batch(row, BatchState.RELEASED)
            released: dict[str, str | int] = {"batch": row.id, "count": row.count}
            events.append(Event(Kind.BATCH_RELEASED, approver.name, Boundary.HSM, released))
        return events

    def _log_refusal(self, batch: str, person: str, refused: KifError) -> None:
        subject: dict[str, str | int] = {
            "batch": batch,
            "person": person,
            "control": refused.control.value,
            "reason": refused.sentence,
        }
        with self.desk.store.transaction() as tx:
            self.desk.record(tx, Event(Kind.APPROVAL_REFUSED, person, Boundary.HSM, subject))

    def close_batch(self, batch: str) -> BatchView:
        """Close a batch whose cards are all accounted for, or raise ``CheckFailed``."""
        with self.desk.store.transaction() as tx:
            row = batch_row(tx, batch)
            states = [job.state for job in job_rows(tx, batch)]
            good = states.count(JobState.DISPATCHED)
            suspect = states.count(JobState.SUSPECT)
            left = states.count(JobState.PREPARED)
            if good + suspect + left != row.count:
                raise CheckFailed(
                    Control.RECONCILIATION,
                    f"Batch {batch} received {row.count} cards, but {good} good, {suspect} suspect "
                    f"and {left} left over make {good + suspect + left}. Finish the cards that are "
                    "still on the line, then close it again.",
                )
            step_batch(row, BatchState.CLOSED)
            subject: dict[str, str | int] = {
                "batch": batch,
                "count": row.count,
                "good": good,
                "suspect": suspect,
                "left": left,
            }
            self.desk.record(tx, Event(Kind.BATCH_CLOSED, OPERATOR, Boundary.HSM, subject))
            return batch_view(tx, row)


def _digest_of(certificate: str) -> str:
    """Return SHA-256 (hex) of a certificate's DER form. Raises ``BadInput`` when it is none."""
    try:
        read = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise BadInput(
            Control.FILE_SIGNER,
            "The issuer's file is not a certificate in PEM form. Nothing was registered; ask the "
            "issuer for the certificate that it signs with.",
        ) from None
    return read.fingerprint(hashes.SHA256()).hex()


def _operator(tx: Transaction, person: str) -> Person:
    row = tx.session.get(Person, person)
    if row is None or row.role != OPERATOR:
        raise Refused(
            Control.DUAL_CONTROL,
            f"{person} is not a registered operator. Operators are appointed in a ceremony.",
        )
    return row


def statement_of(tx: Transaction, row: Batch) -> bytes:
    """Return what is signed to release a batch: what it is, and the keys it will be made with."""
    keys = select(KeyRecord).where(KeyRecord.name.in_((CARD_MANAGER, *EMV_MASTERS)))
    return canonical.encode(
        {
            "approve": RELEASE,
            "batch": row.id,
            "issuer": row.issuer,
            "reference": row.file_reference,
            "product": row.product,
            "count": row.count,
            "content": row.content_digest,
            "keys": {key.name: key.kcv for key in tx.session.scalars(keys)},
        }
    )
