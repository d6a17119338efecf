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
def open_machine(
    name: str, reader: str, transport: Path | None, antenna: str | None = None
) -> Iterator[Machine]:
    """Open a machine's readers and transport; without a transport the operator feeds it.

    Without an ``antenna`` its contactless reader is the same one.
    """
    belt = HandTransport() if transport is None else Transport.connect(transport)
    try:
        at_contacts = open_reader(reader)
        over_air = open_reader(antenna) if antenna else at_contacts
        yield Machine(name, at_contacts, over_air, belt, SimulatedLaser(), SimulatedEncoder())
    finally:
        belt.close()
