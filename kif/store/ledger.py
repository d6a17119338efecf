"""The ledger's tables, as the log reads and writes them within one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from kif.store.models import LedgerCheckpoint, LedgerEntry, LedgerPayload

_AT_ONCE = 1000


@dataclass(frozen=True)
class LedgerTables:
    """Entries, payloads and checkpoints of the database that ``session`` is on."""

    session: Session

    def frontier(self) -> bytes | None:
        """Return the encoded frontier of the last checkpoint, or None in a new log."""
        last = select(LedgerCheckpoint.frontier).order_by(LedgerCheckpoint.size.desc()).limit(1)
        return self.session.scalars(last).first()

    def add(self, index: int, leaf: bytes) -> None:
        """Add a leaf."""
        self.session.add(LedgerEntry(index=index, leaf=leaf))

    def add_payload(self, index: int, salt: bytes, payload: bytes) -> None:
        """Keep what an entry's commitment hides."""
        self.session.flush()
        self.session.add(LedgerPayload(index=index, salt=salt, payload=payload))

    def add_checkpoint(self, size: int, note: str, frontier: bytes) -> None:
        """Keep a checkpoint."""
        self.session.add(LedgerCheckpoint(size=size, note=note, frontier=frontier))
        self.session.flush()

    def leaves(self) -> Iterator[bytes]:
        """Yield every leaf, without holding them all."""
        wanted = select(LedgerEntry.leaf).order_by(LedgerEntry.index)
        yield from self.session.scalars(wanted.execution_options(yield_per=_AT_ONCE))

    def checkpoints(self) -> Iterator[tuple[int, str]]:
        """Yield size and note of every checkpoint."""
        columns = select(LedgerCheckpoint.size, LedgerCheckpoint.note)
        wanted = columns.order_by(LedgerCheckpoint.size)
        yield from self.session.execute(wanted.execution_options(yield_per=_AT_ONCE))

    def payload(self, index: int) -> tuple[bytes, bytes] | None:
        """Return salt and payload of an entry, or None when there is none (any more)."""
        row = self.session.get(LedgerPayload, index)
        return None if row is None else (row.salt, row.payload)
