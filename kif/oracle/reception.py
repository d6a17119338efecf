"""The gateway's desk: envelopes are opened in the HSM, good files become batches, all is logged."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.pan import bin_of
from kif.hsm.data import generate_batch_key, pseudonym
from kif.hsm.envelope import ContentKey, unwrap_content_key
from kif.ledger.event import Boundary, Event, Kind
from kif.oracle.desk import ORACLE, Desk, batch_view
from kif.oracle.interface import BatchView, IssuerView, ReceivedCard, ReceivedFile
from kif.oracle.keys import ENVELOPE_RECIPIENT
from kif.store.engine import Transaction
from kif.store.models import Batch, CardJob, Issuer, Site
from kif.store.state import BatchState, JobState


@dataclass(frozen=True)
class Reception:
    """Implements :class:`kif.oracle.interface.GatewayOracle`."""

    desk: Desk
    clock: Callable[[], datetime]

    def recipient_certificate(self) -> str:
        """Return the bureau's certificate (PEM) that issuers envelope to."""
        with self.desk.store.reading() as tx:
            return tx.session.scalars(select(Site)).one().recipient_certificate

    def issuers(self) -> Sequence[IssuerView]:
        """Return the issuer register."""
        with self.desk.store.reading() as tx:
            rows = tx.session.scalars(select(Issuer).order_by(Issuer.name))
            return [IssuerView(row.name, row.certificate) for row in rows]

    @contextmanager
    def open_envelope(self, encrypted_key: bytes) -> Iterator[ContentKey]:
        """Unwrap an AES content key into the HSM; it is destroyed on exit."""
        key = unwrap_content_key(self.desk.keys.token, ENVELOPE_RECIPIENT, encrypted_key)
        try:
            yield key
        finally:
            key.destroy()

    def admit(self, file: ReceivedFile) -> BatchView:
        """Make the batch, or raise ``Refused`` (FILE_REPLAY) and leave nothing behind.

        1. Refuse what came before; 2. make the batch's data key in the HSM; 3. protect each record;
        4. batch, jobs and ledger entry in one transaction. A key whose batch did not commit is
        destroyed by :mod:`kif.oracle.recovery`.
        """
        batch = secrets.token_hex(8)
        with self.desk.store.transaction() as tx:
            _refuse_replay(tx, file)
            generate_batch_key(self.desk.keys.token, batch)
            return self._make(tx, batch, file)

    def _make(self, tx: Transaction, batch: str, file: ReceivedFile) -> BatchView:
        row = Batch(
            id=batch,
            issuer=file.issuer,
            file_reference=file.reference,
            content_digest=file.content_digest,
            product=file.product,
            count=len(file.cards),
            state=BatchState.RECEIVED,
            received_at=self.clock(),
        )
        tx.session.add(row)
        tx.session.flush()
        tx.session.add_all(self._job(row, *each) for each in enumerate(file.cards, start=1))
        tx.session.flush()
        self.desk.record(tx, _received(row, file))
        return batch_view(tx, row)

    def _job(self, batch: Batch, number: int, card: ReceivedCard) -> CardJob:
        protection = self.desk.keys.protection
        return CardJob(
            batch_id=batch.id,
            number=number,
            bin=bin_of(card.pan.reveal().decode()),
            pseudonym=pseudonym(protection, batch.issuer, card.pan, card.sequence_number),
            valid_until=card.valid_until,
            state=JobState.RECEIVED,
            record=self.desk.protect(batch.id, number, card.record, "record"),
        )

    def refuse_file(self, file_digest: str, control: str, sentence: str) -> None:
        """Record that a file was refused, and why."""
        subject: dict[str, str | int] = {
            "digest": file_digest,
            "control": control,
            "reason": sentence,
        }
        with self.desk.store.transaction() as tx:
            self.desk.record(tx, Event(Kind.FILE_REFUSED, ORACLE, Boundary.HSM, subject))


def _refuse_replay(tx: Transaction, file: ReceivedFile) -> None:
    same_reference = (Batch.issuer == file.issuer) & (Batch.file_reference == file.reference)
    same = select(Batch).where(or_(same_reference, Batch.content_digest == file.content_digest))
    earlier = tx.session.scalars(same).first()
    if earlier is not None:
        raise Refused(
            Control.FILE_REPLAY,
            f"The file '{file.reference}' of {file.issuer} was received before, as batch "
            f"{earlier.id}. Nothing was changed; ask the issuer whether it meant a new one.",
        )


def _received(row: Batch, file: ReceivedFile) -> Event:
    subject: dict[str, str | int] = {
        "batch": row.id,
        "issuer": row.issuer,
        "reference": row.file_reference,
        "product": row.product,
        "count": row.count,
        "digest": file.file_digest,
    }
    return Event(Kind.BATCH_RECEIVED, ORACLE, Boundary.HSM, subject)
