"""Retention: which key keeps what came from an issuer in a month, and when it is destroyed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import RETENTION
from kif.formats.state import BatchState, KeyState
from kif.ledger.batch import Batch
from kif.ledger.batches import Batches
from kif.ledger.events.batch import BatchErased, BatchReceived, WindowErased
from kif.ledger.keys import Keys

_AGAIN, _FIRST_AGAIN = 100, 1_000_000


class Retention:
    """The windows: an issuer's batches of a month, under one key."""

    def __init__(self, keys: Keys, batches: Batches) -> None:
        self._keys, self._batches = keys, batches

    def received(self, event: BatchReceived, now: datetime) -> None:
        """Take a batch under the key of its window, which its first batch brings."""
        self._batches.received(event)
        expected = self.window(event.issuer, now)
        if event.retention != expected:
            raise Refused(
                Control.RETENTION,
                f"A batch of {event.issuer} is kept under {expected} now, not under "
                f"{event.retention}.",
            )
        self._keys.retained(event.retention, event.derived)

    def erased(self, event: BatchErased) -> None:
        """Erase one batch that is closed, before its window is."""
        ended = (BatchState.CLOSED, BatchState.CANCELLED)
        batch = self._batches.in_state(event.batch, "is erased", *ended)
        self._batches.put(replace(batch, state=BatchState.ERASED))

    def window_erased(self, event: WindowErased, now: datetime) -> None:
        """Erase every batch of a window that is over, once they are all closed."""
        key = event.key
        self._keys.require(key)
        if key.purpose != RETENTION or month_of(key) >= _month(now):
            raise Refused(
                Control.RETENTION,
                f"{key} is not the retention key of a window that is over; a window ends with its "
                "month.",
            )
        there = self.of_window(key)
        still = [each.id for each in there if each.id in self._batches.jobs]
        if still or len(there) != event.batches:
            raise Refused(
                Control.RETENTION,
                f"Of the {len(there)} batches under {key}, {len(still)} are not closed: "
                f"{', '.join(still[:5]) or 'none'}. Nothing was erased.",
            )
        self._keys.erased(key)
        for batch in there:
            self._batches.put(replace(batch, state=BatchState.ERASED))

    def window(self, issuer: str, now: datetime) -> KeyRef:
        """Return the retention key for what an issuer sends now: one a month, in UTC.

        When that was lost with its token, the month has another one: YYYYMM and two more digits.
        """
        month = _month(now)
        again = range(month * _AGAIN + 1, (month + 1) * _AGAIN)
        for version in (month, *again):
            key = KeyRef(issuer, RETENTION, version)
            entry = self._keys.known.get(key)
            if entry is None or entry.state is not KeyState.DESTROYED:
                return key
        raise Refused(Control.RETENTION, f"There is no retention key left for {issuer} in {month}.")

    def of_window(self, key: KeyRef) -> list[Batch]:
        """Return the batches under a retention key."""
        return [each for each in self._batches.known.values() if each.retention == str(key)]


def month_of(key: KeyRef) -> int:
    """Return the month of a retention key, YYYYMM: its version, or what that begins with."""
    return key.version if key.version < _FIRST_AGAIN else key.version // _AGAIN


def _month(now: datetime) -> int:
    utc = now.astimezone(UTC)
    return utc.year * 100 + utc.month
