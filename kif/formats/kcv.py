"""Key check values with their method by name, because three AES methods are in use.

``des-zero``: first 3 bytes of 3DES-ECB over 8 zero bytes (ANSI X9.24-1, annex C).
``gp-aes-01``: first 3 bytes of AES-ECB over 16 bytes 01 (GPC Amendment D, 7.2.2).
``aes-zero``: first 3 bytes of AES-ECB over 16 zero bytes, as many hosts have it.
``aes-cmac-zero``: first 5 bytes of AES-CMAC over 16 zero bytes (ANSI X9.24-1:2017, annex A).
``derived-…``: the same of a key that the HSM derives from the key; a master that may only DERIVE is
compared by it at any time, where its own check value could be computed at its ceremony alone.
``retail-mac-zero``: first 3 bytes of the retail MAC (ISO 9797-1 algorithm 3) over 16 zero bytes, of
a key that single DES under its left half is needed with; it takes both of its objects.
``modulus``: first 4 bytes of SHA-256 over the modulus of an RSA key pair.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class KcvMethod(StrEnum):
    """How a check value was made."""

    DES_ZERO = "des-zero"
    GP_AES_01 = "gp-aes-01"
    AES_ZERO = "aes-zero"
    AES_CMAC_ZERO = "aes-cmac-zero"
    DERIVED_DES_ZERO = "derived-des-zero"
    DERIVED_GP_AES_01 = "derived-gp-aes-01"
    RETAIL_MAC_ZERO = "retail-mac-zero"
    MODULUS = "modulus"

    @property
    def block(self) -> bytes:
        """The block that the key encrypts; of ``aes-cmac-zero``, what the key MACs."""
        if self in (KcvMethod.DES_ZERO, KcvMethod.DERIVED_DES_ZERO):
            return bytes(8)
        if self in (KcvMethod.AES_ZERO, KcvMethod.AES_CMAC_ZERO):
            return bytes(16)
        return b"\x01" * 16

    @property
    def length(self) -> int:
        """How many bytes the check value has."""
        return 5 if self is KcvMethod.AES_CMAC_ZERO else 3

    @property
    def derived(self) -> KcvMethod:
        """The same method for a key that is derived."""
        return KcvMethod(f"derived-{self.value}")


@dataclass(frozen=True)
class Kcv:
    """A check value: ``Kcv.of(...)`` prints as ``des-zero:08D7B4``."""

    method: KcvMethod
    value: bytes

    def __str__(self) -> str:
        return f"{self.method.value}:{self.value.hex().upper()}"

    @classmethod
    def parse(cls, text: str) -> Kcv:
        """Read what ``str`` gave. Raises ``ValueError`` for anything else."""
        method, _, value = text.partition(":")
        return cls(KcvMethod(method), bytes.fromhex(value))

    @classmethod
    def of_modulus(cls, modulus: bytes) -> Kcv:
        """Return the check value of an RSA key pair."""
        return cls(KcvMethod.MODULUS, hashlib.sha256(modulus).digest()[:4])

    @classmethod
    def from_cryptogram(cls, method: KcvMethod, cryptogram: bytes) -> Kcv:
        """Take the first bytes of the method's encrypted block."""
        return cls(method, cryptogram[: method.length])
