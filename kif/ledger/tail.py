"""Where a log ends: how many entries and checkpoints, the tree's frontier, and the state."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, KifError
from kif.ledger.event import Boundary, Entry, Event
from kif.ledger.merkle import Frontier
from kif.ledger.note import Checkpoint, encode_verifier, open_checkpoint, verifier_key
from kif.ledger.state import State

NO_NOTES = bytes(32)


def with_note(notes: bytes, note: str) -> bytes:
    """Return the running digest with one more checkpoint: SHA-256(digest || note)."""
    return hashlib.sha256(notes + note.encode()).digest()


@dataclass
class Tail:
    """Follows a log entry by entry; every entry is admitted, every group is signed.

    ``follow`` takes leaves, ``close_group`` the checkpoint over those that came since the last.
    What is not signed yet can be taken back.
    """

    verifier: str
    """The key that signed the log's beginning: by it the log is known."""
    state: State
    frontier: Frontier = field(default_factory=Frontier)
    groups: int = 0
    note: str = ""
    """The last checkpoint."""
    notes: bytes = NO_NOTES
    """Running digest over every checkpoint so far."""
    last_leaf: bytes = b""
    _signed: int = 0

    @classmethod
    def of(cls, verifier: str) -> Tail:
        """Return the end of a log that has no entry yet. Raises ``BadInput`` for a verifier key."""
        return cls(verifier, State(verifier_key(verifier)))

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.frontier.size

    @property
    def signed_by(self) -> str:
        """The key that the next checkpoint is signed by, as a verifier key."""
        return encode_verifier(self.verifier.split("+", 1)[0], self.state.genesis.log_key)

    @property
    def open(self) -> bool:
        """Whether there are entries that no checkpoint covers yet."""
        return self.frontier.size > self._signed

    def follow(self, leaf: bytes) -> Entry:
        """Take the next leaf. Raises ``CheckFailed``, naming the entry, when it can't be it."""
        entry = self._read(leaf)
        if entry.index != self.size:
            raise broken(f"Entry {entry.index} stands at place {self.size}.")
        if entry.group != self.groups:
            raise self._misplaced(entry)
        try:
            self.state.admit(entry.event, entry.time)
        except KifError as exc:
            raise CheckFailed(
                Control.LEDGER_RULES,
                f"Entry {entry.index} ({entry.event.kind}) is not one that may stand here: "
                f"{exc.sentence}",
            ) from exc
        self._append(leaf)
        return entry

    def propose(
        self, event: Event, time: datetime, commit: str | None, boundary: Boundary
    ) -> Entry:
        """Admit an event as the next entry and return it. Raises what the state says of it."""
        entry = Entry(self.size, self.groups, time, boundary, event, commit)
        self.state.admit(event, time)
        self._append(entry.encode())
        return entry

    def close_group(self, checkpoint: Checkpoint) -> None:
        """Take the opened checkpoint over all entries so far; they are final then."""
        if (checkpoint.size, checkpoint.root) != (self.size, self.frontier.root()):
            raise broken(
                f"The checkpoint of size {checkpoint.size} was signed over other entries than the "
                f"{self.size} that stand before it."
            )
        self.state.settle()
        self._signed = self.size
        self.state.head = (checkpoint.size, checkpoint.root.hex())
        self.groups, self.note = self.groups + 1, checkpoint.note
        self.notes = with_note(self.notes, checkpoint.note)

    def resume(
        self, frontier: Frontier, groups: int, note: str, notes: bytes, last_leaf: bytes
    ) -> None:
        """Stand where a snapshot was taken; the state is restored by itself."""
        if open_checkpoint(note, self.signed_by).root != frontier.root():
            raise ValueError("the checkpoint is not over this tree")
        self.frontier, self._signed = frontier, frontier.size
        self.state.head = (frontier.size, frontier.root().hex())
        self.groups, self.note, self.notes, self.last_leaf = groups, note, notes, last_leaf

    def mark(self) -> tuple[int, Frontier, bytes]:
        """Return where the log is now, for ``back``."""
        return self.state.journal.mark(), self.frontier, self.last_leaf

    def back(self, mark: tuple[int, Frontier, bytes]) -> None:
        """Take back what was proposed since a mark."""
        self.state.journal.back(mark[0])
        self.frontier, self.last_leaf = mark[1:]

    def _misplaced(self, entry: Entry) -> CheckFailed:
        if self.open and entry.group == self.groups + 1:
            return broken(
                f"The checkpoint of size {self.size} is missing: it covers the entries from "
                f"{self._signed} to {self.size - 1}."
            )
        return broken(
            f"Entry {entry.index} belongs to group {entry.group}, but stands in group "
            f"{self.groups}."
        )

    def _append(self, leaf: bytes) -> None:
        self.frontier, self.last_leaf = self.frontier.append(leaf), leaf

    def _read(self, leaf: bytes) -> Entry:
        try:
            return Entry.decode(leaf)
        except BadInput as exc:
            raise CheckFailed(
                Control.LEDGER_INTACT,
                f"Entry {self.size} can't be read ({exc.sentence}): another version of kif wrote "
                "it, or it was altered. Keep the database as it is; read it with that version, or "
                "compare it with a backup.",
            ) from None


def broken(sentence: str) -> CheckFailed:
    """Return the error of a log that is not as its key signed it."""
    return CheckFailed(
        Control.LEDGER_INTACT,
        f"{sentence} The log is not as it was signed. Keep the database as it is, and compare it "
        "with a backup.",
    )
