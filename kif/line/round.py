"""A machine's round: feed, personalise, print, check, stack; until the batch has no card left."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from kif.chip.personalise import personalise
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.state import JobState
from kif.graphics.print import print_card
from kif.line.machine import Machine
from kif.oracle.interface import Claim, Done, JobView, Oracle
from kif.quality.chip import check_chip


@dataclass
class Outcome:
    """What came of a run."""

    good: int = 0
    suspects: list[JobView] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    """Why each blank went to the reject box before any key was sent to it."""

    @property
    def jobs(self) -> int:
        """How many jobs are done."""
        return self.good + len(self.suspects)


def make_cards(
    oracle: Oracle, batch: str, machine: Machine, advance: Callable[[], None]
) -> Outcome:
    """Make every ready card of a released batch; ``advance`` is called after each job that is done.

    A blank that fails before any key was sent is rejected, and its job gets the next one. Raises
    ``DeviceFailed`` (CARD_PRESENT) when the hopper is empty, ``Refused`` (STATION) when blanks keep
    failing; the cards made before stand.
    """
    outcome, fed = Outcome(), False
    ready = oracle.supervision.batch(batch).jobs.get(JobState.PREPARED, 0)
    while outcome.jobs < ready:
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
            outcome.suspects.append(claim)
            advance()
            continue
        done, fed = _make(oracle, claim, machine), False
        machine.transport.stack(done.view.state is JobState.GOOD)
        if _note(outcome, done):
            advance()
    if fed:
        machine.transport.stack(good=False)
    return outcome


def _claim(oracle: Oracle, batch: str, machine: Machine) -> Claim | JobView | None:
    """Claim a job; the blank leaves the reader when none is to be had."""
    try:
        return oracle.chip.claim(batch, machine.name, secrets.token_hex(16))
    except BaseException:
        machine.transport.stack(good=False)
        raise


def _note(outcome: Outcome, done: Done) -> bool:
    """Count what came of a card; return whether its job is done."""
    if done.rejected is not None:
        outcome.rejected.append(done.rejected)
        return False
    if done.view.state is JobState.SUSPECT:
        outcome.suspects.append(done.view)
    else:
        outcome.good += 1
    return True


def _make(oracle: Oracle, claim: Claim, machine: Machine) -> Done:
    try:
        machine.reader.connect()
    except DeviceFailed as fault:
        return oracle.chip.give_up(claim.lease, fault.control, fault.sentence)
    try:
        done = personalise(claim, machine.reader, oracle.chip)
        job = done.view
        if job.state is JobState.PERSONALISED:
            job = print_card(job.id, oracle.graphics, machine.printer)
        if job.state is JobState.PRINTED:
            job = check_chip(job.id, machine.reader, oracle.quality, os.urandom)
        return Done(job, done.rejected)
    finally:
        machine.reader.disconnect()
