"""What happens to keys after the genesis: how they are made, and changes of their state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.ledger.event import Event
from kif.ledger.form import (
    Count,
    Digest,
    Flag,
    Form,
    Kcv,
    Key,
    KeysIfAny,
    Label,
    Name,
    Openers,
    Reason,
    list_of,
    matching,
    one_of,
    optional,
    read_time,
    write_time,
)


@dataclass(frozen=True)
class ComponentEntered(Event, kind="component-entered"):
    """A custodian entered a component whose check value is that of its sheet."""

    person: Name
    key: Key
    component: Count
    kcv: Kcv


@dataclass(frozen=True)
class ComponentGiven(Event, kind="component-given"):
    """A component was drawn in the HSM, and put on a sheet by a custodian, alone."""

    person: Name
    key: Key
    component: Count
    kcv: Kcv


@dataclass(frozen=True)
class KeyFormed(Event, kind="key-formed"):
    """A key is combined inside the token from its custodians' components."""

    by: Openers
    key: Key
    usage: Label
    algorithm: Label
    kcv: Kcv
    derived: Kcv
    """The check value of a key that is derived from it: what each opening compares."""
    valid_until: Annotated[datetime | None, optional(Form(read_time, write_time))]
    """The end of its cryptoperiod, when the plan gives it one."""


@dataclass(frozen=True)
class KeyImported(Event, kind="key-imported"):
    """A key came in a block (X9.143) under a zone's master key, and stands in the token."""

    by: Openers
    key: Key
    usage: Label
    algorithm: Label
    kcv: Kcv
    derived: Kcv
    valid_until: Annotated[datetime | None, optional(Form(read_time, write_time))]
    under: Key
    """The zone's master key."""
    header: Label
    """The first 16 signs of the block."""
    hidden: Flag
    """Whether its padding hid the key's length."""
    file: Digest
    """Of the block."""


@dataclass(frozen=True)
class KeyExported(Event, kind="key-exported"):
    """A key left in a block (X9.143) under a zone's master key."""

    by: Openers
    key: Key
    under: Key
    """The zone's master key."""
    file: Digest
    """Of the block."""


@dataclass(frozen=True)
class KeyWrapped(Event, kind="key-wrapped"):
    """A key left wrapped (RSA-OAEP) to a public key, which everyone compared."""

    by: Openers
    key: Key
    recipient: Digest
    """Of the public key (SubjectPublicKeyInfo, DER)."""
    file: Digest


_MODULUS = matching(r"[0-9A-F]{128,496}")
_EXPONENT = matching(r"([0-9A-F]{2}){1,3}")


@dataclass(frozen=True)
class IssuerCertified(Event, kind="issuer-certified"):
    """A payment scheme certified an issuer's key; everyone compared the scheme's. Hex."""

    by: Openers
    key: Key
    rid: Annotated[str, matching(r"[0-9A-F]{10}")]
    index: Annotated[str, matching(r"[0-9A-F]{2}")]
    scheme_modulus: Annotated[str, _MODULUS]
    scheme_exponent: Annotated[str, _EXPONENT]
    issuer_certificate: Annotated[str, _MODULUS]
    """Tag 90."""
    remainder: Annotated[str, matching(r"([0-9A-F]{2}){0,248}")]
    """Tag 92; empty where the certificate holds the whole modulus."""
    exponent: Annotated[str, _EXPONENT]
    """Tag 9F32."""

    @classmethod
    def of(cls, by: tuple[str, ...], key: KeyRef, made: IssuerCertificate) -> IssuerCertified:
        """Return the event for a certificate."""
        fields = made.fields()
        return cls(by, key, issuer_certificate=fields.pop("certificate"), **fields)

    def certificate(self) -> IssuerCertificate:
        """Return the certificate."""
        fields = {"certificate": self.issuer_certificate} | vars(self)
        for other in ("by", "key", "issuer_certificate"):
            del fields[other]
        return IssuerCertificate.of(fields)


@dataclass(frozen=True)
class KeyStateChanged(Event, kind="key-state-changed"):
    """A key of an issuer or a vendor moved along its states (NIST SP 800-57 part 1, 7)."""

    by: Openers
    key: Key
    state: Annotated[KeyState, one_of(KeyState)]
    reason: Reason


@dataclass(frozen=True)
class KeySuperseded(Event, kind="key-superseded"):
    """Another version comes after a key, which ends with the ceremony when no batch needs it."""

    by: Openers
    key: Key
    batches: Annotated[tuple[str, ...], list_of(matching(r"[0-9a-f]{16}"), 0, 100_000)]
    """Those that were prepared with it and are not closed: while there are some it goes on."""


@dataclass(frozen=True)
class KeyCompromised(Event, kind="key-compromised"):
    """A key of an issuer or a vendor may be known to others: what depends on it is listed."""

    by: Openers
    key: Key
    keys: KeysIfAny
    """Every key that came or left under it, of a zone's master key."""
    batches: Annotated[tuple[str, ...], list_of(matching(r"[0-9a-f]{16}"), 0, 100_000)]
    """Every batch that was prepared or released with it."""
    reason: Reason
