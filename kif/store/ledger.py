"""The ledger's tables, as the log reads and writes them within one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, LargeBinary, Text, cast, delete, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from kif.store.models import LedgerCheckpoint, LedgerEntry, LedgerPayload, LedgerSnapshot

_AT_ONCE = 1000


def _bytes(column: InstrumentedAttribute[bytes]) -> ColumnElement[bytes]:
    """Read bytes: SQLite keeps any type in any column, or nothing, once somebody altered it."""
    return func.coalesce(cast(column, LargeBinary), b"")


_LEAF = _bytes(LedgerEntry.leaf)
_NOTE = func.coalesce(cast(LedgerCheckpoint.note, Text), "")
_HIDDEN = (_bytes(LedgerPayload.salt), _bytes(LedgerPayload.payload))
_SNAPSHOT = (LedgerSnapshot.size, _bytes(LedgerSnapshot.content), _bytes(LedgerSnapshot.mac))


@dataclass(frozen=True)
class LedgerTables:
    """Entries, payloads, checkpoints and snapshot of the database that ``session`` is on."""

    session: Session

    def add(self, index: int, leaf: bytes) -> None:
        """Add a leaf."""
        self.session.execute(insert(LedgerEntry).values(index=index, leaf=leaf))

    def add_payload(self, index: int, salt: bytes, payload: bytes) -> None:
        """Keep what an entry's commitment hides."""
        hidden = {"index": index, "salt": salt, "payload": payload}
        self.session.execute(insert(LedgerPayload).values(hidden))

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a checkpoint."""
        self.session.execute(insert(LedgerCheckpoint).values(size=size, note=note))

    def leaves(self, first: int = 0) -> Iterator[bytes]:
        """Yield every leaf from an index on, without holding them all."""
        wanted = select(_LEAF).where(LedgerEntry.index >= first).order_by(LedgerEntry.index)
        yield from self.session.scalars(wanted.execution_options(yield_per=_AT_ONCE))

    def checkpoints(self, above: int = 0) -> Iterator[tuple[int, str]]:
        """Yield size and note of every checkpoint of a size above this."""
        columns = select(LedgerCheckpoint.size, _NOTE).where(LedgerCheckpoint.size > above)
        wanted = columns.order_by(LedgerCheckpoint.size)
        yield from self.session.execute(wanted.execution_options(yield_per=_AT_ONCE))

    def payload(self, index: int) -> tuple[bytes, bytes] | None:
        """Return salt and payload of an entry, or None when there is none (any more)."""
        wanted = select(*_HIDDEN).where(LedgerPayload.index == index)
        row = self.session.execute(wanted).first()
        return None if row is None else (row[0], row[1])

    def payloads(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield index, salt and payload of every payload that there still is."""
        wanted = select(LedgerPayload.index, *_HIDDEN).order_by(LedgerPayload.index)
        yield from self.session.execute(wanted.execution_options(yield_per=_AT_ONCE))

    def snapshot(self) -> tuple[int, bytes, bytes] | None:
        """Return size, content and MAC of the snapshot, or None."""
        row = self.session.execute(select(*_SNAPSHOT).order_by(LedgerSnapshot.size.desc())).first()
        return None if row is None else (row[0], row[1], row[2])

    def put_snapshot(self, size: int, content: bytes, mac: bytes) -> None:
        """Keep a snapshot in place of the one before."""
        self.session.execute(delete(LedgerSnapshot))
        self.session.execute(insert(LedgerSnapshot).values(size=size, content=content, mac=mac))
