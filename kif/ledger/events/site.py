"""What happens to the site as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from kif.ledger.event import Event
from kif.ledger.form import (
    Armour,
    Count,
    Digest,
    Instant,
    Name,
    Openers,
    Place,
    Reason,
    matching,
)


@dataclass(frozen=True)
class TokenOpened(Event, kind="token-opened"):
    """Two operators opened the token for a process."""

    by: Openers


@dataclass(frozen=True)
class LibraryAccepted(Event, kind="library-accepted"):
    """Holders of the PIN sealed it anew for another PKCS#11 library."""

    by: Openers
    library: Place
    library_digest: Digest
    quorum: Digest
    """Of the file with the PIN as it is sealed now."""


@dataclass(frozen=True)
class LibraryTested(Event, kind="library-tested"):
    """Known answers were tried with a PKCS#11 library, on a throw-away token."""

    by: Openers
    library: Place
    library_digest: Digest
    vectors: Digest
    """SHA-256 of the file of vectors."""
    passed: Count
    failed: Count
    skipped: Count


@dataclass(frozen=True)
class KeysChecked(Event, kind="keys-checked"):
    """Registry, token and log were compared, key by key."""

    by: Openers
    keys: Count
    findings: Count


@dataclass(frozen=True)
class ClockCorrected(Event, kind="clock-corrected"):
    """The clock had been ahead: what follows may be earlier than what stands before."""

    by: Openers
    was: Instant
    """The time of the entry before, which the wrong clock gave."""


@dataclass(frozen=True)
class IssuerRegistered(Event, kind="issuer-registered"):
    """An issuer's files are accepted from here on, when this certificate (PEM) signed them."""

    by: Openers
    issuer: Name
    certificate: Armour


@dataclass(frozen=True)
class IssuerRenewed(Event, kind="issuer-renewed"):
    """Another certificate takes the place of an issuer's, or it is taken back in."""

    by: Openers
    issuer: Name
    certificate: Armour
    reason: Reason


@dataclass(frozen=True)
class IssuerWithdrawn(Event, kind="issuer-withdrawn"):
    """No file of an issuer is accepted from here on; its batches go on."""

    by: Openers
    issuer: Name
    reason: Reason


@dataclass(frozen=True)
class BlanksDelivered(Event, kind="blanks-delivered"):
    """A vendor delivered blanks: from here on no other blanks of it get a key."""

    by: Openers
    vendor: Name
    delivery: Name
    """The vendor's own number of it."""
    chips: Annotated[str, matching(r"([0-9A-F]{20}){1,5000}")]
    """Serials, ten bytes each: what the chips answer INITIALIZE UPDATE with."""


@dataclass(frozen=True)
class StationWithdrawn(Event, kind="station-withdrawn"):
    """Nothing is made at a station from here on."""

    by: Openers
    station: Name
    reason: Reason


@dataclass(frozen=True)
class StationResumed(Event, kind="station-resumed"):
    """Two people looked into a station that was stopped; it may go on."""

    by: Openers
    station: Name
    reason: Reason
