"""What happens in a ceremony: people, the token, keys, certificates, the seal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from kif.ledger.event import Event
from kif.ledger.form import KCV_FORM as _KCV
from kif.ledger.form import (
    Armour,
    Count,
    Digest,
    Halves,
    Instant,
    Key,
    Label,
    Line,
    Name,
    Names,
    Pair,
    Place,
    Reason,
    Statement,
    encoded,
    matching,
    one_of,
    optional,
)


class Role(StrEnum):
    """What a person is appointed to."""

    CUSTODIAN = "custodian"
    OPERATOR = "operator"


@dataclass(frozen=True)
class CeremonyAborted(Event, kind="ceremony-aborted"):
    """An earlier attempt ended before its closing; told by the record that it left."""

    site: Name
    ceremony: Name
    plan: Digest
    began: Instant
    people: Names
    """Who had been appointed by then."""
    step: Count
    """The step of the plan at which it ended, from 1; 0 before the first."""
    reason: Reason


@dataclass(frozen=True)
class PersonAppointed(Event, kind="person-appointed"):
    """A person is appointed to a role with an OpenSSH public key."""

    person: Name
    role: Annotated[Role, one_of(Role)]
    public_key: Line


@dataclass(frozen=True)
class PlanApproved(Event, kind="plan-approved"):
    """A person signed the ceremony's plan; ``statement`` is exactly what was signed."""

    person: Name
    statement: Statement
    signature: Armour


@dataclass(frozen=True)
class TokenMade(Event, kind="token-made"):
    """The HSM made the site's token: what it says of itself, and the library that spoke to it."""

    label: Name
    library: Place
    library_digest: Digest
    make: Label
    model: Label
    serial: Label
    firmware: Label


@dataclass(frozen=True)
class KeyGenerated(Event, kind="key-generated"):
    """A key was generated inside the token; a key pair shows its public key."""

    key: Key
    usage: Label
    algorithm: Label
    kcv: Annotated[str | None, optional(_KCV)]
    derived: Annotated[str | None, optional(_KCV)]
    """The check value of a key that is derived from it: what each opening compares."""
    public_key: Annotated[str | None, optional(matching(r"[0-9a-f]{64,2048}"))]
    """Ed25519: 32 bytes; P-256: the point; RSA: the modulus. Hex."""


@dataclass(frozen=True)
class CertificateIssued(Event, kind="certificate-issued"):
    """The site's CA certified a key of the site (itself first)."""

    key: Key
    certificate: Armour


@dataclass(frozen=True)
class PinSealed(Event, kind="pin-sealed"):
    """A PIN was split between two people; the digests are of the sealed halves' files."""

    purpose: Annotated[str, matching("user-pin|so-pin")]
    holders: Pair
    halves: Halves


@dataclass(frozen=True)
class CeremonyClosed(Event, kind="ceremony-closed"):
    """The genesis is complete: from here on the log obeys the people that it appointed."""

    site: Name
    ceremony: Name
    plan: Digest
    log_key: Annotated[bytes, encoded(32)]
    """The Ed25519 public key that signs this log."""
