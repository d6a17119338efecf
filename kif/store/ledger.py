"""The ledger's tables, as the log reads and writes them within one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute

from kif.store.models import LedgerCheckpoint, LedgerEntry, LedgerPayload, LedgerSnapshot
from kif.store.statement import Statement


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
_END = Statement(
    select(
        func.coalesce(_LAST_LEAF, -1),
        select(_bytes(LedgerEntry.leaf)).where(LedgerEntry.index == _LAST_LEAF).scalar_subquery(),
        func.coalesce(_LAST_SIZE, 0),
        select(_NOTE).where(LedgerCheckpoint.size == _LAST_SIZE).scalar_subquery(),
    )
)
_ADD_LEAF = Statement(insert(LedgerEntry))
_ADD_PAYLOAD = Statement(insert(LedgerPayload))
_ADD_CHECKPOINT = Statement(insert(LedgerCheckpoint))


@dataclass(frozen=True)
class LedgerTables:
    """Entries, payloads, checkpoints and snapshot, within the transaction of a connection."""

    connection: Connection

    def add(
        self, leaves: Sequence[tuple[int, bytes]], payloads: Sequence[tuple[int, bytes, bytes]] = ()
    ) -> None:
        """Add leaves by their index, and payloads: index, salt, and what a commitment hides."""
        told = ({"index": index, "leaf": leaf} for index, leaf in leaves)
        _ADD_LEAF.run_for_each(self.connection, told)
        if payloads:
            names = ("index", "salt", "payload")
            hidden = (dict(zip(names, each, strict=True)) for each in payloads)
            _ADD_PAYLOAD.run_for_each(self.connection, hidden)

    def add_checkpoint(self, size: int, note: str) -> None:
        """Keep a checkpoint."""
        _ADD_CHECKPOINT.run(self.connection, {"size": size, "note": note})

    def leaves(self, first: int = 0) -> Iterator[bytes]:
        """Yield every leaf from an index on, without holding them all."""
        yield from self.connection.scalars(_LEAVES, {"first": first}, execution_options=_AT_ONCE)

    def checkpoints(self, above: int = 0) -> Iterator[tuple[int, str]]:
        """Yield size and note of every checkpoint of a size above this."""
        above_that = {"above": above}
        yield from self.connection.execute(_CHECKPOINTS, above_that, execution_options=_AT_ONCE)

    def end(self) -> tuple[int, bytes, int, str]:
        """Return how many entries there are, the last leaf, the last checkpoint's size and note."""
        (row,) = _END.run(self.connection)
        return row[0] + 1, row[1] or b"", row[2], row[3] or ""

    def payload(self, index: int) -> tuple[bytes, bytes] | None:
        """Return salt and payload of an entry, or None when there is none (any more)."""
        wanted = select(*_HIDDEN).where(LedgerPayload.index == index)
        row = self.connection.execute(wanted).first()
        return None if row is None else (row[0], row[1])

    def payloads(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield index, salt and payload of every payload that there still is."""
        wanted = select(LedgerPayload.index, *_HIDDEN).order_by(LedgerPayload.index)
        yield from self.connection.execute(wanted.execution_options(**_AT_ONCE))

    def forget_payload(self, index: int) -> None:
        """Erase the salt and payload of an entry; its commitment stays."""
        self.connection.execute(delete(LedgerPayload).where(LedgerPayload.index == index))

    def snapshot(self) -> tuple[int, bytes, bytes] | None:
        """Return size, content and MAC of the snapshot, or None."""
        newest = select(*_SNAPSHOT).order_by(LedgerSnapshot.size.desc())
        row = self.connection.execute(newest).first()
        return None if row is None else (row[0], row[1], row[2])

    def put_snapshot(self, size: int, content: bytes, mac: bytes) -> None:
        """Keep a snapshot in place of the one before."""
        self.connection.execute(delete(LedgerSnapshot))
        self.connection.execute(insert(LedgerSnapshot).values(size=size, content=content, mac=mac))
