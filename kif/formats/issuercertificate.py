"""An issuer's certificate of a payment scheme, with what a terminal needs beside it.

As a file it is one JSON object of hex strings: ``rid``, ``index``, ``scheme_modulus``,
``scheme_exponent``, ``certificate`` (tag 90), ``remainder`` (92, or empty), ``exponent`` (9F32).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.offline import Certificate, PublicKey, issuer_certificate

_FIELDS = (
    *("rid", "index", "scheme_modulus", "scheme_exponent"),
    *("certificate", "remainder", "exponent"),
)
_LARGEST_FILE = 10_000
RID = 5
"""How many bytes a registered application provider identifier has."""


@dataclass(frozen=True)
class SchemeKey:
    """A scheme's public key, and by what terminals know it."""

    rid: bytes
    index: int
    """Tag 8F."""
    key: PublicKey

    @property
    def checksum(self) -> str:
        """SHA-1 over RID, index, modulus and exponent, hex: what schemes publish (11.2.2)."""
        told = self.rid + bytes((self.index,)) + self.key.modulus + self.key.exponent
        return hashlib.sha1(told, usedforsecurity=False).hexdigest().upper()


@dataclass(frozen=True)
class IssuerCertificate:
    """What an issuer gets from its scheme for one of its keys."""

    scheme: SchemeKey
    certificate: bytes
    remainder: bytes
    exponent: bytes

    def opened(self) -> Certificate:
        """Recover what it says, by the scheme's key. Raises ``CheckFailed``, ``BadInput``."""
        return issuer_certificate(self.certificate, self.remainder, self.exponent, self.scheme.key)

    def fields(self) -> dict[str, str]:
        """Return it as JSON values."""
        values = (
            *(self.scheme.rid, bytes((self.scheme.index,))),
            *(self.scheme.key.modulus, self.scheme.key.exponent),
            *(self.certificate, self.remainder, self.exponent),
        )
        return {name: value.hex().upper() for name, value in zip(_FIELDS, values, strict=True)}

    def encode(self) -> str:
        """Return the file."""
        return json.dumps(self.fields(), indent=2) + "\n"

    @classmethod
    def of(cls, fields: dict[str, Any]) -> IssuerCertificate:
        """Read what ``fields`` gave. Raises ``KeyError``, ``ValueError`` or ``TypeError``."""
        rid, index, modulus, scheme_exponent, certificate, remainder, exponent = (
            bytes.fromhex(fields[name]) for name in _FIELDS
        )
        if (len(rid), len(index)) != (RID, 1) or len(fields) != len(_FIELDS):
            raise ValueError
        key = PublicKey(modulus, scheme_exponent)
        return cls(SchemeKey(rid, index[0], key), certificate, remainder, exponent)

    @classmethod
    def decode(cls, text: str) -> IssuerCertificate:
        """Read a file. Raises ``BadInput`` (ISSUER_CERTIFICATE)."""
        try:
            return cls.of(json.loads(text[:_LARGEST_FILE]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadInput(
                Control.ISSUER_CERTIFICATE,
                f"This is no issuer certificate: one JSON object with {', '.join(_FIELDS)}, in "
                "hex. Nothing was taken.",
            ) from None
