"""The gateway's desk: envelopes are opened in the HSM, good files become batches, all is logged."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from kif.formats.control import Control
from kif.formats.state import BatchState, JobState
from kif.formats.text import for_the_record
from kif.hsm.data import generate_batch_key, keyed_digest, pseudonym
from kif.hsm.envelope import ContentKey, unwrap_content_key
from kif.ledger.binding import BoundRecord, root_over, sealed_digest
from kif.ledger.events.batch import BatchReceived, FileRefused
from kif.oracle.desk import Desk, batch_view
from kif.oracle.group import Step
from kif.oracle.interface import BatchView, IssuerView, JobRef, ReceivedCard, ReceivedFile
from kif.oracle.keys import RECIPIENT
from kif.store.models import Batch, CardJob


@dataclass(frozen=True)
class Gateway:
    """Implements :class:`kif.oracle.interface.GatewayOracle`."""

    desk: Desk

    def recipient_certificate(self) -> str:
        """Return the bureau's certificate (PEM) that issuers envelope to."""
        with self.desk.record.reading() as (state, _):
            return state.genesis.certificates[str(RECIPIENT)]

    def issuers(self) -> Sequence[IssuerView]:
        """Return the issuer register, as the log has it."""
        with self.desk.record.reading() as (state, _):
            return [IssuerView(*each) for each in sorted(state.issuers.certificates.items())]

    @contextmanager
    def open_envelope(self, encrypted_key: bytes) -> Iterator[ContentKey]:
        """Unwrap an AES content key into the HSM; it is destroyed on exit."""
        key = unwrap_content_key(self.desk.keys.token, str(RECIPIENT), encrypted_key)
        try:
            yield key
        finally:
            key.destroy()

    def admit(self, file: ReceivedFile) -> BatchView:
        """Make the batch, or raise ``Refused`` (FILE_REPLAY) and leave nothing behind.

        1. Refuse what came before; 2. make the batch's data key in the HSM; 3. protect each record;
        4. batch, jobs and ledger entry in one group. A key whose batch did not commit is destroyed
        by :mod:`kif.oracle.recovery`.
        """
        protection = self.desk.keys.protection
        content = keyed_digest(protection, b"content", file.content_digest.reveal()).hex()
        label = b"reference\x00" + file.issuer.encode()
        name = keyed_digest(protection, label, file.reference.encode()).hex()
        return self.desk.record.write(partial(self._admit, file, name, content))

    def _admit(self, file: ReceivedFile, name: str, content: str, step: Step) -> BatchView:
        batch = secrets.token_hex(8)
        earlier = step.state.batches.earlier(name, content)
        if earlier is None:
            generate_batch_key(self.desk.keys.token, batch)
        rows = (
            [] if earlier else [self._job(batch, file.issuer, *c) for c in enumerate(file.cards, 1)]
        )
        step.record(
            BatchReceived(
                by=step.by,
                batch=batch,
                issuer=file.issuer,
                product=file.product,
                count=len(file.cards),
                file_digest=file.file_digest,
                content=content,
                name=name,
                records=root_over(_bound(row) for row in rows),
                reference=file.reference,
            )
        )
        known = step.state.batches.require(batch)
        step.session.add(
            Batch(
                id=batch,
                place=len(step.state.batches.known),
                issuer=file.issuer,
                file_reference=file.reference,
                product=file.product,
                count=known.count,
                state=BatchState.RECEIVED,
                records=known.records,
                profile="",
                scripts="",
            )
        )
        step.session.flush()
        step.session.add_all(rows)
        step.session.flush()
        return batch_view(step.session, batch)

    def _job(self, batch: str, issuer: str, number: int, card: ReceivedCard) -> CardJob:
        record = self.desk.protect(JobRef(batch, number), card.record, "record")
        return CardJob(
            batch_id=batch,
            number=number,
            display=card.subject.display,
            pseudonym=pseudonym(self.desk.keys.protection, issuer, card.subject.identity),
            valid_until=card.valid_until,
            state=JobState.RECEIVED,
            record=record,
            record_digest=sealed_digest(record),
        )

    def refuse_file(self, file_digest: str, control: Control, sentence: str) -> None:
        """Record that a file was refused, and why."""
        reason = for_the_record(sentence)
        self.desk.record.write(
            lambda step: step.record(FileRefused(step.by, file_digest, control, reason))
        )


def _bound(row: CardJob) -> BoundRecord:
    return BoundRecord(
        row.number, row.display, row.pseudonym, row.valid_until.isoformat(), row.record_digest
    )
