"""The account of one batch: what the ledger says of its cards, its keys, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.keyref import KeyRef
from kif.ledger.batch import Outcome
from kif.ledger.event import Entry
from kif.ledger.events.batch import ApprovalGiven
from kif.ledger.events.card import CardVerified
from kif.ledger.events.ceremony import CeremonyBegun, GenesisBegun, KeyGenerated
from kif.ledger.events.key import KeyFormed, KeyImported
from kif.ledger.plan import Plan
from kif.ledger.verify import LogReport

CHECKS = (
    "The issuer's file was for this bureau, whole, and signed by the registered issuer.",
    "Its count and hash total are those that it states; every record is in its form.",
    "Two different operators signed the release of exactly this batch.",
    "Every good card proved its keys before any key left the HSM.",
    "Every command of a good card's script was answered 9000, with the card's R-MAC.",
    "A good card's records and processing options were read back and are what was prepared.",
    "A good card's ARQC was verified in the HSM with the key derived for it.",
    "The ledger was read again from its first byte, and each entry was one that its rules admit.",
    "Every table says what the ledger says; received = good + suspect + left over.",
)
"""What stands behind a good card, in words; each is a control with its tests."""


@dataclass(frozen=True)
class KeyLine:
    """A line of the key inventory."""

    name: str
    usage: str
    algorithm: str
    kcv: str
    ceremony: str
    """The ceremony that it comes from."""


@dataclass(frozen=True)
class Release:
    """One person's signature on a batch's release."""

    person: str
    time: datetime
    statement: str
    """Exactly what was signed."""


@dataclass(frozen=True)
class Account:
    """What the ledger says of a batch."""

    kinds: Mapping[str, int]
    """How many entries of each kind are about it."""
    verified: int
    """How many ARQCs the HSM verified."""
    keys: Sequence[KeyLine]
    """Every key on the record, the batch's own among them."""
    releases: Sequence[Release]
    """Who approved it, in the order of the log; those of a release that lapsed as well."""


def account_of(batch: str, log: LogReport, entries: Iterable[Entry]) -> Account:
    """Return the account of a batch out of a log that was verified."""
    kinds: Counter[str] = Counter()
    origins: dict[KeyRef, str] = {}
    releases: list[Release] = []
    ceremony = ""
    for entry in entries:
        event = entry.event
        kinds[event.kind] += getattr(event, "batch", None) == batch
        match event:
            case ApprovalGiven() if event.batch == batch:
                releases.append(Release(event.person, entry.time, event.statement))
            case GenesisBegun() | CeremonyBegun():
                ceremony = Plan.decode(event.plan).ceremony
            case KeyGenerated() | KeyFormed() | KeyImported():
                origins[event.key] = ceremony
    keys = [
        KeyLine(str(key), each.usage, each.algorithm, each.kcv or "none", origins.get(key, "none"))
        for key, each in sorted(log.state.keys.known.items())
    ]
    return Account(dict(sorted((+kinds).items())), kinds[CardVerified.kind], keys, releases)


def require_balance(batch: str, log: LogReport, good: int, suspect: int, count: int) -> Outcome:
    """Require that a batch's counts are those of the ledger (RECONCILIATION); return how it ended.

    ``good`` and ``suspect`` are what somebody else says, ``count`` how many cards were received.
    """
    outcome = log.state.batches.require(batch).outcome
    if outcome is None or (good, suspect) != (outcome.good, outcome.suspect):
        raise CheckFailed(
            Control.RECONCILIATION,
            f"Batch {batch} has {good} good and {suspect} suspect cards of {count} in the "
            f"database, but the ledger says {outcome or 'that it is not closed'}.",
        )
    return outcome
