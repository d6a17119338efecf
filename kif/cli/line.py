"""The line at one machine: feed, personalise, print, check, stack; card by card."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kif.chip.personalise import personalise
from kif.chip.reader import Reader, open_reader
from kif.chip.transport import Transport
from kif.console.hand import HandTransport
from kif.console.progress import Advance
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.state import JobState
from kif.graphics.print import Printer, SimulatedLaser, print_card
from kif.oracle.interface import Claim, JobView, Oracle
from kif.quality.chip import check_chip


class CardTransport(Protocol):
    """Whatever moves the cards: a machine, or the operator."""

    def feed(self) -> bool:
        """Put the next blank into the reader; False when there is none left."""

    def stack(self, good: bool) -> None:
        """Move the card to the good stack or to the reject box."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True)
class Machine:
    """A personalisation machine: its name as a station, reader, transport and laser."""

    name: str
    reader: Reader
    transport: CardTransport
    printer: Printer


@contextmanager
def open_machine(name: str, reader: str, transport: Path | None) -> Iterator[Machine]:
    """Open a machine's reader and transport; without a transport the operator feeds it."""
    belt = HandTransport() if transport is None else Transport.connect(transport)
    try:
        yield Machine(name, open_reader(reader), belt, SimulatedLaser())
    finally:
        belt.close()


def make_cards(oracle: Oracle, batch: str, machine: Machine, advance: Advance) -> list[JobView]:
    """Make every ready card of a released batch; return those that became suspect."""
    suspects, fed = [], False
    for _ in range(oracle.supervision.batch(batch).jobs.get(JobState.PREPARED, 0)):
        if not fed and not machine.transport.feed():
            raise DeviceFailed(
                Control.CARD_PRESENT,
                "The hopper is empty. Fill it and start the station again; it goes on with the "
                "next card.",
            )
        claim = oracle.chip.claim(batch, machine.name)
        fed = isinstance(claim, JobView)
        if claim is None:
            break
        job = claim if isinstance(claim, JobView) else _make(oracle, claim, machine)
        if not fed:
            machine.transport.stack(job.state is JobState.GOOD)
        if job.state is JobState.SUSPECT:
            suspects.append(job)
        advance()
    if fed:
        machine.transport.stack(good=False)
    return suspects


def _make(oracle: Oracle, claim: Claim, machine: Machine) -> JobView:
    try:
        machine.reader.connect()
    except DeviceFailed as fault:
        return oracle.chip.suspect(claim.job, fault.control, fault.sentence)
    try:
        job = personalise(claim, machine.reader, oracle.chip)
        if job.state is JobState.PERSONALISED:
            job = print_card(job.id, oracle.graphics, machine.printer)
        if job.state is JobState.PRINTED:
            job = check_chip(job.id, machine.reader, oracle.quality, os.urandom)
        return job
    finally:
        machine.reader.disconnect()
