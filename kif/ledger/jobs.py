"""The card jobs of one batch: eleven bytes a card, and the few that are on the line."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.state import JOB_STEPS, JobState
from kif.ledger.chips import SIZE
from kif.ledger.form import write_time
from kif.ledger.journal import Journal

_CODES = {state: code for code, state in enumerate(JobState)}
_STATES = tuple(JobState)
_NO_CHIP = bytes(SIZE)
ON_THE_LINE = frozenset(
    {JobState.CLAIMED, JobState.PERSONALISING, JobState.PERSONALISED, JobState.PRINTED}
)


@dataclass(frozen=True)
class Hold:
    """The lease of a card: which station works on it, until when."""

    station: str
    until: datetime


class Jobs:
    """States and chips by card number, from 1."""

    def __init__(self, count: int, journal: Journal, batch: str) -> None:
        self._journal, self._batch = journal, batch
        self._states = bytearray(count)
        self._chips = bytearray(SIZE * count)
        self.line: dict[int, Hold] = {}
        """Who holds each card that is on the line."""

    def __len__(self) -> int:
        return len(self._states)

    def state(self, number: int) -> JobState:
        """Return where a card stands. Raises ``BadInput`` (JOB_STATE) when there is none."""
        if not 1 <= number <= len(self._states):
            raise BadInput(
                Control.JOB_STATE,
                f"Batch {self._batch} has {len(self._states)} cards; there is no card {number}.",
            )
        return _STATES[self._states[number - 1]]

    def chip(self, number: int) -> bytes | None:
        """Return the chip that a card's keys left for, or None."""
        chip = bytes(self._chips[SIZE * (number - 1) : SIZE * number])
        return None if chip == _NO_CHIP else chip

    def step(self, number: int, to: JobState) -> None:
        """Move a card one step. Raises ``Refused`` (JOB_STATE) when there is no such step."""
        now = self.state(number)
        if to not in JOB_STEPS[now]:
            raise Refused(
                Control.JOB_STATE,
                f"Card {number} of batch {self._batch} is {now.value}; it can't become "
                f"{to.value}. Nothing was changed.",
            )
        self._journal.put(self._states, number - 1, _CODES[to])
        if number in self.line and to not in ON_THE_LINE:
            self._journal.drop(self.line, number)

    def claim(self, number: int, station: str, until: datetime) -> None:
        """Give a card to a station, until its lease ends."""
        self.step(number, JobState.CLAIMED)
        self._journal.put(self.line, number, Hold(station, until))

    def reject(self, number: int, station: str) -> None:
        """Make a claimed card ready again, whose blank failed at the station that holds it."""
        if self.holder(number).station != station or self.state(number) is not JobState.CLAIMED:
            raise Refused(
                Control.JOB_STATE,
                f"Card {number} of batch {self._batch} is not claimed by {station}.",
            )
        self.step(number, JobState.PREPARED)

    def holder(self, number: int) -> Hold:
        """Return who holds a card. Raises ``Refused`` (JOB_STATE) when nobody does."""
        if number not in self.line:
            raise Refused(
                Control.JOB_STATE, f"Card {number} of batch {self._batch} is not on the line."
            )
        return self.line[number]

    def lapsed(self, now: datetime) -> list[int]:
        """Return the cards on the line whose lease has ended."""
        return [number for number, hold in sorted(self.line.items()) if hold.until < now]

    def use(self, number: int, chip: bytes, now: datetime) -> None:
        """Note the chip that a card's keys leave for, while its lease lasts."""
        hold = self.holder(number)
        if hold.until < now:
            raise Refused(
                Control.LEASE,
                f"The lease of {hold.station} on card {number} of batch {self._batch} ended at "
                f"{write_time(hold.until)}. No key was sent; claim a card again.",
            )
        self.step(number, JobState.PERSONALISING)
        self._journal.put(self._chips, slice(SIZE * (number - 1), SIZE * number), chip)

    def move_all(self, now: JobState, to: JobState) -> int:
        """Move every card that stands in one state to another; return how many."""
        count = self.count(now)
        moved = self._states.replace(bytes((_CODES[now],)), bytes((_CODES[to],)))
        self._journal.set(self, "_states", moved)
        return count

    def count(self, *states: JobState) -> int:
        """Return how many cards stand in these states."""
        return sum(self._states.count(_CODES[state]) for state in states)

    def first(self, state: JobState) -> int | None:
        """Return the lowest number that stands in a state, or None."""
        place = self._states.find(_CODES[state])
        return None if place < 0 else place + 1

    def all(self) -> Iterator[tuple[int, JobState, bytes | None]]:
        """Yield number, state and chip of every card."""
        for number, code in enumerate(self._states, start=1):
            yield number, _STATES[code], self.chip(number)

    @property
    def unmade(self) -> bool:
        """Whether no key left for any card, and none is on the line."""
        return not self.line and not any(self._chips)

    def digest(self) -> str:
        """Return SHA-256 over every state and chip, hex: what stays of a batch that is closed."""
        return hashlib.sha256(bytes(self._states) + bytes(self._chips)).hexdigest()

    def encode(self) -> dict[str, Any]:
        """Return the jobs as JSON values."""
        return {
            "states": base64.b64encode(self._states).decode(),
            "chips": base64.b64encode(self._chips).decode(),
            "line": [[n, hold.station, write_time(hold.until)] for n, hold in self.line.items()],
        }

    @classmethod
    def restore(cls, fields: Any, journal: Journal, batch: str) -> Jobs:
        """Take what ``encode`` gave."""
        jobs = cls(0, journal, batch)
        jobs._states = bytearray(base64.b64decode(fields["states"]))
        jobs._chips = bytearray(base64.b64decode(fields["chips"]))
        jobs.line = {
            number: Hold(station, datetime.fromisoformat(until))
            for number, station, until in fields["line"]
        }
        return jobs


def digest_of(cards: Iterator[tuple[JobState, bytes | None]]) -> str:
    """Return the digest of a batch's jobs from anybody's list of them, in order of number."""
    states, chips = bytearray(), bytearray()
    for state, chip in cards:
        states.append(_CODES[state])
        chips += chip or _NO_CHIP
    return hashlib.sha256(bytes(states) + bytes(chips)).hexdigest()
