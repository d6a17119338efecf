"""The record that an aborted ceremony leaves: unsigned, so the next genesis takes it in.

One file for each attempt, written before the first step and again at each. A ceremony that is
closed takes every earlier one into its log, then they go.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.text import for_the_record
from kif.ledger.event import checked
from kif.ledger.events.ceremony import CeremonyAborted
from kif.ledger.form import write_time
from kif.oracle.home import sync

_NO_WORD = "It ended without a word: it was killed, or the power was lost."


@dataclass
class Attempt:
    """This ceremony's own record, until it is closed."""

    path: Path
    site: str
    ceremony: str
    plan: str
    began: datetime
    people: list[str] = field(default_factory=list)
    step: int = 0
    reason: str = _NO_WORD

    @classmethod
    def begin(cls, folder: Path, site: str, ceremony: str, plan: str, now: datetime) -> Attempt:
        """Write the record of an attempt that begins."""
        folder.mkdir(mode=0o700, exist_ok=True)
        number = len(list(folder.iterdir())) + 1
        attempt = cls(folder / f"{number:04}.json", site, ceremony, plan, now)
        attempt.write()
        return attempt

    def reach(self, step: int, people: list[str]) -> None:
        """Note that a step of the plan begins, and who was appointed by then."""
        self.step, self.people = step, people
        self.write()

    def fail(self, reason: str) -> None:
        """Note why the ceremony ended."""
        self.reason = for_the_record(reason)
        self.write()

    def write(self) -> None:
        """Write the record durably, whole or not at all."""
        fields = vars(self) | {"began": write_time(self.began)}
        del fields["path"]
        partial = self.path.with_suffix(".partial")
        with partial.open("w") as file:
            file.write(json.dumps(fields, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)
        sync(self.path.parent)


def earlier_attempts(folder: Path) -> list[CeremonyAborted]:
    """Return what every earlier attempt left, oldest first. Raises ``Refused`` (SITE)."""
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def forget_attempts(folder: Path) -> None:
    """Remove the records: they stand in the log now."""
    for path in sorted(folder.glob("*")):
        path.unlink()


def _read(path: Path) -> CeremonyAborted:
    try:
        fields = json.loads(path.read_text())
        event = CeremonyAborted(
            site=fields["site"],
            ceremony=fields["ceremony"],
            plan=fields["plan"],
            began=datetime.fromisoformat(fields["began"]),
            people=tuple(fields["people"]),
            step=fields["step"],
            reason=fields["reason"],
        )
        checked(event)
    except (OSError, ValueError, KeyError, TypeError, BadInput):
        raise Refused(
            Control.SITE,
            f"{path} is the record of an earlier attempt, but it can't be read. Keep a copy of it "
            "with the ceremony's papers, then move it out of the home.",
        ) from None
    return event
