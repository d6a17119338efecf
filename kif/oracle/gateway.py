"""The gateway's desk: envelopes are opened in the HSM, good files become batches, all is logged."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import insert

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import ENVELOPE_RECIPIENT
from kif.formats.state import JobState
from kif.formats.text import for_the_record
from kif.hsm import data
from kif.hsm.data import keyed_digest, new_seed
from kif.hsm.envelope import ContentKey, unwrap_content_key
from kif.hsm.form import derived_check_value
from kif.ledger.binding import BoundRecord, root_over, sealed_digest
from kif.ledger.events.batch import BatchReceived, FileRefused
from kif.ledger.state import State
from kif.oracle.desk import Desk, context
from kif.oracle.group import Step
from kif.oracle.messages import BatchView, IssuerView, JobRef, ReceivedCard, ReceivedFile
from kif.oracle.rows import batch_values, key_row, write_all
from kif.oracle.views import batch_view, repeated_cards
from kif.store.models import Batch, CardJob

_NAMED = 3
_ADD = insert(CardJob.__table__)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _NewBatch:
    """A batch that is being made."""

    id: str
    retention: KeyRef
    derived: str
    """The check value of a key derived from the retention key."""
    seed: bytes


@dataclass(frozen=True)
class Gateway:
    """Implements :class:`kif.oracle.interface.GatewayOracle`."""

    desk: Desk

    def recipient_certificate(self) -> str:
        """Return the bureau's certificate (PEM) that issuers envelope to."""
        with self.desk.record.deciding() as state:
            return state.genesis.certificate(ENVELOPE_RECIPIENT)

    def recipients(self) -> Sequence[tuple[KeyRef, str]]:
        """Return each key that files are taken under, with its certificate (PEM), newest first."""
        with self.desk.record.deciding() as state:
            return state.genesis.recipients()

    def issuers(self) -> Sequence[IssuerView]:
        """Return the issuer register, as the log has it."""
        with self.desk.record.deciding() as state:
            register = sorted(state.issuers.certificates.items())
        return [IssuerView(name, signer) for name, signer in register if signer is not None]

    @contextmanager
    def open_envelope(
        self, recipient: KeyRef, encrypted_key: bytes, oaep: bool
    ) -> Iterator[ContentKey]:
        """Unwrap an AES content key into the HSM; it is destroyed on exit."""
        key = unwrap_content_key(self.desk.keys.token, str(recipient), encrypted_key, oaep=oaep)
        try:
            yield key
        finally:
            key.destroy()

    def admit(self, file: ReceivedFile, *, again: bool = False) -> BatchView:
        """Make the batch, or raise ``Refused`` (FILE_REPLAY) and leave nothing behind.

        1. Refuse what came before, and cards that did, unless they may come ``again``; 2. derive
        the batch's data key in the HSM, from the retention key of its issuer and month, which is
        made when there is none; 3. protect each record; 4. batch, jobs and ledger entry in one
        group. A retention key whose first batch did not commit is taken by the next one.
        """
        protection = self.desk.keys.protection
        content = keyed_digest(protection, b"content", file.content_digest.reveal()).hex()
        label = b"reference\x00" + file.issuer.encode()
        name = keyed_digest(protection, label, file.reference.encode()).hex()
        batch = secrets.token_hex(8)
        try:
            return self.desk.record.write(partial(self._admit, batch, file, name, content, again))
        except BaseException:
            self.desk.keys.forget_batch(batch)
            raise

    def _admit(
        self, new: str, file: ReceivedFile, name: str, content: str, again: bool, step: Step
    ) -> BatchView:
        step.state.batches.require_new(file.issuer, new, name, content)
        batch = self._keyed(new, step.state.retention.window(file.issuer, step.now))
        rows = [self._row(batch, file.issuer, *card) for card in enumerate(file.cards, start=1)]
        repeated = repeated_cards(step.session, file.issuer, [row["pseudonym"] for row in rows])
        if repeated and not again:
            raise _came_before(file.issuer, repeated)
        new_window = batch.retention not in step.state.keys.known
        step.record(
            BatchReceived(
                by=step.by,
                batch=batch.id,
                issuer=file.issuer,
                product=file.product,
                count=len(file.cards),
                file_digest=file.file_digest,
                content=content,
                name=name,
                records=root_over(_bound(row) for row in rows),
                retention=batch.retention,
                derived=batch.derived,
                seed=sealed_digest(batch.seed).hex(),
                repeated=len(repeated),
                reference=file.reference,
            )
        )
        if new_window:
            step.session.add(key_row(step.state, batch.retention))
        step.session.add(_batch_row(step.state, batch, file))
        step.session.flush()
        write_all(step, _ADD, rows)
        return batch_view(step.session, batch.id)

    def _keyed(self, batch: str, retention: KeyRef) -> _NewBatch:
        """Return a batch with a seed, and the check value of its retention key."""
        keys = self.desk.keys
        derived = str(derived_check_value(keys.make_retention(retention)))
        return _NewBatch(batch, retention, derived, new_seed(keys.token))

    def _row(
        self, batch: _NewBatch, issuer: str, number: int, card: ReceivedCard
    ) -> dict[str, Any]:
        keys = self.desk.keys
        key = keys.batch(batch.id, batch.retention, batch.seed)
        bound = context(JobRef(batch.id, number), "record")
        record = data.protect(keys.token, key, card.record, bound)
        return {
            "batch_id": batch.id,
            "number": number,
            "display": card.subject.display,
            "pseudonym": data.pseudonym(keys.protection, issuer, card.subject.identity),
            "valid_until": card.valid_until,
            "state": JobState.RECEIVED,
            "record": record,
            "record_digest": sealed_digest(record),
        }

    def refuse_file(self, file_digest: str, control: Control, sentence: str) -> None:
        """Record that a file was refused, and why."""
        reason = for_the_record(sentence)
        self.desk.record.write(
            lambda step: step.record(FileRefused(step.by, file_digest, control, reason))
        )


def _came_before(issuer: str, repeated: Mapping[str, str]) -> Refused:
    batches = sorted(set(repeated.values()))
    named = ", ".join(batches[:_NAMED]) + (" and others" if len(batches) > _NAMED else "")
    return Refused(
        Control.CARD_REPEATED,
        f"{len(repeated)} cards of this file (PAN and sequence number) came from {issuer} before, "
        f"in batch {named}. Nothing was taken. If the issuer means them, as renewals with the same "
        "number are, receive the file again with --again.",
    )


def _batch_row(state: State, batch: _NewBatch, file: ReceivedFile) -> Batch:
    values = batch_values(len(state.batches.known), state.batches.require(batch.id))
    return Batch(**values, file_reference=file.reference, seed=batch.seed)


def _bound(row: Mapping[str, Any]) -> BoundRecord:
    return BoundRecord(
        row["number"],
        row["display"],
        row["pseudonym"],
        row["valid_until"].isoformat(),
        row["record_digest"],
    )
