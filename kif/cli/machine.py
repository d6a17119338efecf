"""A simulated personalisation machine as a process of its own, for the demo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.simulator.tied import tied

_PCSC_SOCKET = "PCSCLITE_CSOCK_NAME"


@contextmanager
def simulated_machine(record: Path, faults: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Run ``kif simulate`` beside this process; yield its reader's name and transport socket.

    It ends with this process, however this process ends: the kernel sees to it.
    """
    command = [sys.executable, "-P", "-m", "kif.cli.main", "simulate", "--record", str(record)]
    for fault in faults:
        command += ["--fault", fault]
    with subprocess.Popen(tied("TERM", command), stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or not (line := process.stdout.readline()):
                raise DeviceFailed(
                    Control.READER, "The simulated machine did not start; it said why above."
                )
            started = json.loads(line)
            os.environ[_PCSC_SOCKET] = started["pcscd"]
            yield started["readers"][0]["name"], Path(started["readers"][0]["transport"])
        finally:
            process.terminate()
