"""Certificates of issuers: which can sign files, and what CMS names one by (RFC 5280, RFC 5652).

Names are compared by their bytes and only the extensions that are needed are read, so that a
certificate with an odd name or policy can't stop anybody's files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from kif.formats import ber
from kif.formats.ber import Element
from kif.formats.control import Control
from kif.formats.error import BadInput

_SUBJECT_KEY_IDENTIFIER, _KEY_USAGE = "2.5.29.14", "2.5.29.15"
_BASIC_CONSTRAINTS = "2.5.29.19"
_SIGNS = 0x80 | 0x40
"""digitalSignature and contentCommitment, in the first byte of a key usage (RFC 5280, 4.2.1.3)."""
_TRUE = b"\x01\x01\xff"
_SMALLEST_RSA = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


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
    """Read what CMS names a certificate by. Raises ``BadInput``."""
    serial, issuer, _, extensions = _fields(read_certificate(pem))
    found = extensions.get(_SUBJECT_KEY_IDENTIFIER)
    key_identifier = None if found is None else ber.read(found).octets()
    return Identifiers(bytes(issuer.raw), serial.integer(), key_identifier)


def read_certificate(pem: str) -> x509.Certificate:
    """Return a certificate. Raises ``BadInput`` (FILE_SIGNER) when it is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise _refused("is not a certificate in PEM form") from None


def require_signer(raw: bytes) -> str:
    """Return the only certificate of a file, which can sign for an issuer, as PEM and nothing else.

    The file is PEM or DER. Raises ``BadInput`` (FILE_SIGNER) for a private key, a chain, a CA, or a
    key that signs no CMS here.
    """
    if b"PRIVATE KEY-----" in raw:
        raise _refused(
            "holds a private key, which was not stored; whoever sent it should make another"
        )
    try:
        found = (
            x509.load_pem_x509_certificates(raw)
            if b"-----BEGIN" in raw
            else [x509.load_der_x509_certificate(raw)]
        )
    except ValueError:
        raise _refused("is not a certificate in PEM or DER form") from None
    if len(found) != 1:
        raise _refused(f"holds {len(found)} certificates, and which of them signs is not said")
    _require_signing_key(found[0])
    return found[0].public_bytes(Encoding.PEM).decode()


def _require_signing_key(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _SMALLEST_RSA:
            raise _refused(f"is of an RSA key of {key.key_size} bits, not {_SMALLEST_RSA} or more")
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise _refused(
            f"is of a key that is {type(key).__name__.removesuffix('PublicKey')}; files are signed "
            "with RSA, or with ECDSA on P-256, P-384 or P-521"
        )
    _, issuer, subject, extensions = _fields(certificate)
    usage = extensions.get(_KEY_USAGE)
    if usage is not None and not ber.read(usage).contents[1] & _SIGNS:
        raise _refused("is for other uses than signing data, as its key usage says")
    is_authority = _TRUE in extensions.get(_BASIC_CONSTRAINTS, b"")
    if is_authority and bytes(issuer.raw) != bytes(subject.raw):
        raise _refused("is of a certification authority, not of who signs the files")


def _fields(certificate: x509.Certificate) -> tuple[Element, Element, Element, dict[str, bytes]]:
    """Return serial number, issuer, subject, and extensions (RFC 5280, 4.1)."""
    der = certificate.public_bytes(Encoding.DER)
    to_be_signed = ber.read(der).children()[0].children()
    serial, _, issuer, _, subject = [each for each in to_be_signed if each.tag < 0x80][:5]
    extensions = {}
    for wrapped in (each for each in to_be_signed if each.tag == ber.context(3)):
        for extension in wrapped.children()[0].children():
            kind, *_, value = extension.children()
            extensions[kind.oid()] = value.octets()
    return serial, issuer, subject, extensions


def _refused(what: str) -> BadInput:
    return BadInput(
        Control.FILE_SIGNER,
        f"The issuer's file {what}. Nothing was registered; ask the issuer for the certificate "
        "that it signs with, alone.",
    )
