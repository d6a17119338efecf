"""A master enters: its entry and its row are durable before it stands in the token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kif.formats.keyref import KeyRef
from kif.ledger.event import Event
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.rows import key_row


def enter_master(
    desk: Desk,
    key: KeyRef,
    years: int | None,
    told: Callable[[Step, datetime | None], Event],
) -> None:
    """Put a new master on the record. ``told`` gives its event, by the end of its cryptoperiod.

    ``years`` is that period from now (NIST SP 800-57 part 1, 5.3), if it has one.
    """

    def work(step: Step) -> None:
        until = None if years is None else _years_after(step.now, years)
        step.record(told(step, until))
        step.session.add(key_row(step.state, key))

    desk.record.write(work)


def _years_after(time: datetime, years: int) -> datetime:
    """Return the same moment some years later; of 29 February, a day before."""
    day = min(time.day, 28) if time.month == 2 else time.day
    return time.replace(year=time.year + years, day=day)
