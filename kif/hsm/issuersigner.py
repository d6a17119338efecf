"""An issuer's RSA key: it signs blocks with recovery (:mod:`kif.formats.offline` builds them).

EMV Book 2, A2.1: RSA without padding (CKM_RSA_X_509), over blocks that have their own form.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from pkcs11 import KeyType, Mechanism, ObjectClass

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.offline import PublicKey
from kif.formats.recovery import opened
from kif.hsm.calls import calls_of
from kif.hsm.key import confirm, recognise, template
from kif.hsm.keypair import public_template, rsa_numbers
from kif.hsm.library import calling
from kif.hsm.native import NativeKey
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage

_RAW = int(Mechanism.RSA_X_509)
_SHA_256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
"""DigestInfo of SHA-256 (RFC 8017, 9.2, note 1)."""


@dataclass(frozen=True)
class IssuerSigner:
    """The pair by its private half; ``public`` is what the scheme certifies."""

    native: NativeKey
    public: PublicKey

    def sign(self, block: bytes) -> bytes:
        """Return a block under the private key, as long as the modulus.

        Raises ``DeviceFailed`` (TOKEN_CALL) when it does not recover: a signature that a fault
        spoilt would give the private key away.
        """
        with calling("signing a block"):
            made = calls_of(self.native).sign(self.native.handle or 0, _RAW, block)
        if opened(made, self.public.modulus, self.public.exponent) != block:
            raise DeviceFailed(
                Control.TOKEN_CALL, "The token made a wrong RSA signature. It was not given out."
            )
        return made


def generate_issuer_pair(token: Token, label: str, bits: int) -> IssuerSigner:
    """Generate an issuer's pair; its private half may SIGN and nothing else, and stays."""
    usage = Usage.ISSUER_SIGNER
    with calling(f"generating {label}"):
        token.session.generate_keypair(
            KeyType.RSA,
            bits,
            public_template=public_template(label),
            private_template=template(usage, label),
        )
    confirm(token.find(label, ObjectClass.PRIVATE_KEY), RULES[usage], label)
    return find_issuer_signer(token, label)


def find_issuer_signer(token: Token, label: str) -> IssuerSigner:
    """Return an issuer's pair. Raises ``DeviceFailed`` (KEY_FOUND, KEY_USAGE)."""
    native = token.find(label, ObjectClass.PRIVATE_KEY)
    recognise(native, RULES[Usage.ISSUER_SIGNER], label)
    return IssuerSigner(native, PublicKey(*rsa_numbers(token, label)))


def certificate_request(signer: IssuerSigner, issuer: str, name: str) -> str:
    """Return a request for a certificate of the pair, signed with it (PKCS#10, PEM)."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, issuer),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    made = request.sign(_Requesting(signer), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


class _Requesting(rsa.RSAPrivateKey):
    """The pair for the request's builder: it signs by PKCS#1 v1.5, and does nothing else."""

    def __init__(self, signer: IssuerSigner) -> None:
        self._signer = signer

    @property
    def key_size(self) -> int:
        return 8 * self._signer.public.size

    def public_key(self) -> rsa.RSAPublicKey:
        numbers = (self._signer.public.exponent, self._signer.public.modulus)
        return rsa.RSAPublicNumbers(*(int.from_bytes(n, "big") for n in numbers)).public_key()

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        digest = _SHA_256_PREFIX + hashlib.sha256(bytes(data)).digest()
        filled = b"\xff" * (self._signer.public.size - len(digest) - 3)
        return self._signer.sign(b"\x00\x01" + filled + b"\x00" + digest)

    def decrypt(self, ciphertext: bytes, padding: Any) -> NoReturn:
        raise TypeError("an issuer's key only signs")

    def private_numbers(self) -> NoReturn:
        raise TypeError("an issuer's key stays in the HSM")

    def private_bytes(self, *_: Any) -> NoReturn:
        raise TypeError("an issuer's key stays in the HSM")

    def __copy__(self) -> _Requesting:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> _Requesting:
        return self
