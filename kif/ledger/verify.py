"""Verification: every byte is read again, and nothing is believed that can be recomputed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from kif.formats.error import BadInput
from kif.ledger.event import Entry
from kif.ledger.note import Checkpoint, names_key, open_checkpoint
from kif.ledger.state import State
from kif.ledger.tail import Tail, broken


class LedgerReader(Protocol):
    """What verification reads, in the order in which it was written."""

    def leaves(self, first: int = 0) -> Iterator[bytes]:
        """Yield every leaf from an index on, without holding them all."""

    def checkpoints(self, above: int = 0) -> Iterator[tuple[int, str]]:
        """Yield size and note of every checkpoint of a size above this."""

    def payloads(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield index, salt and payload of every payload that there still is."""


Seen = Callable[[Entry], None]


@dataclass(frozen=True)
class LogReport:
    """What was verified, and the state that follows from it."""

    size: int
    root: bytes
    checkpoints: int
    last: Checkpoint
    verifier: str
    """The key that it was verified against: of its beginning."""
    signed_by: str
    """The key that signs it now."""
    state: State


def verify_log(reader: LedgerReader, verifier: str, seen: Seen = lambda entry: None) -> LogReport:
    """Verify a whole log against its verifier key. Raises ``CheckFailed`` naming the first fault.

    ``seen`` is handed every entry, with its committed fields where they are still there.

    1. Each leaf is canonical, at its place and in its group, and the state machine admits it;
    2. each payload that is there fits its commitment; 3. each group has its checkpoint, signed over
    the recomputed root; 4. the last checkpoint covers the last leaf. Memory grows with open cards
    and by ten bytes for each chip, not with entries.
    """
    tail = Tail.of(verifier)
    payloads = _Payloads(reader.payloads())
    last = follow(tail, reader, lambda entry: seen(payloads.check(entry)))
    payloads.end()
    if last is None:
        raise broken("The log has no entries.")
    root = tail.frontier.root()
    return LogReport(tail.size, root, tail.groups, last, verifier, tail.signed_by, tail.state)


def follow(tail: Tail, reader: LedgerReader, seen: Seen = lambda entry: None) -> Checkpoint | None:
    """Follow a log from where ``tail`` stands to its end; None when there is nothing more.

    A checkpoint's signature is verified before the entries that it covers are read, unless another
    key signed it, which these entries have to bring.
    """
    checkpoints = reader.checkpoints(tail.size)
    ahead, last = _ahead(tail, checkpoints), None
    for leaf in reader.leaves(tail.size):
        if ahead is None:
            raise _unsigned(tail)
        seen(tail.follow(leaf))
        if tail.size == ahead.size:
            last = ahead.checkpoint or open_checkpoint(ahead.note, tail.signed_by)
            tail.close_group(last)
            ahead = _ahead(tail, checkpoints)
    if ahead is not None:
        raise broken(
            f"There is a checkpoint of size {ahead.size}, but only {tail.size} entries lead up to "
            "it."
        )
    return last


@dataclass(frozen=True)
class _Ahead:
    """The next checkpoint; opened already when the key of the log signed it."""

    size: int
    note: str
    checkpoint: Checkpoint | None


def _ahead(tail: Tail, checkpoints: Iterator[tuple[int, str]]) -> _Ahead | None:
    found = next(checkpoints, None)
    if found is None:
        return None
    size, note = found
    ours = not tail.state.genesis.closed or names_key(note, tail.signed_by)
    return _Ahead(size, note, open_checkpoint(note, tail.signed_by) if ours else None)


class _Payloads:
    """Walks the payloads beside the entries."""

    def __init__(self, stored: Iterator[tuple[int, bytes, bytes]]) -> None:
        self._stored = stored
        self._next = next(stored, None)

    def check(self, entry: Entry) -> Entry:
        """Check the payload of an entry, if there still is one; return the entry with it."""
        if self._next is None or self._next[0] != entry.index:
            return entry
        _, salt, payload = self._next
        self._next = next(self._stored, None)
        try:
            return entry.disclosed(salt, payload)
        except BadInput:
            raise broken(
                f"The payload of entry {entry.index} is not the one it was committed to."
            ) from None

    def end(self) -> None:
        """Check that every payload has its entry."""
        if self._next is not None:
            raise broken(f"There is a payload for entry {self._next[0]}, which does not exist.")


def _unsigned(tail: Tail) -> Exception:
    return broken(
        f"The log has more entries than its last checkpoint covers: {tail.groups} checkpoints end "
        f"before entry {tail.size}."
    )
