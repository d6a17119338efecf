"""What happens to a batch as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kif.formats.control import Control
from kif.ledger.event import Event
from kif.ledger.form import (
    Armour,
    BatchId,
    CheckValues,
    Count,
    Digest,
    Kcv,
    Key,
    KeyedDigest,
    Name,
    Openers,
    Reason,
    Reference,
    Sentence,
    Statement,
    one_of,
)


@dataclass(frozen=True)
class FileRefused(Event, kind="file-refused"):
    """An issuer's file was not taken. ``digest`` is of the file as it came, encrypted."""

    by: Openers
    digest: Digest
    control: Annotated[Control, one_of(Control)]
    reason: Reason


@dataclass(frozen=True)
class BatchReceived(Event, kind="batch-received"):
    """An issuer's file became a batch."""

    by: Openers
    batch: BatchId
    issuer: Name
    product: Name
    count: Count
    file_digest: Digest
    """Of the file as it came, encrypted."""
    content: KeyedDigest
    """Of the clear content, by a key in the HSM: it never comes again."""
    name: KeyedDigest
    """Of issuer and reference, by a key in the HSM: they never come together again."""
    records: Digest
    """Root over the batch's sealed records: see :mod:`kif.ledger.binding`."""
    retention: Key
    """The key that its data key is derived from; the version is the month of reception, YYYYMM."""
    derived: Kcv
    """The check value of a key derived from that one; the first batch of a window tells it."""
    seed: Digest
    """SHA-256 of the random bytes that the data key is derived over."""
    repeated: Count
    """How many of its cards came in another batch before; two people were asked, and took them."""
    reference: Reference


@dataclass(frozen=True)
class BatchPrepared(Event, kind="batch-prepared"):
    """Every record of a batch became a personalisation script."""

    by: Openers
    batch: BatchId
    profile: Digest
    """SHA-256 of the product's profile."""
    scripts: Digest
    """Root over the batch's sealed scripts."""
    keys: CheckValues
    """The keys that its cards are made with, and their check values."""


@dataclass(frozen=True)
class ApprovalGiven(Event, kind="approval-given"):
    """An operator signed the release of a batch; ``statement`` is exactly what was signed."""

    person: Name
    batch: BatchId
    statement: Statement
    signature: Armour


@dataclass(frozen=True)
class ApprovalRefused(Event, kind="approval-refused"):
    """An approval was not taken. Person and batch are as they were named, so nobody's word."""

    person: Sentence
    batch: Sentence
    control: Annotated[Control, one_of(Control)]
    reason: Reason


@dataclass(frozen=True)
class BatchReleased(Event, kind="batch-released"):
    """Two operators approved the same statement: cards may be made by its terms."""

    batch: BatchId
    count: Count


@dataclass(frozen=True)
class BatchDispatched(Event, kind="batch-dispatched"):
    """The good cards of a batch left, by a list of pseudonyms and chips."""

    by: Openers
    batch: BatchId
    count: Count
    list_digest: Digest


@dataclass(frozen=True)
class PinsExported(Event, kind="pins-exported"):
    """PIN blocks of the cards that were dispatched left for their issuer, under a zone's key."""

    by: Openers
    batch: BatchId
    key: Key
    count: Count
    file: Digest


@dataclass(frozen=True)
class PinMailersSealed(Event, kind="pin-mailers-sealed"):
    """The PINs of a batch were sealed to the printer of its mailers, on a day of their own."""

    by: Openers
    batch: BatchId
    count: Count
    recipient: Digest
    """Of the printer's certificate (DER)."""
    file: Digest


@dataclass(frozen=True)
class BatchClosed(Event, kind="batch-closed"):
    """A batch is done: received = good + suspect, and none is left over."""

    by: Openers
    batch: BatchId
    good: Count
    suspect: Count


@dataclass(frozen=True)
class BatchClosedShort(Event, kind="batch-closed-short"):
    """A batch ends with cards that were not made: received = good + suspect + left."""

    by: Openers
    batch: BatchId
    good: Count
    suspect: Count
    left: Count
    reason: Reason


@dataclass(frozen=True)
class BatchCancelled(Event, kind="batch-cancelled"):
    """A batch ends of which no card was made; its file may come again."""

    by: Openers
    batch: BatchId
    reason: Reason


@dataclass(frozen=True)
class BatchErased(Event, kind="batch-erased"):
    """The seed of a closed batch's data key was destroyed, before its window's key is."""

    by: Openers
    batch: BatchId
    reason: Reason


@dataclass(frozen=True)
class WindowErased(Event, kind="window-erased"):
    """A retention key is destroyed: no batch of its window is ever read again, nor any backup."""

    by: Openers
    key: Key
    batches: Count
    reason: Reason
