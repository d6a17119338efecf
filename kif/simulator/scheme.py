"""A TEST payment scheme: its certification authority, and the keys that terminals know it by.

The key is made for a process and is nobody's; a real scheme publishes its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from kif.formats.offline import Certificate, PublicKey, issuer_block

RID, INDEX = bytes.fromhex("A000000099"), 0x99
"""The application provider of the TEST application, and the index of the key (tag 8F)."""


@dataclass(frozen=True)
class RsaKey:
    """A TEST key pair."""

    private: rsa.RSAPrivateKey

    @classmethod
    def generate(cls, bits: int, exponent: int = 3) -> RsaKey:
        """Generate a pair; EMV knows the exponents 3 and 65537."""
        return cls(rsa.generate_private_key(exponent, bits))

    @property
    def public(self) -> PublicKey:
        """Its public key."""
        numbers = self.private.public_key().public_numbers()
        exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")
        return PublicKey(numbers.n.to_bytes(self.private.key_size // 8, "big"), exponent)

    def signed(self, block: bytes) -> bytes:
        """Return a block under the private key, without padding (EMV Book 2, A2.1.2)."""
        numbers = self.private.private_numbers()
        made = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
        return made.to_bytes(len(block), "big")


@dataclass(frozen=True)
class Scheme:
    """A scheme's certification authority."""

    key: RsaKey

    def certify(self, certificate: Certificate) -> tuple[bytes, bytes]:
        """Return an issuer's certificate (tag 90) and the remainder of its key (tag 92)."""
        made = issuer_block(certificate, self.key.public.size)
        return self.key.signed(made.signed), made.remainder
