"""Appending: entries and a signed checkpoint over them, within the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import KifError, LedgerUnavailable
from kif.ledger.event import Event, commitment, encode
from kif.ledger.merkle import Frontier
from kif.ledger.note import Checkpoint, NoteSigner, sign_checkpoint

_SALT = 32


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

    def frontier(self) -> bytes | None:
        """Return the encoded frontier of the last checkpoint, or None in a new log."""

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

        Raises ``LedgerUnavailable`` when they can't be written or signed; the caller's transaction
        ends then, and with it whatever the events would have allowed.
        """
        try:
            return self._append(store, events)
        except KifError as exc:
            raise LedgerUnavailable(
                Control.LEDGER_WRITABLE,
                f"The ledger can't be signed, so nothing was done: {exc.sentence}",
            ) from exc

    def _append(self, store: LedgerStore, events: Sequence[Event]) -> Checkpoint:
        known = store.frontier()
        frontier = Frontier() if known is None else Frontier.decode(known)
        time = self.clock()
        for event in events:
            commit = self._commit(store, frontier.size, event)
            leaf = encode(event, frontier.size, time, commit)
            store.add(frontier.size, leaf)
            frontier = frontier.append(leaf)
        checkpoint = sign_checkpoint(self.signer, frontier.size, frontier.root())
        store.add_checkpoint(frontier.size, checkpoint.note, frontier.encode())
        return checkpoint

    def _commit(self, store: LedgerStore, index: int, event: Event) -> str | None:
        if event.disclosed is None:
            return None
        salt, payload = self.entropy(_SALT), canonical.encode(dict(event.disclosed))
        store.add_payload(index, salt, payload)
        return commitment(salt, payload)
