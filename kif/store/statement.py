"""Statements of which every card needs several: compiled once, and run by the driver itself.

SQLAlchemy's own execution of a statement takes some 150 µs, the driver's 10: a group of the log
runs five.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

Row = tuple[Any, ...]
_DIALECT: Any = sqlite.dialect()
_Processor = Callable[[Any], Any] | None


class Statement:
    """A statement with its parameters by name; values and rows are of the columns' types.

    Raises what SQLAlchemy raises (``sqlalchemy.exc.DBAPIError``), without the values.
    """

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)
        self._sql = str(compiled)
        named = {name: each for each, name in compiled.bind_names.items()}
        self._fixed = {name: each.value for name, each in named.items() if not each.required}
        order = compiled.positiontup
        self._parameters = [(name, _bound(named[name].type)) for name in order]
        columns = getattr(statement, "exported_columns", ())
        self._columns: list[_Processor] = [
            each.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) for each in columns
        ]

    def run(self, connection: Connection, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Run it; return every row."""
        given = self._given(values or {})
        return self._read(self._done(lambda: _driver(connection).execute(self._sql, given)))

    def run_for_each(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each of some values; it has no rows."""
        given = [self._given(values) for values in rows]
        self._done(lambda: _driver(connection).executemany(self._sql, given))

    def _given(self, values: Mapping[str, Any]) -> list[Any]:
        known = {**self._fixed, **values}
        return [known[name] if to is None else to(known[name]) for name, to in self._parameters]

    def _done(self, execute: Callable[[], sqlite3.Cursor]) -> list[Row]:
        try:
            return execute().fetchall()
        except sqlite3.Error as exc:
            raise DBAPIError.instance(
                self._sql, None, exc, sqlite3.Error, hide_parameters=True
            ) from exc

    def _read(self, rows: list[Row]) -> list[Row]:
        if not any(self._columns):
            return rows
        return [
            tuple(
                value if read is None else read(value)
                for value, read in zip(row, self._columns, strict=True)
            )
            for row in rows
        ]


def _bound(kind: TypeEngine[Any]) -> _Processor:
    return kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
