"""A TEST payment scheme: its certification authority, and the keys that terminals know it by.

The key lies in a folder of its own and is nobody's; a real scheme publishes its own, and has forms
of its own for requests and answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from kif.formats.issuercertificate import IssuerCertificate, SchemeKey
from kif.formats.offline import Certificate, PublicKey, issuer_block

RID, INDEX = bytes.fromhex("A000000099"), 0x99
"""The application provider of the TEST application, and the index of the key (tag 8F)."""
BITS = 1984
ISSUER_IDENTIFIER = bytes.fromhex("999999FF")
"""The issuer of TEST cards, as a certificate has it."""
_YEARS = 10


@dataclass(frozen=True)
class RsaKey:
    """A TEST key pair."""

    private: rsa.RSAPrivateKey

    @classmethod
    def generate(cls, bits: int, exponent: int = 3) -> RsaKey:
        """Generate a pair; EMV knows the exponents 3 and 65537."""
        return cls(rsa.generate_private_key(exponent, bits))

    @classmethod
    def decode(cls, pem: bytes) -> RsaKey:
        """Read what ``encode`` gave. Raises ``ValueError`` or ``TypeError``."""
        private = load_pem_private_key(pem, None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError("This is no RSA key.")
        return cls(private)

    def encode(self) -> bytes:
        """Return the private key, PEM, not encrypted."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def public(self) -> PublicKey:
        """Its public key."""
        return _public(self.private.public_key())

    def signed(self, block: bytes) -> bytes:
        """Return a block under the private key, without padding (EMV Book 2, A2.1.2)."""
        numbers = self.private.private_numbers()
        made = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
        return made.to_bytes(len(block), "big")


@dataclass(frozen=True)
class Scheme:
    """A scheme's certification authority."""

    key: RsaKey

    @property
    def public(self) -> SchemeKey:
        """What it publishes."""
        return SchemeKey(RID, INDEX, self.key.public)

    def certify(self, certificate: Certificate) -> tuple[bytes, bytes]:
        """Return an issuer's certificate (tag 90) and the remainder of its key (tag 92)."""
        made = issuer_block(certificate, self.key.public.size)
        return self.key.signed(made.signed), made.remainder

    def answer(self, request: str, today: date) -> str:
        """Return the file with the certificate that a request (PKCS#10, PEM) asks for."""
        asked = x509.load_pem_x509_csr(request.encode())
        key = asked.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or not asked.is_signature_valid:
            raise ValueError("A request is for an RSA key, and signed with it.")
        expiry = bytes.fromhex(f"{today.month:02}{(today.year + _YEARS) % 100:02}")
        public = _public(key)
        subject = Certificate(ISSUER_IDENTIFIER, expiry, public.modulus[-3:], public)
        made, remainder = self.certify(subject)
        return IssuerCertificate(self.public, made, remainder, public.exponent).encode()

    @classmethod
    def at(cls, folder: Path) -> Scheme:
        """Return the TEST scheme whose key lies in a folder; it is made when it is not there."""
        path = folder / "test-scheme-key.pem"
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_bytes(RsaKey.generate(BITS).encode())
            partial.replace(path)
        return cls(RsaKey.decode(path.read_bytes()))


def _public(key: rsa.RSAPublicKey) -> PublicKey:
    numbers = key.public_numbers()
    modulus, exponent = (
        number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (numbers.n, numbers.e)
    )
    return PublicKey(modulus, exponent)
