"""A personalisation machine: readers behind a private pcscd, each with its card transport."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from kif.simulator.fault import Fault
from kif.simulator.pcscd import PrivatePcscd
from kif.simulator.slot import Slot
from kif.simulator.transport import CardTransport


class Machine:
    """A running machine. Use as a context manager."""

    def __init__(
        self,
        readers: int = 1,
        faults: Sequence[Fault] = (),
        cards: int | None = None,
        record: Path | None = None,
    ) -> None:
        self._pcscd = PrivatePcscd(readers)
        self._loaded = (tuple(faults), cards)
        self._record = record
        self._folder = Path(tempfile.mkdtemp(prefix="kif-machine-"))
        self._transports: list[CardTransport] = []
        self.socket = str(self._pcscd.socket_path)
        self.readers: list[tuple[str, Path]] = []

    def __enter__(self) -> Machine:
        self._pcscd.__enter__()
        for number, (name, port) in enumerate(self._pcscd.ports.items()):
            path = self._folder / f"transport-{number}"
            self._transports.append(CardTransport(Slot(port), path, self._record))
            self.readers.append((name, path))
        self.reload(*self._loaded)
        return self

    def reload(self, faults: Sequence[Fault], cards: int | None) -> None:
        """Fill every hopper anew: the cards count from 1 again."""
        for transport in self._transports:
            transport.load(faults, cards)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for transport in self._transports:
            transport.close()
        self._pcscd.__exit__(kind, error, trace)
        shutil.rmtree(self._folder, ignore_errors=True)


def serve(
    *,
    readers: int,
    cards: int | None,
    faults: Sequence[Fault],
    record: Path | None,
) -> None:
    """Run a machine until SIGTERM or SIGINT.

    Prints one line of JSON when it is ready: the PC/SC socket, readers and transports.
    """
    with Machine(readers, faults, cards, record) as machine:
        told = {
            "pcscd": machine.socket,
            "readers": [{"name": name, "transport": str(path)} for name, path in machine.readers],
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        _until_told()


def _until_told() -> None:
    def end(number: int, frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while True:
        signal.pause()
