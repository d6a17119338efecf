"""The engine: SQLite with full durability, transactions that take the write lock at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from kif.formats.control import Control
from kif.formats.error import LedgerUnavailable
from kif.store.ledger import LedgerTables

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "recursive_triggers = ON",  # without it REPLACE takes rows away past the triggers
    "busy_timeout = 5000",
)
# Where the schema itself is damaged, sqlite3 can't even decode its own message.
_BROKEN = (DBAPIError, UnicodeDecodeError)


@dataclass(frozen=True)
class Transaction:
    """An open transaction: the tables, and the ledger's part of them."""

    session: Session
    ledger: LedgerTables


class Store:
    """A database. Use ``transaction()`` to change, ``reading()`` to look."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def migrate(self) -> None:
        """Bring the schema to the newest version."""
        configuration = Config()
        configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._writing() as session:
            configuration.attributes["connection"] = session.connection()
            command.upgrade(configuration, "head")

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit when the block ends well; leave nothing when it does not.

        Raises ``LedgerUnavailable`` when the database can't be written.
        """
        with self._writing() as session:
            yield Transaction(session, LedgerTables(session))

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Look at one consistent state. Raises ``LedgerUnavailable`` when it can't be read."""
        try:
            with Session(self.engine) as session:
                yield Transaction(session, LedgerTables(session))
        except _BROKEN as exc:
            raise LedgerUnavailable(
                Control.LEDGER_WRITABLE,
                f"The database can't be read ({_said(exc)}). Check the disk and the rights on it; "
                "if the file is damaged, keep it as it is and compare it with a backup.",
            ) from exc

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        try:
            with Session(self.engine) as session:
                session.connection(execution_options={"kif_write": True})
                yield session
                session.commit()
        except IntegrityError:
            raise
        except _BROKEN as exc:
            raise LedgerUnavailable(
                Control.LEDGER_WRITABLE,
                f"The database can't be written ({_said(exc)}), so nothing was done. Check the "
                "disk and the rights on it, then try again.",
            ) from exc


def _said(exc: DBAPIError | UnicodeDecodeError) -> str:
    return str(exc.orig) if isinstance(exc, DBAPIError) else "its schema is damaged"


def open_store(path: Path) -> Store:
    """Open, or make, the SQLite database at a path."""
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    return Store(engine)


def _connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Take transactions into our own hands: sqlite3's implicit BEGIN comes too late."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begun(connection: Connection) -> None:
    writes = connection.get_execution_options().get("kif_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
