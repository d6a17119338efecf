"""The C floor: the PKCS#11 calls of an operation in a bare loop (``floor.c``)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kif.formats.secret import Secret
from kif.hsm.token import TokenPlace

_SOURCE = Path(__file__).with_name("floor.c")
Floor = Callable[[TokenPlace, Secret, str, int], float]
"""Microseconds of an operation, on a token, done so many times."""


@contextmanager
def compiled_floor() -> Iterator[Floor]:
    """Compile the floor, and give what runs it."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "floor"
        subprocess.run(["cc", "-O2", "-o", str(program), str(_SOURCE), "-ldl"], check=True)

        def run(place: TokenPlace, pin: Secret, operation: str, count: int) -> float:
            command = [str(program), str(place.library), place.label, operation, str(count)]
            typed = pin.reveal().decode() + "\n"
            lock = {"FLOOR_LOCK": str(Path(folder) / "start.lock")}
            done = subprocess.run(
                command,
                input=typed,
                text=True,
                capture_output=True,
                check=True,
                env=os.environ | lock,
            )
            return float(done.stdout)

        yield run
