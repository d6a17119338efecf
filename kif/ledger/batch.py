"""A batch as the log knows it, and the statement that releases it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.state import BatchState
from kif.ledger.approval import RELEASE
from kif.ledger.form import NAME_FORM, list_of, write_time

_STATIONS = list_of(NAME_FORM, 1, 100)


@dataclass(frozen=True)
class Terms:
    """What two people release a batch for: these stations, until then."""

    stations: tuple[str, ...]
    expires: datetime


@dataclass(frozen=True)
class Outcome:
    """How a batch ended; ``jobs`` is the digest over every card's state and chip."""

    good: int
    suspect: int
    left: int
    jobs: str


@dataclass(frozen=True)
class Batch:
    """A batch as the log knows it."""

    id: str
    issuer: str
    product: str
    count: int
    records: str
    retention: str
    """Reference of the key that its data key is derived from."""
    seed: str
    """SHA-256 of what it is derived over."""
    state: BatchState = BatchState.RECEIVED
    profile: str = ""
    scripts: str = ""
    prepared: int = 0
    """How many of its cards have a script."""
    keys: tuple[tuple[str, str], ...] = ()
    approvals: tuple[tuple[str, str], ...] = ()
    """Person and the statement that he or she signed."""
    terms: Terms | None = None
    outcome: Outcome | None = None
    dispatched: str = ""
    """The day (YYYY-MM-DD, UTC) on which cards of it left last."""
    mailed: bool = False
    """Whether its PINs went to the mailer's printer."""


def release_statement(batch: Batch, terms: Terms) -> bytes:
    """Return exactly what a person signs to release a batch on terms (canonical JSON, ASCII)."""
    return canonical.encode(
        {
            "approve": RELEASE,
            "batch": batch.id,
            "issuer": batch.issuer,
            "product": batch.product,
            "profile": batch.profile,
            "count": batch.prepared,
            "records": batch.records,
            "scripts": batch.scripts,
            "keys": dict(batch.keys),
            "stations": list(terms.stations),
            "expires": write_time(terms.expires),
        }
    )


def terms_of(statement: str) -> Terms:
    """Return the terms in a statement. Raises ``BadInput`` (APPROVAL_SIGNATURE)."""
    try:
        fields = canonical.decode(statement.encode())
        expires = datetime.fromisoformat(fields["expires"])
        write_time(expires)
        return Terms(_STATIONS.read(fields["stations"]), expires)
    except (BadInput, KeyError, TypeError, ValueError):
        raise BadInput(
            Control.APPROVAL_SIGNATURE,
            "The statement that was signed is not one of a release: it names no stations and no "
            "end. Sign exactly what 'kif batch release --statement' prints.",
        ) from None


def batch_fields(batch: Batch) -> dict[str, Any]:
    """Return a batch as JSON values."""
    fields = dict(vars(batch))
    terms, outcome = batch.terms, batch.outcome
    fields["terms"] = terms and [list(terms.stations), write_time(terms.expires)]
    fields["outcome"] = outcome and list(vars(outcome).values())
    return fields


def batch_of(fields: dict[str, Any]) -> Batch:
    """Take what ``batch_fields`` gave."""
    terms, outcome = fields["terms"], fields["outcome"]
    return Batch(
        **fields
        | {
            "state": BatchState(fields["state"]),
            "keys": tuple((key, kcv) for key, kcv in fields["keys"]),
            "approvals": tuple((person, statement) for person, statement in fields["approvals"]),
            "terms": terms and Terms(tuple(terms[0]), datetime.fromisoformat(terms[1])),
            "outcome": outcome and Outcome(*outcome),
        }
    )
