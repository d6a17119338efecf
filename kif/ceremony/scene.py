"""A step that is open, as its act sees it."""

from __future__ import annotations

from dataclasses import dataclass

from kif.ceremony.people import People
from kif.ledger.plan import Step
from kif.ledger.running import Running
from kif.oracle.ceremony import Ceremonies


@dataclass(frozen=True)
class Scene:
    """A step that is open: the desk, the people, the ceremony as it stood when it began."""

    desk: Ceremonies
    people: People
    running: Running
    step: Step
