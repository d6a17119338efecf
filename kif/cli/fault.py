"""A report of a fault of kif itself: where it happened, and nothing of what was worked on."""

from __future__ import annotations

import tempfile
import traceback
from importlib.metadata import version

FAULT = 70
"""The exit code (EX_SOFTWARE of sysexits.h)."""


def write_report(fault: BaseException) -> str:
    """Write the types and places of a fault to a file of this user alone; return its path.

    Messages and values are left out, because they may hold card data.
    """
    lines = [f"kif {version('kif')}"]
    cause: BaseException | None = fault
    while cause is not None:
        lines.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        frames = traceback.extract_tb(cause.__traceback__)
        lines += [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        cause = cause.__cause__ or cause.__context__
    with tempfile.NamedTemporaryFile("w", prefix="kif-fault-", suffix=".txt", delete=False) as file:
        file.write("\n".join(lines) + "\n")
    return file.name
