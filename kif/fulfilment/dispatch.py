"""The dispatch list of a batch: which cards leave, by pseudonym; never a PAN or a name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.state import BatchState, JobState
from kif.oracle.interface import FulfilmentOracle


def dispatch_batch(batch: str, oracle: FulfilmentOracle, folder: Path) -> Path:
    """Write the list of a batch's good cards durably, then record that they left.

    Safe to repeat: the same cards give the same list. Raises ``Refused`` (BATCH_STATE) for an
    erased batch.
    """
    view, jobs = oracle.batch(batch), oracle.jobs(batch)
    if view.state is BatchState.ERASED:
        raise Refused(
            Control.BATCH_STATE,
            f"Batch {batch} was erased: its reference is gone, and no list of it is written again.",
        )
    leaving = (JobState.GOOD, JobState.DISPATCHED)
    cards = [
        {"number": job.number, "pseudonym": job.pseudonym, "card_serial": job.card_serial}
        for job in jobs
        if job.state in leaving
    ]
    content = canonical.encode(
        {"batch": batch, "issuer": view.issuer, "reference": view.reference, "cards": cards}
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{view.reference}.json"
    _write(path, content)
    leaving_now = sum(job.state is JobState.GOOD for job in jobs)
    if leaving_now:
        oracle.dispatched(batch, leaving_now, hashlib.sha256(content).hexdigest())
    return path


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
