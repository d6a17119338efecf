"""The ledger's tables, as the log reads and writes them within one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, LargeBinary, Text, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from kif.store.models import LedgerCheckpoint, LedgerEntry, LedgerPayload

_AT_ONCE = 1000


def _bytes(column: InstrumentedAttribute[bytes]) -> ColumnElement[bytes]:
    """Read bytes: SQLite keeps any type in any column, or nothing, once somebody altered it."""
    return func.coalesce(cast(column, LargeBinary), b"")


_LEAF = _bytes(LedgerEntry.leaf)
_NOTE = func.coalesce(cast(LedgerCheckpoint.note, Text), "")
_FRONTIER = _bytes(LedgerCheckpoint.frontier)
_HIDDEN = (_bytes(LedgerPayload.salt), _bytes(LedgerPayload.payload))


@dataclass(frozen=True)
class LedgerTables:
    """Entries, payloads and checkpoints of the database that ``session`` is on."""

    session: Session

    def last_checkpoint(self) -> tuple[str, bytes] | None:
        """Return note and encoded frontier of the last checkpoint, or None in a new log."""
        last = select(_NOTE, _FRONTIER).order_by(LedgerCheckpoint.size.desc()).limit(1)
        row = self.session.execute(last).first()
        return None if row is None else (row[0], row[1])

    def leaf(self, index: int) -> bytes | None:
        """Return a leaf, or None when there is none at this index."""
        return self.session.scalars(select(_LEAF).where(LedgerEntry.index == index)).first()

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
        wanted = select(_LEAF).order_by(LedgerEntry.index)
        yield from self.session.scalars(wanted.execution_options(yield_per=_AT_ONCE))

    def checkpoints(self) -> Iterator[tuple[int, str]]:
        """Yield size and note of every checkpoint."""
        columns = select(LedgerCheckpoint.size, _NOTE)
        wanted = columns.order_by(LedgerCheckpoint.size)
        yield from self.session.execute(wanted.execution_options(yield_per=_AT_ONCE))

    def payload(self, index: int) -> tuple[bytes, bytes] | None:
        """Return salt and payload of an entry, or None when there is none (any more)."""
        wanted = select(*_HIDDEN).where(LedgerPayload.index == index)
        row = self.session.execute(wanted).first()
        return None if row is None else (row[0], row[1])
