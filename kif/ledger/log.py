"""Appending: entries and a signed checkpoint over them, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import CheckFailed, KifError, LedgerUnavailable
from kif.ledger.event import Entry, Event, commitment, encode
from kif.ledger.merkle import Frontier
from kif.ledger.note import (
    Checkpoint,
    NoteSigner,
    encode_verifier,
    open_checkpoint,
    sign_checkpoint,
)

_SALT = 32
_SET_BACK = timedelta(minutes=1)
"""How far behind its last entry the clock may be: time services set a clock back by seconds."""


class LedgerReader(Protocol):
    """What verification reads, in the order in which it was written."""

    def leaves(self) -> Iterator[bytes]:
        """Yield every leaf, without holding them all."""

    def checkpoints(self) -> Iterator[tuple[int, str]]:
        """Yield size and note of every checkpoint."""

    def payload(self, index: int) -> tuple[bytes, bytes] | None:
        """Return salt and payload of an entry, or None when there is none (any more)."""


class LedgerStore(LedgerReader, Protocol):
    """What the log writes to, within one open transaction of the database."""

    def last_checkpoint(self) -> tuple[str, bytes] | None:
        """Return note and encoded frontier of the last checkpoint, or None in a new log."""

    def leaf(self, index: int) -> bytes | None:
        """Return a leaf, or None when there is none at this index."""

    def add(self, index: int, leaf: bytes) -> None:
        """Add a leaf."""

    def add_payload(self, index: int, salt: bytes, payload: bytes) -> None:
        """Keep what an entry's commitment hides."""

    def add_checkpoint(self, size: int, note: str, frontier: bytes) -> None:
        """Keep a checkpoint."""


@dataclass(frozen=True)
class Log:
    """The log of a site; the signer's name is its origin."""

    signer: NoteSigner
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]

    def append(self, store: LedgerStore, events: Sequence[Event]) -> Checkpoint:
        """Append events and sign the checkpoint over them.

        Raises ``LedgerUnavailable`` when they can't be written or signed, when the stored log does
        not end where this key signed that it ends, or when the clock is behind its last entry; the
        caller's transaction ends then, and with it whatever the events would have allowed.
        """
        try:
            return self._append(store, events)
        except KifError as exc:
            raise LedgerUnavailable(
                Control.LEDGER_WRITABLE,
                f"The ledger can't be continued, so nothing was done: {exc.sentence}",
            ) from exc

    def _append(self, store: LedgerStore, events: Sequence[Event]) -> Checkpoint:
        frontier = self._frontier(store)
        time = self._time(store, frontier.size)
        for event in events:
            commit = self._commit(store, frontier.size, event)
            leaf = encode(event, frontier.size, time, commit)
            store.add(frontier.size, leaf)
            frontier = frontier.append(leaf)
        checkpoint = sign_checkpoint(self.signer, frontier.size, frontier.root())
        store.add_checkpoint(frontier.size, checkpoint.note, frontier.encode())
        return checkpoint

    def _frontier(self, store: LedgerStore) -> Frontier:
        """Return where the log ends.

        A frontier out of the database is believed only under this log's signature: otherwise
        whoever can write to the database would have another history signed by the next entry.
        """
        last = store.last_checkpoint()
        if last is None:
            return Frontier()
        note, encoded = last
        signed = open_checkpoint(note, encode_verifier(self.signer.name, self.signer.public_key))
        try:
            frontier = Frontier.decode(encoded)
        except ValueError:
            raise _unsigned(signed.size) from None
        if (frontier.size, frontier.root()) != (signed.size, signed.root):
            raise _unsigned(signed.size)
        return frontier

    def _time(self, store: LedgerStore, size: int) -> datetime:
        """Return the time, or the last entry's where a clock was set back by less than a minute.

        An entry earlier than the one before it would never verify again.
        """
        now = self.clock()
        last = Entry.decode(store.leaf(size - 1) or b"").time if size else now
        if last > now + _SET_BACK:
            raise CheckFailed(
                Control.LEDGER_WRITABLE,
                f"The clock is behind the ledger's last entry, of {last.isoformat()}. Set it "
                "right, then try again.",
            )
        return max(now, last)

    def _commit(self, store: LedgerStore, index: int, event: Event) -> str | None:
        if event.disclosed is None:
            return None
        salt, payload = self.entropy(_SALT), canonical.encode(dict(event.disclosed))
        store.add_payload(index, salt, payload)
        return commitment(salt, payload)


def _unsigned(size: int) -> CheckFailed:
    return CheckFailed(
        Control.LEDGER_INTACT,
        f"The frontier beside the checkpoint of size {size} is not that of the tree it signs. Keep "
        "the database as it is, and compare it with a backup.",
    )
