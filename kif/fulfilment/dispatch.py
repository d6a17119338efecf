"""The dispatch list of a batch: which cards leave, by pseudonym; never a PAN or a name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.state import BatchState, JobState
from kif.oracle.interface import FulfilmentOracle


def dispatch_batch(batch: str, oracle: FulfilmentOracle, folder: Path) -> Path:
    """Write the list of the good cards that are here durably, then record that they leave.

    The list is named by issuer, batch and the digest that the log has of it, so no other content
    takes its place. Raises ``Refused`` (BATCH_STATE) for a batch that is not released, or of which
    no good card is here.
    """
    view, jobs = oracle.batch(batch), oracle.jobs(batch)
    if view.state is not BatchState.RELEASED:
        raise Refused(
            Control.BATCH_STATE,
            f"Batch {batch} is {view.state.value}; cards of a released batch are dispatched. "
            "Nothing was done.",
        )
    cards = [
        {"number": job.number, "pseudonym": job.pseudonym, "card_serial": job.card_serial}
        for job in jobs
        if job.state is JobState.GOOD
    ]
    if not cards:
        gone = sum(job.state is JobState.DISPATCHED for job in jobs)
        raise Refused(
            Control.BATCH_STATE,
            f"Batch {batch} has no good card that is here; {gone} were dispatched before. Nothing "
            "was done.",
        )
    content = canonical.encode(
        {"batch": batch, "issuer": view.issuer, "reference": view.reference, "cards": cards}
    )
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"{view.issuer}-{batch}-{digest[:8]}.json"
    write_file(path, content)
    oracle.dispatched(batch, len(cards), digest)
    return path


def write_file(path: Path, content: bytes) -> None:
    """Write a file durably, whole or not at all. Raises ``BadInput`` (BATCH_STATE)."""
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as exc:
        raise BadInput(
            Control.BATCH_STATE,
            f"{path.name} can't be written to {path.parent}: {exc.strerror}. Nothing left.",
        ) from None
