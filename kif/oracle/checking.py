"""The desks behind the chip: printing, quality control, fulfilment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.script import Script
from kif.formats.secret import Secret
from kif.hsm.emv import verify_arqc
from kif.ledger.event import Boundary, Event, Kind
from kif.oracle.desk import (
    ORACLE,
    Desk,
    batch_row,
    batch_view,
    job_event,
    job_row,
    job_rows,
    job_view,
    step,
)
from kif.oracle.interface import BatchView, JobView
from kif.store.state import JobState

_MASTER = "emv-ac"


@dataclass(frozen=True)
class Printing:
    """Implements :class:`kif.oracle.interface.GraphicsOracle`."""

    desk: Desk

    def script(self, job: int) -> Secret:
        """Return the prepared personalisation script (JSON) of a card that is being made."""
        return self.desk.script(job)

    def printed(self, job: int, bundle_digest: str) -> JobView:
        """Record that the print bundle with this SHA-256 (hex) went onto the card."""
        with self.desk.store.transaction() as tx:
            row = job_row(tx, job)
            step(row, JobState.PRINTED)
            event = job_event(Kind.CARD_PRINTED, row, Boundary.HSM, digest=bundle_digest)
            self.desk.record(tx, event)
            return job_view(row)


@dataclass(frozen=True)
class Checking:
    """Implements :class:`kif.oracle.interface.QualityOracle`."""

    desk: Desk
    _verified: set[int] = field(default_factory=set)

    def script(self, job: int) -> Secret:
        """Return the prepared personalisation script (JSON) of a card that is being made."""
        return self.desk.script(job)

    def verify_arqc(self, job: int, atc: bytes, data: bytes, arqc: bytes) -> None:
        """Verify a chip's ARQC in the HSM. Raises ``CheckFailed`` (CHIP_CRYPTOGRAM)."""
        script = Script.decode(self.desk.script(job))
        verify_arqc(self.desk.keys.emv[_MASTER], script.pan, script.psn, atc, data, arqc)
        self._verified.add(job)

    def accept(self, job: int, checks: Sequence[str]) -> JobView:
        """Declare the card good, by these checks. Its ARQC must have verified here."""
        if job not in self._verified:
            raise Refused(
                Control.CHIP_CRYPTOGRAM,
                f"Job {job} has no verified ARQC; a card is good only with one. Check it again.",
            )
        with self.desk.store.transaction() as tx:
            row = job_row(tx, job)
            step(row, JobState.GOOD)
            made = ", ".join(checks)
            self.desk.record(tx, job_event(Kind.CARD_VERIFIED, row, Boundary.HSM, checks=made))
            self._verified.discard(job)
            return job_view(row)

    def suspect(self, job: int, control: str, sentence: str) -> JobView:
        """Declare the card suspect: it is never tried again."""
        self._verified.discard(job)
        return self.desk.suspect(job, control, sentence)


@dataclass(frozen=True)
class Dispatch:
    """Implements :class:`kif.oracle.interface.FulfilmentOracle`."""

    desk: Desk

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""
        return self.desk.batch(batch)

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch, in their order."""
        return self.desk.jobs(batch)

    def dispatched(self, batch: str, list_digest: str) -> BatchView:
        """Record that the good cards left, by a dispatch list with this SHA-256 (hex)."""
        with self.desk.store.transaction() as tx:
            row = batch_row(tx, batch)
            good = [job for job in job_rows(tx, batch) if job.state is JobState.GOOD]
            for job in good:
                step(job, JobState.DISPATCHED)
            subject: dict[str, str | int] = {
                "batch": batch,
                "count": len(good),
                "digest": list_digest,
            }
            self.desk.record(tx, Event(Kind.BATCH_DISPATCHED, ORACLE, Boundary.HSM, subject))
            tx.session.flush()
            return batch_view(tx, row)
