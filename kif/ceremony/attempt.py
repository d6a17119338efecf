"""The record that an aborted genesis leaves: unsigned, so the next one takes it into its log."""

from __future__ import annotations

import json
from pathlib import Path

from kif.ceremony.draft import Draft
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.text import for_the_record
from kif.ledger.event import checked, fields_of, read_event
from kif.ledger.events.ceremony import GenesisAborted
from kif.oracle.home import put


def leave_attempt(folder: Path, draft: Draft, reason: str) -> Path:
    """Write what became of a genesis, durably; return where."""
    running = draft.state.ceremonies.require_running()
    event = GenesisAborted(
        site=running.site,
        ceremony=running.name,
        plan=running.plan.digest,
        began=draft.events[0][1],
        people=running.everyone,
        step=running.done + 1,
        reason=for_the_record(reason),
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{len(list(folder.glob('*.json'))) + 1:04}.json"
    put(path, (json.dumps(fields_of(checked(event)), indent=1) + "\n").encode())
    return path


def earlier_attempts(folder: Path) -> list[GenesisAborted]:
    """Return what every earlier attempt left, oldest first. Raises ``Refused`` (SITE)."""
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def forget_attempts(folder: Path) -> None:
    """Remove the records: they stand in the log now."""
    for path in sorted(folder.glob("*")):
        path.unlink()


def _read(path: Path) -> GenesisAborted:
    try:
        event = read_event(GenesisAborted.kind, json.loads(path.read_text()))
    except (OSError, ValueError, BadInput):
        event = None
    if not isinstance(event, GenesisAborted):
        raise Refused(
            Control.SITE,
            f"{path} is the record of an earlier attempt, but it can't be read. Keep a copy of it "
            "with the ceremony's papers, then move it out of the home.",
        )
    return event
