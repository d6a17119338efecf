"""A machine's round: feed, personalise, print, check, stack; until the batch has no card left."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from kif.chip.personalise import personalise
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.link import CardLink
from kif.formats.state import JobState
from kif.graphics.print import print_card
from kif.line.machine import Machine, WatchedReader
from kif.oracle.interface import Oracle
from kif.oracle.messages import Claim, Done, JobView
from kif.quality.chip import check_chip


@dataclass
class Tally:
    """What came of a run so far, told as it happens."""

    say: Callable[[str], None] = lambda _: None
    """Called with a sentence for each card that is not good."""
    advance: Callable[[], None] = lambda: None
    """Called after each job that is done."""
    good: int = 0
    suspects: list[JobView] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    """Why each blank went to the reject box before any key was sent to it."""

    def __str__(self) -> str:
        return (
            f"{self.good} good, {len(self.suspects)} suspect, {len(self.rejected)} blanks rejected."
        )

    @property
    def jobs(self) -> int:
        """How many jobs are done."""
        return self.good + len(self.suspects)

    def note(self, done: Done) -> None:
        """Count what came of a card; a job that is ready again counts for nothing."""
        job = done.view
        if done.rejected is not None:
            self.rejected.append(done.rejected)
            self.say(f"A blank is in the reject box, no key was sent to it: {done.rejected}")
        elif job.state is JobState.GOOD:
            self.good += 1
            self.advance()
        elif job.state is JobState.SUSPECT:
            self.suspects.append(job)
            self.say(f"Card {job.number} is SUSPECT and in the reject box: {job.reason}")
            self.advance()


def make_cards(oracle: Oracle, batch: str, machine: Machine, tally: Tally | None = None) -> Tally:
    """Make every ready card of a released batch.

    A blank that fails before any key was sent is rejected, and its job gets the next one. Raises
    ``DeviceFailed``: READER for a fault that is not the card's (its job is ready again when no key
    was sent), CARD_PRESENT when the hopper is empty; ``Refused`` (STATION) when blanks keep
    failing. The cards made before stand, and the tally has them.
    """
    tally, fed = tally or Tally(), False
    _clear(machine, tally)
    ready = oracle.supervision.batch(batch).jobs.get(JobState.PREPARED, 0)
    while tally.jobs < ready:
        if not fed and not machine.transport.feed():
            raise DeviceFailed(
                Control.CARD_PRESENT,
                "The hopper is empty. Fill it and start the station again; it goes on with the "
                "next card.",
            )
        fed = True
        claim = _claim(oracle, batch, machine)
        if claim is None:
            break
        if isinstance(claim, JobView):  # its data can't be opened: no card was touched
            tally.note(Done(claim))
            continue
        reader = WatchedReader(machine.reader)
        done, fed = _make(oracle, claim, machine, reader), False
        machine.transport.stack(done.view.state is JobState.GOOD)
        tally.note(done)
        if reader.fault is not None:
            raise reader.fault
    if fed:
        machine.transport.stack(good=False)
    return tally


@contextmanager
def at_the_antenna(machine: Machine, reader: WatchedReader) -> Iterator[CardLink]:
    """Have the card at the contactless reader, and then at its contacts again."""
    reader.disconnect()
    machine.transport.place(antenna=True)
    with reader.other(machine.antenna) as air:
        yield air
    machine.transport.place(antenna=False)
    reader.connect()


def _clear(machine: Machine, tally: Tally) -> None:
    """Take away what a run that was killed left in the reader: nobody knows what it holds."""
    if machine.transport.clear():
        tally.say("A card was left in the reader; it is in the reject box now.")


def _claim(oracle: Oracle, batch: str, machine: Machine) -> Claim | JobView | None:
    """Claim a job; the blank leaves the reader when none is to be had."""
    try:
        return oracle.chip.claim(batch, machine.name, secrets.token_hex(16))
    except BaseException:
        machine.transport.stack(good=False)
        raise


def _make(oracle: Oracle, claim: Claim, machine: Machine, reader: WatchedReader) -> Done:
    try:
        reader.connect()
    except DeviceFailed as fault:
        return oracle.chip.give_up(claim.lease, fault.control, fault.sentence)
    try:
        done = personalise(claim, reader, oracle.chip)
        job = done.view
        if job.state is JobState.PERSONALISED:
            job = print_card(job.id, oracle.graphics, machine.printer, machine.encoder)
        if job.state is JobState.PRINTED:
            antenna = partial(at_the_antenna, machine, reader)
            job = check_chip(job.id, reader, oracle.quality, os.urandom, antenna)
        return Done(job, done.rejected)
    finally:
        reader.disconnect()
