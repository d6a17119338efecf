"""CMS SignedData (RFC 5652, 5): signed by exactly one issuer of the register."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from kif.formats import ber
from kif.formats.ber import Element
from kif.formats.certificate import identifiers
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.gateway.algorithms import hash_of, require_known, verify
from kif.gateway.armour import unarmoured
from kif.gateway.enveloped import DATA, ENVELOPED_DATA, SIGNED_DATA, altered
from kif.oracle.messages import IssuerView

_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_VERSIONS = (1, 3)
_CLEAR = b'{"format"'
"""How content begins that was never signed."""


def open_signed(raw: bytes, register: Sequence[IssuerView], now: datetime) -> tuple[str, bytes]:
    """Return the issuer that signed, and the content.

    Raises ``BadInput``: FILE_INTACT when it is no SignedData, FILE_SIGNATURE when the signature is
    not over this content; ``Refused`` (FILE_SIGNER) when the signer is not registered or its
    certificate not valid now. Certificates and CRLs in the file prove nothing and are not read.
    """
    if raw.startswith(_CLEAR):
        raise _found("is encrypted, but not signed")
    try:
        content, signer = _parse(unarmoured(raw))
        parts = _signer_parts(signer)
        issuer, certificate = _registered(parts.identifier, register)
    except BadInput as broken:
        raise altered() if broken.control is Control.BYTES else broken from None
    _check_validity(issuer, certificate, now)
    try:
        _verify(parts, certificate, content)
    except (BadInput, InvalidSignature) as wrong:
        if isinstance(wrong, BadInput) and wrong.control is not Control.BYTES:
            raise
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
    parameters: list[Element]
    signature: bytes


def _parse(raw: bytes) -> tuple[bytes, Element]:
    """Return the content and its only signer, with or without a ContentInfo around them."""
    root = ber.read(raw).expect(ber.SEQUENCE)
    if root.children() and root.children()[0].tag == ber.OID:
        kind, wrapped = root.parts(2)
        if kind.oid() == ENVELOPED_DATA:
            raise _found("is encrypted twice, and what is inside is for somebody else to open")
        if kind.oid() != SIGNED_DATA:
            raise _found(f"holds CMS content of type {kind.oid()}, which is not signed")
        (root,) = wrapped.expect(ber.context(0)).parts(1)
    parts = root.expect(ber.SEQUENCE).children()
    plain = [each for each in parts if each.tag not in (ber.context(0), ber.context(1))]
    if len(plain) != 4:
        raise BadInput(Control.BYTES, "no SignedData")
    version, digests, encapsulated, signers = plain
    if version.integer() not in (*_VERSIONS, 4, 5):
        raise BadInput(Control.BYTES, "no known version")
    for digest in digests.expect(ber.SET).children():
        digest.algorithm()
    content_type, *content = encapsulated.expect(ber.SEQUENCE).children()
    if content_type.oid() != DATA:
        raise _found(f"is signed content of type {content_type.oid()}, not data")
    if not content:
        raise _found("has a detached signature: the cards are not in it")
    (octets,) = content[0].expect(ber.context(0)).parts(1)
    return octets.octets(), _only(signers.expect(ber.SET).children())


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
    (digest_oid, unexpected), (oid, parameters) = digest.algorithm(), algorithm.algorithm()
    if version.integer() not in _VERSIONS or unexpected:
        raise BadInput(Control.BYTES, "no known version or digest")
    hash_of(digest_oid)
    require_known(oid)
    return Signer(identifier, digest_oid, attributes, oid, parameters, signature.octets())


def _registered(
    identifier: Element, register: Sequence[IssuerView]
) -> tuple[str, x509.Certificate]:
    for issuer in register:
        if identifiers(issuer.certificate).named_by(identifier):
            return issuer.name, x509.load_pem_x509_certificate(issuer.certificate.encode())
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
    algorithm, stated = hash_of(parts.digest), _attributes(parts.attributes)
    computed = hashlib.new(algorithm.name, content).digest()
    if not hmac.compare_digest(stated[_MESSAGE_DIGEST].octets(), computed):
        raise InvalidSignature
    if stated[_CONTENT_TYPE].oid() != DATA:
        raise InvalidSignature
    key, given = certificate.public_key(), (parts.algorithm, parts.parameters, algorithm)
    sent, sorted_ = _as_signed(parts.attributes)
    try:
        verify(key, *given, parts.signature, sent)
    except InvalidSignature:
        verify(key, *given, parts.signature, sorted_)


def _as_signed(attributes: Element) -> tuple[bytes, bytes]:
    """Return the signed attributes as a SET (sent as [0]): in the order as sent, and in DER's.

    5.4 has them signed in DER, whose order not every tool keeps in the file or in the signature.
    """
    sent = b"\x31" + bytes(attributes.raw[1:])
    head = len(attributes.raw) - len(attributes.contents)
    in_order = sorted(bytes(each.raw) for each in attributes.children())
    return sent, sent[:head] + b"".join(in_order)


def _attributes(attributes: Element) -> dict[str, Element]:
    """Return each attribute's only value by its type; both that RFC 5652 11 requires are there."""
    values: dict[str, Element] = {}
    for attribute in attributes.children():
        kind, found = attribute.expect(ber.SEQUENCE).parts(2)
        if kind.oid() in (_CONTENT_TYPE, _MESSAGE_DIGEST):
            if kind.oid() in values:
                raise BadInput(Control.BYTES, "an attribute stands twice")
            (values[kind.oid()],) = found.expect(ber.SET).parts(1)
    if len(values) != 2:
        raise BadInput(Control.BYTES, "a required attribute is missing")
    return values


def _found(what: str) -> BadInput:
    return BadInput(
        Control.FILE_INTACT,
        f"The file {what}; accepted is SignedData with its content, within EnvelopedData. Ask the "
        "issuer to sign it (openssl: -nodetach), then to encrypt it.",
    )
