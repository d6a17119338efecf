"""What a group is made of: works that wait, and what they add to the log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from kif.ledger.event import Event
from kif.ledger.state import State
from kif.store.engine import Transaction

Result = TypeVar("Result")


@dataclass(frozen=True)
class Step:
    """One work within a group: the state that it decides on, and the rows that it changes."""

    tx: Transaction
    state: State
    now: datetime
    by: tuple[str, ...]
    """The two operators who opened the token."""
    _record: Callable[[Event, datetime], int]

    @property
    def connection(self) -> Connection:
        """The connection that the group's transaction is on."""
        return self.tx.connection

    @property
    def session(self) -> Session:
        """The transaction's objects."""
        return self.tx.session

    def record(self, event: Event, time: datetime | None = None) -> int:
        """Admit an event and add it to the log; return its index. Raises what the state says.

        ``time`` is for what happened before there was a log: the group's own time otherwise.
        """
        return self._record(event, time or self.now)


Work = Callable[[Step], Result]


@dataclass
class Ticket(Generic[Result]):
    """Work that waits, and what came of it."""

    work: Work[Result]
    crossed: bool = False
    """Whether a key was clear on the host before, for this work."""
    result: Result | None = None
    error: BaseException | None = None
    done: bool = False
    turn: threading.Event = field(default_factory=threading.Event)
    """Set when the work is done, or when it is this one's turn to lead."""


@dataclass
class Added:
    """Leaves and payloads of a group, written together at its end."""

    leaves: list[tuple[int, bytes]] = field(default_factory=list)
    payloads: list[tuple[int, bytes, bytes]] = field(default_factory=list)

    def mark(self) -> tuple[int, int]:
        """Return where the lists end now, for ``back``."""
        return len(self.leaves), len(self.payloads)

    def back(self, mark: tuple[int, int]) -> None:
        """Drop what came since a mark."""
        del self.leaves[mark[0] :]
        del self.payloads[mark[1] :]
