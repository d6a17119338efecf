"""What is recorded: the kinds of events, and an entry as its canonical bytes.

An entry never holds a key, a component, a PIN or a PAN. What one issuer may see and another may
not stands outside of it, behind ``commit = SHA-256(00 || salt || payload)``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.pan import check_digit_is_right

Subject = Mapping[str, str | int]
_FORBIDDEN = frozenset({"pan", "pin", "key_value", "component_value", "track2", "name_on_card"})
_FIELDS = frozenset({"index", "time", "kind", "actor", "boundary", "subject"})


class Kind(StrEnum):
    """The vocabulary of the log."""

    CUSTODIAN_APPOINTED = "custodian-appointed"
    PLAN_APPROVED = "plan-approved"
    HSM_VERIFIED = "hsm-verified"
    KEY_GENERATED = "key-generated"
    COMPONENT_ENTERED = "component-entered"
    KEY_FORMED = "key-formed"
    DEVIATION = "deviation"
    CEREMONY_CLOSED = "ceremony-closed"
    ISSUER_REGISTERED = "issuer-registered"
    FILE_REFUSED = "file-refused"
    BATCH_RECEIVED = "batch-received"
    BATCH_PREPARED = "batch-prepared"
    APPROVAL_GIVEN = "approval-given"
    APPROVAL_REFUSED = "approval-refused"
    BATCH_RELEASED = "batch-released"
    JOB_CLAIMED = "job-claimed"
    CLAIM_WITHDRAWN = "claim-withdrawn"
    INJECTION_AUTHORISED = "injection-authorised"
    INJECTION_DONE = "injection-done"
    CARD_PRINTED = "card-printed"
    CARD_VERIFIED = "card-verified"
    CARD_SUSPECT = "card-suspect"
    BATCH_DISPATCHED = "batch-dispatched"
    BATCH_CLOSED = "batch-closed"
    RESIDUE_DESTROYED = "residue-destroyed"


class Boundary(StrEnum):
    """Where keys were clear during the event: ``hsm`` when none was outside the HSM."""

    HSM = "hsm"
    HOST = "host"


@dataclass(frozen=True)
class Event:
    """Something that happened, before it has a place and a time in the log."""

    kind: Kind
    actor: str
    boundary: Boundary
    subject: Subject
    disclosed: Mapping[str, Any] | None = field(default=None)
    """What only the issuer concerned may be shown."""

    def __post_init__(self) -> None:
        for name, value in self.subject.items():
            if name in _FORBIDDEN or _looks_like_a_pan(value):
                raise BadInput(
                    Control.DATA_AT_REST,
                    f"The field '{name}' of a ledger entry would hold card data. Nothing was "
                    "recorded or done.",
                )


@dataclass(frozen=True)
class Entry:
    """An entry of the log, as it is read back."""

    index: int
    time: datetime
    kind: Kind
    actor: str
    boundary: Boundary
    subject: Subject
    commit: str | None

    @classmethod
    def decode(cls, leaf: bytes) -> Entry:
        """Read a leaf. Raises ``BadInput`` for anything that ``encode`` would not have written."""
        fields = canonical.decode(leaf)
        try:
            return cls._of(fields)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadInput(Control.BYTES, "The leaf is not an entry of this log.") from None

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Entry:
        if set(fields) - {"commit"} != _FIELDS or not _types_fit(fields):
            raise ValueError(sorted(fields))
        entry = cls(
            fields["index"],
            datetime.fromisoformat(fields["time"]),
            Kind(fields["kind"]),
            fields["actor"],
            Boundary(fields["boundary"]),
            fields["subject"],
            fields.get("commit"),
        )
        if _written(entry.time) != fields["time"]:
            raise ValueError(fields["time"])
        return entry


def encode(event: Event, index: int, time: datetime, commit: str | None) -> bytes:
    """Return the leaf of an event at an index. Raises ``ValueError`` for a naive time."""
    fields: dict[str, Any] = {
        "index": index,
        "time": _written(time),
        "kind": event.kind.value,
        "actor": event.actor,
        "boundary": event.boundary.value,
        "subject": dict(event.subject),
    }
    return canonical.encode(fields if commit is None else fields | {"commit": commit})


def commitment(salt: bytes, payload: bytes) -> str:
    """Return the hex commitment to a payload under a 32-byte salt."""
    return hashlib.sha256(b"\x00" + salt + payload).hexdigest()


def _written(time: datetime) -> str:
    if time.utcoffset() is None:
        raise ValueError("a time without its offset can't be recorded")
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _types_fit(fields: dict[str, Any]) -> bool:
    subject = fields["subject"]
    return (
        type(fields["index"]) is int  # JSON's true is 1 as well
        and isinstance(fields["actor"], str)
        and isinstance(fields.get("commit", ""), str)
        and isinstance(subject, dict)
        and all(isinstance(value, str | int) for value in subject.values())
    )


def _looks_like_a_pan(value: str | int) -> bool:
    text = str(value)
    digits = text.isascii() and text.isdigit() and 12 <= len(text) <= 19
    return digits and check_digit_is_right(text)
