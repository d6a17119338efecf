"""What CMS names a certificate by, read as it stands: issuer and serial number, key identifier.

Names are compared by their bytes and no other extension is looked at, so that a certificate with an
odd name or policy can't stop anybody's files (RFC 5652, 10.2.4 and 6.2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kif.formats import ber
from kif.formats.ber import Element

_SUBJECT_KEY_IDENTIFIER = "2.5.29.14"


@dataclass(frozen=True)
class Identifiers:
    """Issuer (its DER), serial number, and subject key identifier, if there is one."""

    issuer: bytes
    serial: int
    key_identifier: bytes | None

    def named_by(self, identifier: Element) -> bool:
        """Return whether an identifier of a signer or recipient is of this certificate."""
        if identifier.tag == ber.SEQUENCE:
            name, serial = identifier.parts(2)
            return bytes(name.raw) == self.issuer and serial.integer() == self.serial
        return identifier.octets(ber.context(0, constructed=False)) == self.key_identifier


@lru_cache(1024)
def identifiers(pem: str) -> Identifiers:
    """Read a certificate's identifiers (RFC 5280, 4.1). Raises ``ValueError`` or ``BadInput``."""
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    to_be_signed = ber.read(der).children()[0].children()
    fields = [each for each in to_be_signed if each.tag < 0x80]
    serial, _, issuer = fields[:3]
    extensions = [each for each in to_be_signed if each.tag == ber.context(3)]
    return Identifiers(bytes(issuer.raw), serial.integer(), _key_identifier(extensions))


def _key_identifier(extensions: list[Element]) -> bytes | None:
    for wrapped in extensions:
        for extension in wrapped.children()[0].children():
            kind, *_, value = extension.children()
            if kind.oid() == _SUBJECT_KEY_IDENTIFIER:
                return ber.read(value.octets()).octets()
    return None
