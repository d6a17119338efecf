"""CMS SignedData (RFC 5652, 5): signed by exactly one issuer of the register."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from kif.formats import ber
from kif.formats.ber import Element
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.gateway.enveloped import DATA, SIGNED_DATA, altered, identifies
from kif.oracle.interface import IssuerView

_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_VERSIONS = (1, 3)
_ALGORITHMS = {
    "1.2.840.113549.1.1.1": "any",  # rsaEncryption: the digest is named beside it
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}
"""Signature algorithms, and the digest that each of them is with."""
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}


def open_signed(raw: bytes, register: Sequence[IssuerView], now: datetime) -> tuple[str, bytes]:
    """Return the issuer that signed, and the content.

    Raises ``BadInput``: FILE_INTACT when it is no SignedData, FILE_SIGNATURE when the signature is
    not over this content; ``Refused`` (FILE_SIGNER) when the signer is not registered or its
    certificate not valid now.
    """
    try:
        content, enclosed, signer = _parse(raw)
        parts = _signer_parts(signer)
        issuer, certificate = _registered(parts.identifier, register)
    except BadInput as broken:
        raise altered() if broken.control is Control.BYTES else broken from None
    _check_validity(issuer, certificate, now)
    try:
        _check_enclosed(enclosed, certificate)
        _verify(parts, certificate, content)
    except (BadInput, InvalidSignature):
        raise BadInput(
            Control.FILE_SIGNATURE,
            f"The signature of {issuer} does not fit the content. The file was altered after it "
            "was signed, or signed with another key; ask the issuer to send it again.",
        ) from None
    return issuer, content


@dataclass(frozen=True)
class Signer:
    """A SignerInfo's parts; ``digest`` and ``algorithm`` are object identifiers."""

    identifier: Element
    digest: str
    attributes: Element
    algorithm: str
    signature: bytes


def _parse(raw: bytes) -> tuple[bytes, list[Element], Element]:
    """Return the content, the certificates that came with it, and the only signer."""
    kind, wrapped = _parts(ber.read(raw).expect(ber.SEQUENCE), 2)
    (data,) = _parts(wrapped.expect(ber.context(0)), 1)
    parts = data.expect(ber.SEQUENCE).children()
    plain = [each for each in parts if each.tag < 0x80]
    if kind.oid() != SIGNED_DATA or len(plain) != 4:
        raise BadInput(Control.BYTES, "no SignedData")
    version, digests, encapsulated, signers = plain
    if version.integer() not in _VERSIONS:
        raise BadInput(Control.BYTES, "no known version")
    for digest in digests.expect(ber.SET).children():
        digest.algorithm()
    content_type, content = _parts(encapsulated.expect(ber.SEQUENCE), 2)
    if content_type.oid() != DATA:
        raise BadInput(Control.BYTES, "the content is not data")
    (octets,) = _parts(content.expect(ber.context(0)), 1)
    enclosed = [each for part in parts if part.tag == ber.context(0) for each in part.children()]
    if len(parts) > len(plain) + bool(enclosed):
        raise BadInput(Control.BYTES, "something stands where certificates do")
    return octets.octets(), enclosed, _only(signers.expect(ber.SET).children())


def _only(signers: list[Element]) -> Element:
    if len(signers) != 1:
        raise BadInput(
            Control.FILE_SIGNATURE,
            f"The file has {len(signers)} signatures; exactly one is expected. Ask the issuer to "
            "sign it once.",
        )
    return signers[0]


def _signer_parts(signer: Element) -> Signer:
    parts = signer.expect(ber.SEQUENCE).children()
    if parts and parts[-1].tag == ber.context(1):
        raise BadInput(
            Control.FILE_SIGNATURE,
            "The signature carries unsigned attributes, which anyone could have added. Ask the "
            "issuer to sign without them.",
        )
    if len(parts) != 6 or parts[3].tag != ber.context(0):
        raise BadInput(
            Control.FILE_SIGNATURE,
            "The signature has no signed attributes. Ask the issuer to sign as CMS tools do by "
            "default.",
        )
    version, identifier, digest, attributes, algorithm, signature = parts
    oids = (digest.algorithm(), algorithm.algorithm())
    if version.integer() not in _VERSIONS or oids[0][1] or oids[1][1]:
        raise BadInput(Control.BYTES, "no known version or algorithm")
    return Signer(identifier, oids[0][0], attributes, oids[1][0], signature.octets())


def _check_enclosed(enclosed: list[Element], certificate: x509.Certificate) -> None:
    """Require that a signer's certificate in the file is the registered one, to the last bit."""
    registered = certificate.public_bytes(Encoding.DER)
    if enclosed and registered not in [bytes(each.raw) for each in enclosed]:
        raise InvalidSignature


def _registered(
    identifier: Element, register: Sequence[IssuerView]
) -> tuple[str, x509.Certificate]:
    for issuer in register:
        certificate = x509.load_pem_x509_certificate(issuer.certificate.encode())
        if identifies(identifier, certificate):
            return issuer.name, certificate
    raise Refused(
        Control.FILE_SIGNER,
        "The file is signed by somebody who is not in the issuer register. If the signer is right, "
        "register the certificate with 'kif issuer register'.",
    )


def _check_validity(issuer: str, certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused(
            Control.FILE_SIGNER,
            f"The registered certificate of {issuer} is valid from "
            f"{certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}, not now. Ask the issuer for a new one.",
        )


def _verify(parts: Signer, certificate: x509.Certificate, content: bytes) -> None:
    """Verify digest and signature (5.4). Raises ``BadInput`` or ``InvalidSignature``."""
    algorithm = _HASHES.get(parts.digest)
    if algorithm is None:
        raise BadInput(Control.BYTES, "unknown digest")
    stated = _attributes(parts.attributes)
    computed = hashlib.new(algorithm.name, content).digest()
    if not hmac.compare_digest(stated[_MESSAGE_DIGEST].octets(), computed):
        raise InvalidSignature
    if stated[_CONTENT_TYPE].oid() != DATA:
        raise InvalidSignature
    signed = b"\x31" + bytes(parts.attributes.raw[1:])  # signed as a SET, sent as [0] (5.4)
    key = certificate.public_key()
    if _ALGORITHMS.get(parts.algorithm) not in ("any", algorithm.name):
        raise InvalidSignature
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(parts.signature, signed, padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(parts.signature, signed, ec.ECDSA(algorithm))
    else:
        raise InvalidSignature


def _attributes(attributes: Element) -> dict[str, Element]:
    """Return each attribute's only value by its type; both that RFC 5652 11 requires are there."""
    values: dict[str, Element] = {}
    for attribute in attributes.children():
        kind, found = _parts(attribute.expect(ber.SEQUENCE), 2)
        if kind.oid() in (_CONTENT_TYPE, _MESSAGE_DIGEST):
            if kind.oid() in values:
                raise BadInput(Control.BYTES, "an attribute stands twice")
            (values[kind.oid()],) = _parts(found.expect(ber.SET), 1)
    if len(values) != 2:
        raise BadInput(Control.BYTES, "a required attribute is missing")
    return values


def _parts(element: Element, count: int) -> list[Element]:
    children = element.children()
    if len(children) != count:
        raise BadInput(Control.BYTES, f"{count} parts expected, {len(children)} found")
    return children
