"""A dry run of a script, compared with an earlier one, or with what a card was sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed

_HEADER, _SECURED = 4, 0x04
_FIELDS = {"session", "part", "command", "what"}
Row = dict[str, Any]


def read_lines(path: Path) -> list[Row]:
    """Read what 'kif batch script --json' gave. Raises ``BadInput`` (BYTES)."""
    try:
        rows: Any = json.loads(path.read_bytes())
    except ValueError:
        rows = None
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise BadInput(Control.BYTES, f"{path} is not what 'kif batch script --json' prints.")
    return rows


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and row.keys() == _FIELDS


def require_same(rows: Sequence[Row], earlier: Sequence[Row]) -> None:
    """Require the same commands. Raises ``CheckFailed`` (PRODUCT) telling the first difference."""
    for number, (now, before) in enumerate(zip_longest(rows, earlier), start=1):
        if now != before:
            raise CheckFailed(
                Control.PRODUCT,
                f"Command {number} is another one. Now: {_told(now)}. Before: {_told(before)}.",
            )


def read_trace(path: Path) -> list[bytes]:
    """Read the headers of the commands of a trace: hex, one on a line, four bytes at least.

    A line may begin with ``>``; those that begin with ``<`` are answers, and with ``#`` words.
    Raises ``BadInput`` (BYTES).
    """
    found = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith(("<", "#")):
            continue
        try:
            raw = bytes.fromhex(line.removeprefix(">"))
        except ValueError:
            raw = b""
        if len(raw) < _HEADER:
            raise BadInput(Control.BYTES, f"{path} is no trace: line {number} is no command.")
        found.append(raw[:_HEADER])
    return found


def require_replayed(rows: Sequence[Row], trace: Sequence[bytes]) -> None:
    """Require that a trace begins with the commands of a script (``CheckFailed``, PRODUCT).

    That a command carries a MAC makes no difference: the class of the script is plain.
    """
    for number, row in enumerate(rows, start=1):
        sent = trace[number - 1] if number <= len(trace) else b""
        if _plain(sent) != _plain(bytes.fromhex(row["command"])):
            raise CheckFailed(
                Control.PRODUCT,
                f"Command {number} is another one. The script: {_told(row)}. The trace: "
                f"{sent.hex().upper() or 'none'}.",
            )


def _plain(header: bytes) -> bytes:
    return bytes((header[0] & ~_SECURED, *header[1:])) if header else b""


def _told(row: Row | None) -> str:
    return "none" if row is None else f"{row['command']} {row['what']}"
