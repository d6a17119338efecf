"""The ledger's tables, as the log reads and writes them within one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from kif.store.models import LedgerCheckpoint, LedgerEntry, LedgerPayload, LedgerSnapshot


def _bytes(column: InstrumentedAttribute[bytes]) -> ColumnElement[bytes]:
    """Read bytes: SQLite keeps any type in any column, or nothing, once somebody altered it."""
    return func.coalesce(cast(column, LargeBinary), b"")


_AT_ONCE = {"yield_per": 1000}
_NOTE = func.coalesce(cast(LedgerCheckpoint.note, Text), "")
_HIDDEN = (_bytes(LedgerPayload.salt), _bytes(LedgerPayload.payload))
_SNAPSHOT = (LedgerSnapshot.size, _bytes(LedgerSnapshot.content), _bytes(LedgerSnapshot.mac))
# The statements that every group runs are built once.
_LEAVES = (
    select(_bytes(LedgerEntry.leaf))
    .where(LedgerEntry.index >= bindparam("first"))
    .order_by(LedgerEntry.index)
)
_CHECKPOINTS = (
    select(LedgerCheckpoint.size, _NOTE)
    .where(LedgerCheckpoint.size > bindparam("above"))
    .order_by(LedgerCheckpoint.size)
)
_LAST_LEAF = select(func.max(LedgerEntry.index)).scalar_subquery()
_LAST_SIZE = select(func.max(LedgerCheckpoint.size)).scalar_subquery()
_END = select(
    func.coalesce(_LAST_LEAF, -1),
    select(_bytes(LedgerEntry.leaf)).where(LedgerEntry.index == _LAST_LEAF).scalar_subquery(),
    func.coalesce(_LAST_SIZE, 0),
    select(_NOTE).where(LedgerCheckpoint.size == _LAST_SIZE).scalar_subquery(),
)
_ADD_LEAF = insert(LedgerEntry.__table__)  # type: ignore[arg-type]
_ADD_PAYLOAD = insert(LedgerPayload.__table__)  # type: ignore[arg-type]
_ADD_CHECKPOINT = insert(LedgerCheckpoint.__table__)  # type: ignore[arg-type]


@dataclass(frozen=True)
class LedgerTables:
    """Entries, payloads, checkpoints and snapshot of the database that ``session`` is on."""

    session: Session

    def add(
        self, leaves: Sequence[tuple[int, bytes]], payloads: Sequence[tuple[int, bytes, bytes]] = ()
    ) -> None:
        """Add leaves by their index, and payloads: index, salt, and what a commitment hides."""
        connection = self.session.connection()
        connection.execute(_ADD_LEAF, [{"index": index, "leaf": leaf} for index, leaf in leaves])
        if payloads:
            names = ("index", "salt", "payload")
            hidden = [dict(zip(names, each, strict=True)) for each in payloads]
            connection.execute(_ADD_PAYLOAD, hidden)

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a checkpoint."""
        self.session.connection().execute(_ADD_CHECKPOINT, {"size": size, "note": note})

    def leaves(self, first: int = 0) -> Iterator[bytes]:
        """Yield every leaf from an index on, without holding them all."""
        connection = self.session.connection()
        yield from connection.scalars(_LEAVES, {"first": first}, execution_options=_AT_ONCE)

    def checkpoints(self, above: int = 0) -> Iterator[tuple[int, str]]:
        """Yield size and note of every checkpoint of a size above this."""
        connection = self.session.connection()
        yield from connection.execute(_CHECKPOINTS, {"above": above}, execution_options=_AT_ONCE)

    def end(self) -> tuple[int, bytes, int, str]:
        """Return how many entries there are, the last leaf, the last checkpoint's size and note."""
        row = self.session.connection().execute(_END).one()
        return row[0] + 1, row[1] or b"", row[2], row[3] or ""

    def payload(self, index: int) -> tuple[bytes, bytes] | None:
        """Return salt and payload of an entry, or None when there is none (any more)."""
        wanted = select(*_HIDDEN).where(LedgerPayload.index == index)
        row = self.session.execute(wanted).first()
        return None if row is None else (row[0], row[1])

    def payloads(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield index, salt and payload of every payload that there still is."""
        wanted = select(LedgerPayload.index, *_HIDDEN).order_by(LedgerPayload.index)
        yield from self.session.execute(wanted.execution_options(**_AT_ONCE))

    def forget_payload(self, index: int) -> None:
        """Erase the salt and payload of an entry; its commitment stays."""
        self.session.execute(delete(LedgerPayload).where(LedgerPayload.index == index))

    def snapshot(self) -> tuple[int, bytes, bytes] | None:
        """Return size, content and MAC of the snapshot, or None."""
        row = self.session.execute(select(*_SNAPSHOT).order_by(LedgerSnapshot.size.desc())).first()
        return None if row is None else (row[0], row[1], row[2])

    def put_snapshot(self, size: int, content: bytes, mac: bytes) -> None:
        """Keep a snapshot in place of the one before."""
        self.session.execute(delete(LedgerSnapshot))
        self.session.execute(insert(LedgerSnapshot).values(size=size, content=content, mac=mac))
