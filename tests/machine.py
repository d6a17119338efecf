"""One simulated machine for a test process: libpcsclite reads its socket's path only once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from kif.chip.transport import Transport
from kif.cli.line import open_machine
from kif.line.machine import Machine as LineMachine
from kif.simulator.fault import Fault
from kif.simulator.machine import Machine


class LoadedMachine:
    """The machine, with its hopper filled anew for each test."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.reader, self.transport = machine.readers[0]

    def load(self, *faults: str, cards: int | None = None) -> None:
        """Fill the hopper: cards count from 1 again. A card left in the reader is rejected."""
        belt = Transport.connect(self.transport)
        belt.clear()
        belt.close()
        self._machine.reload([Fault.parse(each) for each in faults], cards)

    def open(self) -> AbstractContextManager[LineMachine]:
        """Open it as a station does."""
        return open_machine("station-1", self.reader, self.transport)


@pytest.fixture(scope="session")
def machine() -> Iterator[LoadedMachine]:
    """The machine of this test process."""
    with Machine() as running:
        os.environ["PCSCLITE_CSOCK_NAME"] = running.socket
        yield LoadedMachine(running)
