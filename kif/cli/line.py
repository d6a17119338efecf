"""Opening a machine from what the operator names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kif.chip.reader import open_reader
from kif.chip.transport import Transport
from kif.console.hand import HandTransport
from kif.graphics.print import SimulatedLaser
from kif.graphics.stripe import SimulatedEncoder
from kif.line.machine import Machine


@contextmanager
def open_machine(name: str, reader: str, transport: Path | None) -> Iterator[Machine]:
    """Open a machine's reader and transport; without a transport the operator feeds it."""
    belt = HandTransport() if transport is None else Transport.connect(transport)
    try:
        yield Machine(name, open_reader(reader), belt, SimulatedLaser(), SimulatedEncoder())
    finally:
        belt.close()
