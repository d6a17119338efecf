"""What happens to one card job. A job is named by its batch and its number in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kif.formats.control import Control
from kif.ledger.event import Event
from kif.ledger.form import (
    NAME_FORM,
    BatchId,
    CardNumber,
    Chip,
    Count,
    Instant,
    Name,
    Openers,
    Reason,
    list_of,
    one_of,
)


@dataclass(frozen=True)
class JobClaimed(Event, kind="job-claimed"):
    """A station took a job, until its lease ends."""

    by: Openers
    batch: BatchId
    number: CardNumber
    station: Name
    until: Instant


@dataclass(frozen=True)
class CardRejected(Event, kind="card-rejected"):
    """A blank did not prove its keys; nothing left for it, and the job is ready again."""

    by: Openers
    batch: BatchId
    number: CardNumber
    station: Name
    control: Annotated[Control, one_of(Control)]
    reason: Reason


@dataclass(frozen=True)
class ClaimWithdrawn(Event, kind="claim-withdrawn"):
    """A claimed job is ready again: nothing had left for its card."""

    by: Openers
    batch: BatchId
    number: CardNumber


@dataclass(frozen=True)
class InjectionAuthorised(Event, kind="injection-authorised"):
    """The chip proved its keys; its protected commands leave the oracle after this."""

    by: Openers
    batch: BatchId
    number: CardNumber
    chip: Chip
    commands: Count


@dataclass(frozen=True)
class InjectionDone(Event, kind="injection-done"):
    """The chip answered every command of its script, with its R-MAC."""

    by: Openers
    batch: BatchId
    number: CardNumber


@dataclass(frozen=True)
class CardPrinted(Event, kind="card-printed"):
    """The card was printed."""

    by: Openers
    batch: BatchId
    number: CardNumber


@dataclass(frozen=True)
class CardVerified(Event, kind="card-verified"):
    """The card is good, by these checks; its ARQC verified in the HSM."""

    by: Openers
    batch: BatchId
    number: CardNumber
    checks: Annotated[tuple[str, ...], list_of(NAME_FORM, 1, 40)]


@dataclass(frozen=True)
class CardSuspect(Event, kind="card-suspect"):
    """The card is never tried again."""

    by: Openers
    batch: BatchId
    number: CardNumber
    control: Annotated[Control, one_of(Control)]
    reason: Reason
