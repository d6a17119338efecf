"""What keys are for: one row a purpose, with whose such keys are, their usage and algorithms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef

APPLICATION_DOMAIN = "application-domain"
BACKUP_KEK = "backup-kek"
CARD_MANAGER = "card-manager"
CARD_VERIFICATION = "card-verification"
DATA_PROTECTION = "data-protection"
EMV_ISSUER = "emv-issuer"
ENVELOPE_RECIPIENT = "envelope-recipient"
ISSUER_DOMAIN = "issuer-domain"
LOG_SIGNER = "log-signer"
PIN_VERIFICATION = "pin-verification"
PIN_ZONE = "pin-zone"
RETENTION = "retention"
SITE_CA = "site-ca"
ZONE_MASTER = "zone-master"


class Owner(StrEnum):
    """Whose a key is."""

    SITE = "site"
    ISSUER = "issuer"
    VENDOR = "vendor"


@dataclass(frozen=True)
class Purpose:
    """A row: whose it may be, the usage (:mod:`kif.hsm.usage`), the algorithms to choose from."""

    owners: frozenset[Owner]
    usage: str
    algorithms: frozenset[str]
    quorum: bool = False
    """Whether it is never kept: the shares of a quorum give it, for one session."""
    block: str = ""
    """What a key block says of such a key: usage and mode of use (X9.143, tables 4 and 6)."""

    @property
    def formed(self) -> bool:
        """Whether such a key is formed of components in a ceremony."""
        return Owner.SITE not in self.owners and self.usage in KEPT

    @property
    def partners(self) -> bool:
        """Whether it is a key of an issuer or a vendor that a ceremony makes, a pair included."""
        return self.formed or self.usage == ISSUER_SIGNER


MASTER_DERIVATION = "master-derivation"
ISSUER_SIGNER = "issuer-signer"
KEPT = frozenset({MASTER_DERIVATION, CARD_VERIFICATION, PIN_VERIFICATION, PIN_ZONE})
"""Usages of secret keys that stand in the token, and in its backups."""


def _row(
    owner: Owner, usage: str, *algorithms: str, quorum: bool = False, block: str = ""
) -> Purpose:
    return Purpose(frozenset({owner}), usage, frozenset(algorithms), quorum, block)


_AES = ("AES-128", "AES-192", "AES-256")
_RSA = tuple(f"RSA-{bits}" for bits in (1024, 1152, 1280, 1408, 1536, 1792, 1984))
"""Moduli of issuers: as long as a scheme's at most, which has 1984 bits (EMV Book 2, 5.1)."""


PURPOSES: dict[str, Purpose] = {
    "emv-ac": _row(Owner.ISSUER, MASTER_DERIVATION, "2TDEA", block="E0X"),
    "emv-smi": _row(Owner.ISSUER, MASTER_DERIVATION, "2TDEA", block="E2X"),
    "emv-smc": _row(Owner.ISSUER, MASTER_DERIVATION, "2TDEA", block="E1X"),
    CARD_VERIFICATION: _row(Owner.ISSUER, CARD_VERIFICATION, "2TDEA", block="C0C"),
    PIN_VERIFICATION: _row(Owner.ISSUER, PIN_VERIFICATION, "2TDEA", block="V2C"),
    PIN_ZONE: _row(Owner.ISSUER, PIN_ZONE, "2TDEA", "AES-128", "AES-256", block="P0E"),
    EMV_ISSUER: _row(Owner.ISSUER, ISSUER_SIGNER, *_RSA),
    ISSUER_DOMAIN: _row(
        Owner.ISSUER, MASTER_DERIVATION, "2TDEA", "AES-128", "AES-256", block="E5X"
    ),
    APPLICATION_DOMAIN: _row(Owner.ISSUER, MASTER_DERIVATION, "AES-128", "AES-256", block="E5X"),
    RETENTION: _row(Owner.ISSUER, "retention", "AES-256"),
    ZONE_MASTER: Purpose(
        frozenset({Owner.ISSUER, Owner.VENDOR}),
        MASTER_DERIVATION,
        frozenset({"2TDEA", "3TDEA", *_AES}),
        block="K1B",
    ),
    CARD_MANAGER: _row(Owner.VENDOR, MASTER_DERIVATION, "2TDEA", *_AES, block="E5X"),
    DATA_PROTECTION: _row(Owner.SITE, MASTER_DERIVATION, "AES-256"),
    LOG_SIGNER: _row(Owner.SITE, "log-signer", "Ed25519"),
    SITE_CA: _row(Owner.SITE, "site-ca", "P-256"),
    ENVELOPE_RECIPIENT: _row(Owner.SITE, "envelope-recipient", "RSA-2048", "RSA-3072", "RSA-4096"),
    BACKUP_KEK: _row(Owner.SITE, "backup-kek", "AES-256", quorum=True),
}
GENESIS_KEYS = tuple(
    name for name, row in PURPOSES.items() if Owner.SITE in row.owners and not row.quorum
)
"""What a genesis makes."""


PAIRS = (LOG_SIGNER, SITE_CA, ENVELOPE_RECIPIENT, EMV_ISSUER)
"""Whose keys are pairs."""


def purpose_of(key: KeyRef) -> Purpose:
    """Return the row of a key. Raises ``BadInput`` (KEY_USAGE) for a purpose that there is not."""
    if key.purpose not in PURPOSES:
        raise BadInput(
            Control.KEY_USAGE,
            f"There is no purpose '{key.purpose}' for a key; there are: {', '.join(PURPOSES)}.",
        )
    return PURPOSES[key.purpose]
