"""What happens in a ceremony: people, its plan and steps, the token, certificates, the seal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from kif.formats.control import Control
from kif.ledger.event import Event
from kif.ledger.form import KCV_FORM as _KCV
from kif.ledger.form import NAME_FORM as _NAME
from kif.ledger.form import (
    Armour,
    Count,
    Digest,
    Digests,
    Form,
    Holders,
    Instant,
    Key,
    KeysIfAny,
    Label,
    Line,
    Name,
    Names,
    Openers,
    Place,
    PlanText,
    Reason,
    Sentence,
    Statement,
    Two,
    encoded,
    list_of,
    matching,
    number,
    one_of,
    optional,
    read_time,
    write_time,
)


class Role(StrEnum):
    """What a person is appointed to."""

    CUSTODIAN = "custodian"
    OPERATOR = "operator"
    WITNESS = "witness"
    """Of compliance or of an issuer: watches, and holds nothing."""

    @property
    def plural(self) -> str:
        """Return the word for several."""
        return f"{self.value}es" if self is Role.WITNESS else f"{self.value}s"

    def counted(self, count: int) -> str:
        """Return so many of them, in words: 1 witness, 2 custodians."""
        return f"{count} {self.value if count == 1 else self.plural}"


@dataclass(frozen=True)
class GenesisAborted(Event, kind="genesis-aborted"):
    """An earlier attempt at a genesis ended before its closing; told by the record it left."""

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
class GenesisBegun(Event, kind="genesis-begun"):
    """The ceremony that makes the site begins, by this plan."""

    site: Name
    plan: PlanText


@dataclass(frozen=True)
class CeremonyBegun(Event, kind="ceremony-begun"):
    """Two operators opened the token for a ceremony on a site that stands."""

    by: Openers
    plan: PlanText
    subject: Name
    """What it is about: the site, an issuer, a vendor."""
    custodians: Names
    """Those who take part, in the order of their components."""
    witnesses: Names
    keys: KeysIfAny
    """The keys that it makes, in the order of the plan."""
    uses: KeysIfAny
    """The keys that stand already, and that it is about."""

    @property
    def taking_part(self) -> dict[Role, tuple[str, ...]]:
        """Return everyone who takes part, by role."""
        return {
            Role.CUSTODIAN: self.custodians,
            Role.OPERATOR: self.by,
            Role.WITNESS: self.witnesses,
        }


@dataclass(frozen=True)
class StepDone(Event, kind="step-done"):
    """Everything that a step of the plan asks for has happened."""

    step: Count
    """From 1."""


@dataclass(frozen=True)
class StepMissed(Event, kind="step-missed"):
    """Somebody's attempt in a step was not taken, and may be tried again."""

    person: Name
    step: Count
    control: Annotated[Control, one_of(Control)]
    reason: Reason


@dataclass(frozen=True)
class CeremonyDeviated(Event, kind="ceremony-deviated"):
    """Something did not go by the plan; two of those present signed what and why."""

    step: Count
    reason: Sentence
    people: Two
    signatures: Annotated[tuple[str, ...], list_of(matching(r"[ -~\n]{1,4000}"), 2, 2)]


@dataclass(frozen=True)
class CeremonyResumed(Event, kind="ceremony-resumed"):
    """A ceremony that was interrupted goes on at the beginning of its step."""

    step: Count
    undone: KeysIfAny
    """What the step had made: it was destroyed, and is made again."""


@dataclass(frozen=True)
class CeremonyAttested(Event, kind="ceremony-attested"):
    """Somebody who took part signed the head of the log at the end of the ceremony."""

    person: Name
    statement: Statement
    signature: Armour


@dataclass(frozen=True)
class CeremonyClosed(Event, kind="ceremony-closed"):
    """Every step is done and everyone has signed: the ceremony's keys are active."""

    by: Openers
    ceremony: Name


@dataclass(frozen=True)
class CeremonyAborted(Event, kind="ceremony-aborted"):
    """The ceremony ended before its closing: what it made is destroyed."""

    by: Openers
    ceremony: Name
    step: Count
    """The step at which it ended, from 1."""
    reason: Reason


@dataclass(frozen=True)
class PersonAppointed(Event, kind="person-appointed"):
    """A person is appointed to a role with an OpenSSH public key."""

    person: Name
    role: Annotated[Role, one_of(Role)]
    public_key: Line
    manager: Annotated[str | None, optional(_NAME)]
    """Whom he or she reports to, if to anybody."""


@dataclass(frozen=True)
class StationEnrolled(Event, kind="station-enrolled"):
    """A station is known from here on, by an OpenSSH public key of its own."""

    by: Openers
    station: Name
    public_key: Line


@dataclass(frozen=True)
class PersonReleased(Event, kind="person-released"):
    """Somebody's role ends: what he or she opens or signs does not count from here on."""

    by: Openers
    person: Name
    role: Annotated[Role, one_of(Role)]


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
    valid_until: Annotated[datetime | None, optional(Form(read_time, write_time))] = None
    """The end of its cryptoperiod, when the plan gives it one."""


@dataclass(frozen=True)
class CertificateIssued(Event, kind="certificate-issued"):
    """The site's CA certified a key of the site (itself first)."""

    key: Key
    certificate: Armour


@dataclass(frozen=True)
class PinSealed(Event, kind="pin-sealed"):
    """A PIN was sealed to its holders, of whom so many open it together."""

    purpose: Annotated[str, matching("user-pin|so-pin")]
    threshold: Annotated[int, number(2, 20)]
    holders: Holders
    files: Digests
    """Of each holder's own file, in their order."""
    quorum: Digest
    """Of the file with the sealed PIN."""


@dataclass(frozen=True)
class SiteFounded(Event, kind="site-founded"):
    """The genesis is complete: from here on the log obeys the people that it appointed."""

    site: Name
    log_key: Annotated[bytes, encoded(32)]
    """The Ed25519 public key that signs this log."""


@dataclass(frozen=True)
class LogSignerReplaced(Event, kind="log-signer-replaced"):
    """Another key signs the log, beginning with the checkpoint over this entry.

    Everyone who takes part in the ceremony signed which one, and the end of the log that it goes on
    from; so the key before it need not be there any more.
    """

    by: Openers
    key: Key
    public_key: Annotated[bytes, encoded(32)]
    """Ed25519."""
    statement: Statement
    people: Names
    signatures: Annotated[tuple[str, ...], list_of(matching(r"[ -~\n]{1,4000}"), 2, 40)]
    """Of the people, in their order."""
