"""A batch's PINs: when they may leave, to the issuer's host and to the printer of the mailers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import PIN_ZONE
from kif.formats.state import BatchState, JobState
from kif.ledger.batch import Batch
from kif.ledger.batches import Batches
from kif.ledger.events.batch import PinMailersSealed, PinsExported


class Pins:
    """The PINs of every batch that was prepared with a PIN zone's key."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def exported(self, event: PinsExported) -> None:
        """Note that PIN blocks of a batch left, under a key that it was prepared with."""
        batch = self._leaving(event.batch, event.count)
        if str(event.key) not in dict(batch.keys) or event.key.purpose != PIN_ZONE:
            raise Refused(
                Control.PIN_APART, f"Batch {batch.id} has no PINs for the zone of {event.key}."
            )

    def mailers_sealed(self, event: PinMailersSealed, now: datetime) -> None:
        """Take the sealing of a closed batch's PINs: once, on a later day than its cards left."""
        batch = self._leaving(event.batch, event.count)
        self.require_mailable(batch.id, now)
        self._batches.put(replace(batch, mailed=True))

    def require_mailable(self, name: str, now: datetime) -> None:
        """Require that the PINs of a batch may go to the mailers' printer (PIN_APART)."""
        batch = self._batches.require(name)
        if batch.state is not BatchState.CLOSED or batch.mailed:
            why = "were sealed before" if batch.mailed else "are sealed when it is closed"
            raise Refused(Control.PIN_APART, f"The PINs of batch {name} {why}.")
        if f"{now:%Y-%m-%d}" <= batch.dispatched:
            raise Refused(
                Control.PIN_APART,
                f"Cards of batch {name} left on {batch.dispatched}; their PINs leave on a later "
                "day (UTC). Nothing was sealed.",
            )

    def _leaving(self, name: str, count: int) -> Batch:
        """Return a batch of which as many cards were dispatched, which have PINs."""
        states = (BatchState.RELEASED, BatchState.CLOSED)
        batch = self._batches.in_state(name, "has PINs that leave", *states)
        if batch.outcome is not None:
            gone = batch.outcome.good
        else:
            gone = self._batches.open_jobs(name).count(JobState.DISPATCHED)
        has = any(KeyRef.parse(key).purpose == PIN_ZONE for key, _ in batch.keys)
        if not has or not gone or count != gone:
            raise Refused(
                Control.PIN_APART,
                f"Batch {batch.id} has {gone if has else 0} dispatched cards with a PIN, not "
                f"{count}. Nothing left.",
            )
        return batch
