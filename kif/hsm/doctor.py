"""What a PKCS#11 library can and cannot do, and what that means for each feature of kif."""

from dataclasses import dataclass
from pathlib import Path

from pkcs11 import Mechanism

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm import library


@dataclass(frozen=True)
class Finding:
    """One feature: whether the token has every mechanism it needs, and which are missing."""

    feature: str
    available: bool
    missing: tuple[str, ...]
    otherwise: str
    """What the lack means."""


_NEEDS: tuple[tuple[str, tuple[Mechanism, ...], str], ...] = (
    (
        "EMV derivation (option A, session keys) inside",
        (Mechanism.DES3_ECB_ENCRYPT_DATA, Mechanism.DES3_ECB, Mechanism.DES3_CBC),
        "no EMV product can be made with this token",
    ),
    (
        "AES-CMAC derivation (KDF3, SCP03) inside",
        (Mechanism.AES_ECB_ENCRYPT_DATA, Mechanism.AES_ECB, Mechanism.AES_CMAC),
        "no SCP03 card can be personalised with this token",
    ),
    (
        "card keys wrapped under the Key-DEK",
        (Mechanism.AES_CBC,),
        "no key can be sent to a card",
    ),
    (
        "components combined inside",
        (Mechanism.AES_KEY_WRAP, Mechanism.AES_CBC, Mechanism.AES_ECB),
        "no key can be formed from components; have it wrapped to this token instead",
    ),
    ("card data at rest (AES-GCM)", (Mechanism.AES_GCM,), "no batch can be received"),
    (
        "issuers' envelopes (RSA PKCS#1 v1.5)",
        (Mechanism.RSA_PKCS, Mechanism.RSA_PKCS_KEY_PAIR_GEN),
        "no issuer's file can be opened",
    ),
    (
        "log signatures (Ed25519)",
        (Mechanism.EDDSA, Mechanism.EC_EDWARDS_KEY_PAIR_GEN),
        "the ledger can't be signed, so nothing can happen",
    ),
    (
        "site certificates (P-256)",
        (Mechanism.ECDSA, Mechanism.EC_KEY_PAIR_GEN),
        "the bureau's certificates have to be issued elsewhere",
    ),
)


def examine(path: Path) -> list[Finding]:
    """Ask the library's first slot for its mechanisms. Raises ``DeviceFailed``."""
    native = library.load(path)
    with library.calling("asking for mechanisms"):
        slots = native.get_slots()
        if not slots:
            raise DeviceFailed(Control.TOKEN_PRESENT, "The PKCS#11 library shows no slot.")
        offered = slots[0].get_mechanisms()
    return [
        Finding(
            feature,
            all(each in offered for each in needed),
            tuple(each.name for each in needed if each not in offered),
            otherwise,
        )
        for feature, needed, otherwise in _NEEDS
    ]
