"""The engine: SQLite with full durability, transactions that take the write lock at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from kif.formats.control import Control
from kif.formats.error import LedgerUnavailable, Refused
from kif.store.ledger import LedgerTables

_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "recursive_triggers = ON",  # without it REPLACE takes rows away past the triggers
    "busy_timeout = 5000",
    "secure_delete = ON",  # what is erased is overwritten
)
# Where the schema itself is damaged, sqlite3 can't even decode its own message.
_BROKEN = (DBAPIError, sqlite3.Error, UnicodeDecodeError)


@dataclass(frozen=True)
class Transaction:
    """An open transaction: its connection, objects by a session, the ledger's part of the tables.

    There is no session until it is asked for: most groups of the log do without.
    """

    connection: Connection

    @cached_property
    def session(self) -> Session:
        """The session, whose changes are the transaction's."""
        return Session(self.connection)

    @property
    def ledger(self) -> LedgerTables:
        """The ledger's tables."""
        return LedgerTables(self.connection)

    def flush(self) -> None:
        """Write what was changed in objects."""
        if self._has_session:
            self.session.flush()

    def forget(self) -> None:
        """Let go of every object, as it was changed or not."""
        if self._has_session:
            self.session.expunge_all()

    def close(self) -> None:
        """Release the session."""
        if self._has_session:
            self.session.close()

    @property
    def _has_session(self) -> bool:
        return "session" in self.__dict__


VERSION = "0002"
"""The schema's version (Alembic)."""
APPEND_ONLY = tuple(
    f"{table}_no_{change}"
    for table in ("ledger_entry", "ledger_checkpoint")
    for change in ("update", "delete")
)
"""The triggers that refuse a change of what was written."""
_OLD = "0001"


class Store:
    """A database. Use ``transaction()`` to change, ``reading()`` to look."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer: Connection | None = None
        """The connection that changes, kept from one transaction to the next."""
        self._turn = threading.Lock()

    def migrate(self) -> None:
        """Bring the schema to the newest version."""
        from alembic import command  # here, because only a new home needs it, and it is slow
        from alembic.config import Config

        configuration = Config()
        configuration.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.transaction() as tx:
            configuration.attributes["connection"] = tx.connection
            command.upgrade(configuration, "head")

    def require_version(self) -> None:
        """Require that the schema is of this version of kif. Raises ``Refused`` (SITE)."""
        with self.reading() as tx:
            there = sqlalchemy.inspect(tx.connection).has_table("alembic_version")
            version = text("SELECT version_num FROM alembic_version")
            found = tx.connection.execute(version).scalar() if there else None
        if found == VERSION:
            return
        if found == _OLD:
            raise Refused(
                Control.SITE,
                "This home was made by kif 0.1.0, whose log does not decide what may happen. It "
                "can't be taken over, and was not changed. Hold a new genesis in another --home.",
            )
        raise Refused(
            Control.SITE,
            "The database is empty, or of a version of kif that this one does not know "
            f"({found or 'none'}). Nothing was changed. Restore it from a backup.",
        )

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit when the block ends well; leave nothing when it does not.

        Raises ``LedgerUnavailable`` when the database can't be written.
        """
        with self._turn:
            try:
                writer = self._changing()
                with writer.begin(), closing(Transaction(writer)) as tx:
                    yield tx
                    tx.flush()
            except IntegrityError:
                raise
            except _BROKEN as exc:
                self._forget_writer()
                raise LedgerUnavailable(
                    Control.LEDGER_WRITABLE,
                    f"The database can't be written ({_said(exc)}), so nothing was done. Check the "
                    "disk and the rights on it, then try again.",
                ) from exc

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Look at one consistent state. Raises ``LedgerUnavailable`` when it can't be read."""
        try:
            with self.engine.begin() as connection, closing(Transaction(connection)) as tx:
                yield tx
        except _BROKEN as exc:
            raise LedgerUnavailable(
                Control.LEDGER_WRITABLE,
                f"The database can't be read ({_said(exc)}). Check the disk and the rights on it; "
                "if the file is damaged, keep it as it is and compare it with a backup.",
            ) from exc

    def truncate_log(self) -> None:
        """Bring everything into the database's own file, so that no older page lies beside it."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close every connection."""
        self._forget_writer()
        self.engine.dispose()

    def _changing(self) -> Connection:
        if self._writer is None:
            self._writer = self.engine.connect().execution_options(kif_write=True)
        return self._writer

    def _forget_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def _said(exc: DBAPIError | sqlite3.Error | UnicodeDecodeError) -> str:
    if isinstance(exc, UnicodeDecodeError):
        return "its schema is damaged"
    return str(exc.orig if isinstance(exc, DBAPIError) else exc)


def make_store(path: Path) -> Store:
    """Make an SQLite database at a path, with the schema in it."""
    store = _store(path)
    store.migrate()
    return store


def open_store(path: Path) -> Store:
    """Open the SQLite database at a path. Raises ``Refused`` (SITE) when there is none of ours."""
    _require_file(path)
    store = _store(path)
    store.require_version()
    return store


def read_store(path: Path) -> Store:
    """Do the same for reading alone: also a copy on a medium that can't be written."""
    _require_file(path)
    alone = not path.with_name(f"{path.name}-wal").exists()
    address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, isolation_level=None)

    engine = sqlalchemy.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begun)
    store = Store(engine)
    store.require_version()
    return store


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise Refused(
            Control.SITE,
            f"There is no database at {path}. Restore it from a backup; nothing was done.",
        )


def _store(path: Path) -> Store:
    engine = sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=str(path)))
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
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
