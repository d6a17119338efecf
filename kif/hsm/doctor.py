"""What a PKCS#11 library can and cannot do, and what that means for each feature of kif."""

from dataclasses import dataclass
from pathlib import Path

from pkcs11 import Mechanism

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm import an10922, blockinside, keyblock, library, milenage, visa
from kif.hsm.token import Token


@dataclass(frozen=True)
class Finding:
    """One feature: whether the token has every mechanism for it, and where keys are clear."""

    feature: str
    available: bool
    boundary: str
    """``hsm``; or ``host`` with the reason that has to be permitted by name."""
    missing: tuple[str, ...]
    means: str
    """What the lack means, or what the boundary does; empty when there is nothing to say."""


@dataclass(frozen=True)
class _Need:
    """A feature, its mechanisms, what their lack means, and why a key is clear on the host."""

    feature: str
    mechanisms: tuple[Mechanism, ...]
    otherwise: str
    on_host: str = ""
    clear: str = ""
    inside: frozenset[int] = frozenset()
    """What a token needs more to do it without a key on the host; empty when nothing helps."""

    def finding(self, offered: frozenset[int]) -> Finding:
        missing = tuple(each.name for each in self.mechanisms if int(each) not in offered)
        kept = bool(self.inside) and self.inside <= offered
        boundary = f"host: {self.on_host}" if self.on_host and not kept else "hsm"
        means = self.otherwise if missing else "" if kept else self.clear
        return Finding(self.feature, not missing, boundary, missing, means)


_NEEDS = (
    _Need(
        "EMV keys, cryptograms and scripts; CVV, PVV, retail MAC",
        (Mechanism.DES3_ECB_ENCRYPT_DATA, Mechanism.DES3_ECB, Mechanism.DES3_CBC),
        "no EMV product can be made with this token",
    ),
    _Need(
        "AES-CMAC derivation (KDF3, SCP03, AN10922, SP 800-108)",
        (Mechanism.AES_ECB_ENCRYPT_DATA, Mechanism.AES_ECB, Mechanism.AES_CMAC),
        "no SCP03 card can be personalised with this token",
    ),
    _Need(
        "SCP02 session keys",
        (Mechanism.DES3_CBC_ENCRYPT_DATA,),
        "no SCP02 card's session keys can be derived",
    ),
    _Need(
        "card keys wrapped under the Key-DEK",
        (Mechanism.AES_CBC,),
        "no key can be sent to a card",
    ),
    _Need(
        "components combined; Visa's session keys",
        (Mechanism.AES_KEY_WRAP, Mechanism.AES_CBC, Mechanism.AES_ECB),
        "no key can be formed from components; have it wrapped to this token instead",
    ),
    _Need(
        "M of N custodians",
        (Mechanism.AES_KEY_WRAP_PAD, Mechanism.AES_GCM, Mechanism.AES_ECB_ENCRYPT_DATA),
        "no quorum can bring a key back",
    ),
    _Need(
        "keys to another HSM (RFC 3394, RFC 5649, RSA-OAEP)",
        (Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD, Mechanism.RSA_PKCS_OAEP),
        "keys go to another HSM by the ways that are left",
    ),
    _Need(
        "key blocks of X9.143, version D",
        (Mechanism.AES_CMAC, Mechanism.AES_CBC, Mechanism.AES_ECB_ENCRYPT_DATA),
        "no key block is written or read",
        keyblock.ON_HOST,
        "the key that is transported is clear for a moment, its protection key never",
        blockinside.NEEDED,
    ),
    _Need(
        "key blocks of X9.143, version B",
        (Mechanism.DES3_ECB, Mechanism.DES3_CBC, Mechanism.DES3_ECB_ENCRYPT_DATA),
        "version D alone is written and read",
        keyblock.ON_HOST,
        "the key that is transported is clear for a moment, its protection key never",
        blockinside.NEEDED,
    ),
    _Need(
        "Visa's PIN change block",
        (Mechanism.AES_KEY_WRAP, Mechanism.DES3_ECB_ENCRYPT_DATA),
        "no PIN change script for VIS can be made",
        visa.PIN_BLOCK_ON_HOST,
        "four bytes of the card's key for cryptograms are clear",
    ),
    _Need(
        "AN10922 for AES-192",
        (Mechanism.AES_KEY_WRAP, Mechanism.AES_ECB_ENCRYPT_DATA),
        "no such key can be derived",
        an10922.AES_192_ON_HOST,
        "the derived key is clear for a moment; AES-128, AES-256 and 3DES keys are not",
    ),
    _Need(
        "MILENAGE f1 to f5*, to test a SIM (OPc is made inside)",
        (Mechanism.AES_ECB,),
        "no SIM can be tested",
        milenage.OPC_ON_HOST,
        "OPc is clear; the subscriber's key is not",
    ),
    _Need("card data at rest (AES-GCM)", (Mechanism.AES_GCM,), "no batch can be received"),
    _Need(
        "issuers' envelopes (RSA PKCS#1 v1.5)",
        (Mechanism.RSA_PKCS, Mechanism.RSA_PKCS_KEY_PAIR_GEN),
        "no issuer's file can be opened",
    ),
    _Need(
        "log signatures (Ed25519)",
        (Mechanism.EDDSA, Mechanism.EC_EDWARDS_KEY_PAIR_GEN),
        "the ledger can't be signed, so nothing can happen",
    ),
    _Need(
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
        return _findings(library.offered_by(path, slots[0]))


def examine_token(token: Token) -> list[Finding]:
    """Ask a token that is open for its mechanisms. Raises ``DeviceFailed``."""
    with library.calling("asking for mechanisms"):
        return _findings(library.offered_by(token.place.library, token.session.token.slot))


def _findings(offered: frozenset[int]) -> list[Finding]:
    if int(Mechanism.AES_KEY_WRAP_KWP) in offered:  # the newer name of the same
        offered |= {int(Mechanism.AES_KEY_WRAP_PAD)}
    return [need.finding(offered) for need in _NEEDS]
