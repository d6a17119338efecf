"""Two dry runs of a script, compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed

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


def _told(row: Row | None) -> str:
    return "none" if row is None else f"{row['command']} {row['what']}"
