"""The record of a ceremony before its token can sign: one line for each event, as it happens.

It is not signed, for the key that signs is made on the way; everyone signs what comes of it at the
end. A line is durable before the next thing is done, so a genesis that is killed goes on at its
step.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import KifError, Refused
from kif.ledger.event import Event, checked, fields_of, read_event
from kif.ledger.events.ceremony import (
    CertificateIssued,
    KeyGenerated,
    PinSealed,
    SiteFounded,
    StepDone,
    TokenMade,
)
from kif.ledger.events.custody import MastersRestored, ShareEntered
from kif.ledger.form import read_time, write_time
from kif.ledger.state import State
from kif.oracle.home import sync

_NO_KEY = b""
"""The log's key is not made yet when the ceremony begins; the closing compares it."""
_BY_THE_HSM = (
    CertificateIssued,
    KeyGenerated,
    MastersRestored,
    PinSealed,
    ShareEntered,
    SiteFounded,
    TokenMade,
)
"""What a step makes anew when it was interrupted; what people did in it stands."""


@dataclass
class Draft:
    """The events so far, each admitted by the log's own state machine."""

    path: Path
    events: list[tuple[Event, datetime]] = field(default_factory=list)
    state: State = field(default_factory=lambda: State(_NO_KEY))

    def note(self, event: Event, time: datetime) -> None:
        """Put an event on the record, durably. Raises what the state machine says of it."""
        self._admit(event, time)
        self._append(event, time)

    def _admit(self, event: Event, time: datetime) -> None:
        self.state.admit(checked(event), time)
        self.events.append((event, time))

    def _append(self, event: Event, time: datetime) -> None:
        line = {"event": fields_of(event), "kind": event.kind, "time": write_time(time)}
        with self.path.open("ab") as file:
            file.write(canonical.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync(self.path.parent)

    @classmethod
    def read(cls, path: Path, state: State | None = None) -> Draft:
        """Read a draft that was left; of its open step, only what people did.

        A line that was cut off by a power cut is not one. Raises ``Refused`` (SITE).
        """
        draft = cls(path, state=state or State(_NO_KEY))
        for event, time in _whole_steps(_events(path)):
            try:
                draft._admit(event, time)
            except KifError as exc:
                raise _unreadable(path) from exc
        return draft

    def write_anew(self) -> None:
        """Have the file say what this draft says."""
        partial = self.path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        whole = Draft(partial)
        for event, time in self.events:
            whole._append(event, time)
        partial.replace(self.path)
        sync(self.path.parent)


def _events(path: Path) -> list[tuple[Event, datetime]]:
    events = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            fields = canonical.decode(line)
            event = read_event(fields["kind"], fields["event"])
            events.append((event, read_time(fields["time"])))
        except (KifError, KeyError, TypeError, ValueError):
            raise _unreadable(path) from None
    return events


def _whole_steps(events: list[tuple[Event, datetime]]) -> list[tuple[Event, datetime]]:
    done = [at for at, (event, _) in enumerate(events) if isinstance(event, StepDone)]
    last = done[-1] if done else -1
    return [
        each for at, each in enumerate(events) if at <= last or not isinstance(each[0], _BY_THE_HSM)
    ]


def _unreadable(path: Path) -> Refused:
    return Refused(
        Control.SITE,
        f"{path} is the record of a ceremony that was interrupted, but it can't be read. Keep a "
        f"copy of it with the ceremony's papers; then move {path.parent} out of the home.",
    )
