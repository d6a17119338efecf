"""Verification: every byte is read again, and nothing is believed that can be recomputed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.ledger.balance import Balance, BatchBalance
from kif.ledger.event import Entry, commitment
from kif.ledger.log import LedgerReader
from kif.ledger.merkle import Frontier
from kif.ledger.note import Checkpoint, open_checkpoint


@dataclass(frozen=True)
class LogReport:
    """What was verified."""

    size: int
    root: bytes
    checkpoints: int
    last: Checkpoint
    batches: Mapping[str, BatchBalance]


def verify_log(reader: LedgerReader, verifier: str) -> LogReport:
    """Verify a whole log against its verifier key. Raises ``CheckFailed`` naming the first fault.

    1. Each leaf is canonical, at its place, not earlier than the one before; 2. each payload that
    is there fits its commitment; 3. the entries balance; 4. at each checkpoint the recomputed root
    is the signed one; 5. the last checkpoint covers the last leaf. Memory grows with the
    number of cards, not with that of entries.
    """
    checkpoints = _Checkpoints(reader.checkpoints(), verifier)
    balance, frontier, previous = Balance(), Frontier(), None
    for leaf in reader.leaves():
        entry = _read(leaf, frontier.size)
        if previous is not None and entry.time < previous.time:
            raise _broken(f"Entry {entry.index} is earlier than the entry before it.")
        _check_payload(reader, entry)
        balance.follow(entry)
        frontier, previous = frontier.append(leaf), entry
        checkpoints.reach(frontier)
    last = checkpoints.end(frontier)
    return LogReport(frontier.size, frontier.root(), checkpoints.count, last, balance.batches)


class _Checkpoints:
    """Walks the checkpoints beside the leaves."""

    def __init__(self, stored: Iterator[tuple[int, str]], verifier: str) -> None:
        self._stored = stored
        self._verifier = verifier
        self._next = next(stored, None)
        self._last: Checkpoint | None = None
        self.count = 0

    def reach(self, frontier: Frontier) -> None:
        """Check the checkpoint of this size, if there is one."""
        if self._next is None or self._next[0] != frontier.size:
            return
        size, note = self._next
        checkpoint = open_checkpoint(note, self._verifier)
        if (checkpoint.size, checkpoint.root) != (size, frontier.root()):
            raise _broken(
                f"The checkpoint of size {size} was signed over other entries than the "
                f"{frontier.size} that stand before it."
            )
        self._last, self._next = checkpoint, next(self._stored, None)
        self.count += 1

    def end(self, frontier: Frontier) -> Checkpoint:
        """Check that nothing stands after the last checkpoint, and none after the last leaf."""
        if self._next is not None:
            raise _broken(
                f"There is a checkpoint of size {self._next[0]}, but only {frontier.size} entries "
                "lead up to it."
            )
        if self._last is None or self._last.size != frontier.size:
            signed = 0 if self._last is None else self._last.size
            raise _broken(f"The log has {frontier.size} entries, but only {signed} are signed.")
        return self._last


def _read(leaf: bytes, index: int) -> Entry:
    try:
        entry = Entry.decode(leaf)
    except BadInput as exc:
        raise _broken(f"Entry {index} can't be read: {exc.sentence}") from None
    if entry.index != index:
        raise _broken(f"Entry {entry.index} stands at place {index}.")
    return entry


def _check_payload(reader: LedgerReader, entry: Entry) -> None:
    if entry.commit is None:
        return
    hidden = reader.payload(entry.index)
    if hidden is not None and commitment(*hidden) != entry.commit:
        raise _broken(f"The payload of entry {entry.index} is not the one it was committed to.")


def _broken(sentence: str) -> CheckFailed:
    return CheckFailed(
        Control.LEDGER_INTACT,
        f"{sentence} The ledger was altered or damaged; keep it as it is, and compare it with a "
        "backup.",
    )
