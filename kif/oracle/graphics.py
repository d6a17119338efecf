"""Printing's desk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from kif.formats.control import Control
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.ledger.events.card import CardPrinted
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.messages import JobRef, JobView
from kif.oracle.rows import moved


@dataclass(frozen=True)
class Graphics:
    """Implements :class:`kif.oracle.interface.GraphicsOracle`."""

    desk: Desk

    def script(self, job: JobRef) -> Secret:
        """Return the prepared personalisation script (JSON) of a card that is to be printed."""
        return self.desk.script(job, JobState.PERSONALISED)

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare the card suspect: it is never tried again."""
        return self.desk.suspect(job, control, sentence)

    def printed(self, job: JobRef) -> JobView:
        """Record that the card was printed."""
        return self.desk.record.write(partial(_printed, job))


def _printed(job: JobRef, step: Step) -> JobView:
    step.record(CardPrinted(step.by, job.batch, job.number))
    return moved(step, job)
