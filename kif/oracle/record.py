"""The oracle's record: it follows the log, decides on the state that follows, and writes groups.

A verb hands in its work. Work reads the state, records events and changes rows; all work that waits
becomes one group: one transaction, one signature over one checkpoint::

    1. catch up with what others added: hash it, check its signature, admit it;
    2. each work by itself: every event of it is admitted, or the work is taken back alone;
    3. sign the checkpoint over the group, commit, have the HSM remember the new end;
    4. only then do the answers leave.

>>> def work(step: Step) -> None:
...     step.record(JobClaimed(step.by, batch, number, station))
>>> record.write(work)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError

from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed, KifError, LedgerUnavailable
from kif.hsm.boundary import crossings
from kif.hsm.memory import Head, LogMemory
from kif.ledger.event import Boundary, Event, checked, commitment, committed_payload
from kif.ledger.form import write_time
from kif.ledger.note import Checkpoint, NoteSigner, open_checkpoint, sign_checkpoint
from kif.ledger.state import State
from kif.ledger.tail import Tail, broken
from kif.ledger.verify import follow
from kif.oracle.group import Added, Result, Step, Ticket, Work
from kif.store.engine import Store, Transaction
from kif.store.ledger import LedgerTables

_SALT = 32
_GATHERING = 0.002
"""Seconds that a group waits for as many works as the last one had."""
_SET_BACK = timedelta(minutes=1)
"""How far behind its last entry the clock may be: time services set a clock back by seconds."""


@dataclass
class Record:
    """The log of an open site, as this process knows it. Safe to use from several threads."""

    store: Store
    tail: Tail
    signers: dict[bytes, NoteSigner]
    """By public key: the one that the log is signed by, and one that comes after it."""
    memory: LogMemory
    by: tuple[str, ...]
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    correcting: bool = False
    """Whether entries may be earlier than the last one: a correction of the clock is recorded."""
    _waiting: list[Ticket[Any]] = field(default_factory=list)
    _added: Added = field(default_factory=Added)
    """What the group that is being made adds to the log."""
    _crossed: bool = False
    """Whether a key was clear on the host for the work that is being done."""
    _led: bool = False
    """Whether somebody is committing a group, or about to."""
    _last: int = 1
    """How many works the last group had."""
    _queue: threading.Condition = field(default_factory=threading.Condition)
    _turn: threading.RLock = field(default_factory=threading.RLock)
    _lost: str = ""
    """Why the state can't be trusted any more; the site has to be opened again then."""

    def write(self, work: Work[Result]) -> Result:
        """Do work in the next group and return what it gave, once that is durable.

        Raises what the work or the state machine raised; ``LedgerUnavailable`` when the group can't
        be written or signed, or the log is not where this process left it. Nothing was done then.
        """
        ticket = Ticket(work, crossed=bool(crossings()))
        with self._queue:
            self._waiting.append(ticket)
            if len(self._waiting) >= self._last:
                self._queue.notify_all()
            leads, self._led = not self._led, True
        if not leads:
            ticket.turn.wait()
        if not ticket.done:
            self._lead()
        if ticket.error is not None:
            raise ticket.error
        return ticket.result  # type: ignore[return-value]

    @contextmanager
    def deciding(self) -> Iterator[State]:
        """Look at the state of one moment alone, as ``reading`` does with the rows."""
        with self._turn:
            yield self.tail.state

    @contextmanager
    def reading(self) -> Iterator[tuple[State, Transaction]]:
        """Look at the state and the rows of one moment: no group is written meanwhile.

        Nobody writes from within: whoever leads the next group would wait for this to end.
        """
        with self._turn, self.store.reading() as tx:
            yield self.tail.state, tx

    def save(self, keep: Callable[[LedgerTables, Tail], None]) -> None:
        """Have something kept beside the log about its end, while no group is written."""
        with self._turn, self.store.transaction() as tx:
            keep(tx.ledger, self.tail)

    def signer(self) -> NoteSigner:
        """Return the key that signs the log now. Raises ``DeviceFailed`` when it is not here."""
        found = self.signers.get(self.tail.state.genesis.log_key)
        if found is None:
            raise DeviceFailed(Control.KEY_FOUND, "The token has not the key that signs the log.")
        return found

    def _lead(self) -> None:
        """Commit all that waits, the caller's own work among it; then the next that waits leads.

        Nobody waits for the lock itself: whoever just got an answer would always be first again.
        """
        with self._turn:
            with self._queue:
                # Those of the last group are most likely on their way here again.
                self._queue.wait_for(lambda: len(self._waiting) >= self._last, _GATHERING)
                tickets, self._waiting = self._waiting, []
                self._last = len(tickets)
            self._commit(tickets)
        with self._queue:
            self._led = bool(self._waiting)
            if self._led:
                self._waiting[0].turn.set()
        for ticket in tickets:
            ticket.turn.set()

    def _commit(self, tickets: list[Ticket[Any]]) -> None:
        failed: BaseException | None = None
        try:
            self._group(tickets)
        except BaseException as exc:
            failed = exc
        for ticket in tickets:
            ticket.done = True
            ticket.error = ticket.error or failed

    def _group(self, tickets: list[Ticket[Any]]) -> None:
        mark, self._added = self.tail.mark(), Added()
        try:
            with self.store.transaction() as tx:
                with _CONTINUING:
                    self._catch_up(tx.ledger)
                    mark = self.tail.mark()
                    now = self._now()
                if len(tickets) == 1:  # the transaction itself is taken back when it fails
                    tickets[0].result = self._attempt(tickets[0], tx, now)
                else:
                    self._attempt_each(tickets, tx, now)
                with _CONTINUING:
                    signed = self._sign(tx.ledger)
        except BaseException:
            self.tail.back(mark)
            raise
        if signed:
            with _CONTINUING:
                self._finish(signed)

    def _attempt_each(self, tickets: list[Ticket[Any]], tx: Transaction, now: datetime) -> None:
        """Do each work by itself; take one that fails back alone."""
        cursor = tx.connection.connection.cursor()
        for ticket in tickets:
            mark, added = self.tail.mark(), self._added.mark()
            cursor.execute("SAVEPOINT work")
            try:
                ticket.result = self._attempt(ticket, tx, now)
                cursor.execute("RELEASE work")
            except KifError as exc:
                tx.forget()
                cursor.execute("ROLLBACK TO work")
                self.tail.back(mark)
                self._added.back(added)
                ticket.error = exc

    def _attempt(self, ticket: Ticket[Any], tx: Transaction, now: datetime) -> Any:
        self._crossed = ticket.crossed
        step = Step(tx, self.tail.state, now, self.by, self._add)
        try:
            result = ticket.work(step)
            tx.flush()
        except IntegrityError as exc:
            raise _unknown_row(exc) from exc
        return result

    def _add(self, event: Event, now: datetime) -> int:
        payload, commit = committed_payload(checked(event)), None
        if payload is not None:
            salt = self.entropy(_SALT)
            commit = commitment(salt, payload)
        self._crossed = self._crossed or bool(crossings())
        boundary = Boundary.HOST if self._crossed else Boundary.HSM
        entry = self.tail.propose(event, now, commit, boundary)
        self._added.leaves.append((entry.index, self.tail.last_leaf))
        if payload is not None:
            self._added.payloads.append((entry.index, salt, payload))
        return entry.index

    def _sign(self, ledger: LedgerTables) -> Checkpoint | None:
        """Write what was added, and a signed checkpoint over it; nothing when nothing was.

        The signature is verified before anything is durable: a log with a bad one is lost.
        """
        if not self.tail.open:
            return None
        size, root = self.tail.size, self.tail.frontier.root()
        note = sign_checkpoint(self.signer(), size, root).note
        ledger.add(self._added.leaves, self._added.payloads)
        ledger.add_checkpoint(size, note)
        return open_checkpoint(note, self.tail.signed_by)

    def _finish(self, signed: Checkpoint) -> None:
        """The group is durable: it is final here, and the HSM remembers it."""
        self.tail.close_group(signed)
        try:
            self.memory.remember(Head(signed.size, signed.root))
        except BaseException:
            self._lost = (
                "The HSM could not remember the last group of the log. It was written; open the "
                "site again, and it goes on from there."
            )
            raise

    def _catch_up(self, ledger: LedgerTables) -> None:
        """Follow what other oracles added, and make sure that the log's end is still ours."""
        if self._lost:
            raise CheckFailed(Control.LEDGER_WRITABLE, self._lost)
        try:
            if self.tail.size and not self._is_the_end(ledger):
                follow(self.tail, ledger)
        except BaseException as exc:
            self._lost = str(exc)
            raise

    def _is_the_end(self, ledger: LedgerTables) -> bool:
        """Return whether nothing was added since. Raises when our last group is not there."""
        tail = self.tail
        if ledger.end() == (tail.size, tail.last_leaf, tail.size, tail.note):
            return True
        before = tail.size - 1
        leaves, checkpoints = ledger.leaves(before), ledger.checkpoints(before)
        if next(leaves, None) != tail.last_leaf:
            raise broken(f"Entry {before} is not the one that was written there.")
        if next(checkpoints, None) != (tail.size, tail.note):
            raise broken(f"The checkpoint of size {tail.size} is not the one of the log.")
        return False

    def _now(self) -> datetime:
        """Return the time, or the last entry's where a clock was set back by less than a minute."""
        now, last = self.clock(), self.tail.state.time
        if self.correcting:
            return now
        if last is not None and last > now + _SET_BACK:
            raise CheckFailed(Control.CLOCK, clock_behind(now, last))
        return now if last is None else max(now, last)


def clock_behind(now: datetime, last: datetime) -> str:
    """Return the sentence for a clock that is behind the log."""
    return (
        f"The clock says {write_time(now)}, but the ledger's last entry is of {write_time(last)}. "
        "If the clock is wrong, set it right. If it had been ahead, let two operators record that: "
        "'kif log correct-clock'."
    )


def _unknown_row(exc: IntegrityError) -> CheckFailed:
    return CheckFailed(
        Control.LEDGER_TABLES,
        f"A table has a row that the log knows nothing of, so nothing was done ({exc.orig}). 'kif "
        "log verify' compares them all.",
    )


class _Continuing:
    """Make what goes wrong with the log itself, and not with a work, ``LedgerUnavailable``."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        if isinstance(exc, KifError) and not isinstance(exc, LedgerUnavailable):
            raise LedgerUnavailable(
                exc.control, f"The ledger can't be continued, so nothing was done: {exc.sentence}"
            ) from exc


_CONTINUING = _Continuing()
