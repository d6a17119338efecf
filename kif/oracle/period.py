"""Cryptoperiods: from a moment on, for so many years (NIST SP 800-57 part 1, 5.3)."""

from __future__ import annotations

from datetime import datetime


def years_after(time: datetime, years: int) -> datetime:
    """Return the same moment some years later; of 29 February, a day before."""
    day = min(time.day, 28) if time.month == 2 else time.day
    return time.replace(year=time.year + years, day=day)
