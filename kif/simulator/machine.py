"""A personalisation machine: readers behind a private pcscd, each with its card transport.

>>> with Machine(readers=2, faults=[Fault.parse("vanish@3:5")]) as machine:
...     os.environ["PCSCLITE_CSOCK_NAME"] = machine.socket  # before the first PC/SC call
...     (name, transport), *_ = machine.readers
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from kif.simulator.fault import Fault
from kif.simulator.kept import keep, take
from kif.simulator.pcscd import PrivatePcscd
from kif.simulator.slot import Slot
from kif.simulator.transport import CardTransport
from kif.simulator.vendor import TEST_VENDOR, Vendor


class Machine:
    """A machine that runs within a ``with`` block, and never longer than the thread it is in.

    ``cards`` is how many blanks each hopper has, None for no end; ``faults`` name cards by their
    place in it; ``record`` is a file that gets a line of JSON for each stacked card, ``folder``
    keeps the cards; ``inserted`` is one that was kept, for the first reader: what becomes of it is
    kept in its file when the machine ends; ``contactless`` has it read over the air. The blanks
    are of a ``vendor``.

    ``socket`` is for ``PCSCLITE_CSOCK_NAME``, ``readers``
    has each reader's PC/SC name and transport socket. Raises ``DeviceFailed`` (READER) when a
    package is missing or pcscd does not start.
    """

    socket: str
    readers: list[tuple[str, Path]]

    def __init__(
        self,
        readers: int = 1,
        faults: Sequence[Fault] = (),
        cards: int | None = None,
        record: Path | None = None,
        folder: Path | None = None,
        inserted: Path | None = None,
        *,
        contactless: bool = False,
        vendor: Vendor = TEST_VENDOR,
    ) -> None:
        self._vendor, self._contactless = vendor, contactless
        self._pcscd = PrivatePcscd(readers)
        self._loaded = (tuple(faults), cards)
        self._record, self._folder = record, folder
        self._inserted = inserted
        self._transports: list[CardTransport] = []

    def __enter__(self) -> Machine:
        with ExitStack() as undo:
            pcscd = undo.enter_context(self._pcscd)
            self.socket, self.readers = str(pcscd.socket_path), []
            kept = (self._record, self._folder)
            for number, (name, port) in enumerate(pcscd.ports.items()):
                path = pcscd.folder / f"transport-{number}"
                transport = CardTransport(Slot(port), path, self._vendor, *kept)
                undo.callback(transport.close)
                self._transports.append(transport)
                self.readers.append((name, path))
            self.reload(*self._loaded)
            if self._inserted is not None:
                card = take(self._inserted)
                self._transports[0].insert(card, contactless=self._contactless)
                undo.callback(keep, card, self._inserted)
            self._undo = undo.pop_all()
        return self

    def reload(self, faults: Sequence[Fault] = (), cards: int | None = None) -> None:
        """Fill every hopper anew: the cards count from 1 again. A card in a reader stays there."""
        for transport in self._transports:
            transport.load(faults, cards)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()


def serve(
    *,
    readers: int,
    cards: int | None,
    faults: Sequence[Fault],
    record: Path | None,
    folder: Path | None = None,
    inserted: Path | None = None,
    contactless: bool = False,
    vendor: Vendor = TEST_VENDOR,
) -> None:
    """Run a machine until SIGTERM or SIGINT.

    Prints one line of JSON when it is ready: the PC/SC socket, readers and transports.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    loaded = (readers, faults, cards, record, folder, inserted)
    with Machine(*loaded, contactless=contactless, vendor=vendor) as machine:
        told = {
            "pcscd": machine.socket,
            "readers": [{"name": name, "transport": str(path)} for name, path in machine.readers],
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        while True:
            signal.pause()


def _end(number: int, frame: object) -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)  # the rest of the way out is not interrupted
    raise SystemExit(0)
