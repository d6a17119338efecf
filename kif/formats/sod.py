"""EF.SOD, the document security object (ICAO Doc 9303-10, 4.6.2; 9303-12): read and verified."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kif.formats import ber
from kif.formats.ber import Element
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.formats.tlv import read_all

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_PSS = "1.2.840.113549.1.1.10"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "1.3.14.3.2.26": hashes.SHA1(),  # noqa: S303
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
    "2.16.840.1.101.3.4.2.4": hashes.SHA224(),
}


@dataclass(frozen=True)
class SecurityObject:
    """What a document's signer signed: a digest for each data group."""

    digests: dict[int, bytes]
    algorithm: str
    """The hash of the data groups, as Python names it."""
    content: bytes
    signed_attributes: bytes
    """DER, as they are signed: SET OF."""
    message_digest: bytes
    digest_algorithm: hashes.HashAlgorithm
    signature_algorithm: str
    salt: int
    signature: bytes
    certificate: bytes

    def require_group(self, number: int, group: bytes) -> None:
        """Compare a data group with its digest. Raises ``CheckFailed`` (CHIP_DATA)."""
        if hashlib.new(self.algorithm, group).digest() != self.digests.get(number):
            raise _wrong(f"data group {number} is not the one that was signed")

    def verify(self) -> None:
        """Verify digest and signature with the certificate in it. Raises ``CheckFailed``."""
        if _digest(self.digest_algorithm, self.content) != self.message_digest:
            raise _wrong("the digest of its contents is not the one that was signed")
        hashed = self.digest_algorithm
        try:
            key = x509.load_der_x509_certificate(self.certificate).public_key()
        except (ValueError, UnsupportedAlgorithm):
            raise _wrong("the certificate of its signer can't be read") from None
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(self.signature, self.signed_attributes, ec.ECDSA(hashed))
            elif isinstance(key, rsa.RSAPublicKey):
                key.verify(self.signature, self.signed_attributes, self._padding(), hashed)
            else:
                raise _wrong("its signer has a key that is neither RSA nor ECDSA")
        except InvalidSignature:
            raise _wrong("its signature does not verify") from None

    def _padding(self) -> padding.AsymmetricPadding:
        if self.signature_algorithm != _PSS:
            return padding.PKCS1v15()
        return padding.PSS(padding.MGF1(self.digest_algorithm), self.salt)


def read(raw: bytes) -> SecurityObject:
    """Read EF.SOD (tag 77). Raises ``BadInput`` for what is none."""
    try:
        return _read(raw)
    except (IndexError, KeyError, ValueError) as exc:
        raise BadInput(
            Control.BYTES, "EF.SOD does not have the parts of a document security object."
        ) from exc


def _read(raw: bytes) -> SecurityObject:
    outer = list(read_all(raw))
    if len(outer) != 1 or outer[0].tag != 0x77:
        raise BadInput(Control.BYTES, "EF.SOD is one data object of tag 77; this is not.")
    kind, wrapped = ber.read(outer[0].value).expect(ber.SEQUENCE).parts(2)
    if kind.oid() != _SIGNED_DATA:
        raise BadInput(Control.BYTES, "EF.SOD is no CMS SignedData.")
    (signed,) = wrapped.parts(1)
    _, _, content, *more = signed.expect(ber.SEQUENCE).children()
    (certificates,) = (each for each in more if each.tag == ber.context(0))
    (signer,) = more[-1].expect(ber.SET).parts(1)
    inner = content.children()[1].children()[0].octets()
    algorithm, digests = _digests(inner)
    return _signer(signer, inner, algorithm, digests, bytes(certificates.children()[0].raw))


def _digests(content: bytes) -> tuple[str, dict[int, bytes]]:
    """Read LDSSecurityObject: hash algorithm, and the digest of each data group."""
    _, algorithm, groups, *_ = ber.read(content).expect(ber.SEQUENCE).children()
    digests: dict[int, bytes] = {}
    for group in groups.children():
        number, digest = group.parts(2)
        digests[number.integer()] = digest.octets()
    return _hash_of(algorithm).name, digests


def _signer(
    signer: Element, content: bytes, algorithm: str, digests: dict[int, bytes], certificate: bytes
) -> SecurityObject:
    _, _, digest, attributes, signature, value, *_ = signer.expect(ber.SEQUENCE).children()
    signature_algorithm, parameters = signature.algorithm()
    raw = bytes(attributes.expect(ber.context(0)).raw)
    found = {
        kind.oid(): values for kind, values in (each.parts(2) for each in attributes.children())
    }
    return SecurityObject(
        digests,
        algorithm,
        content,
        b"\x31" + raw[1:],
        found[_MESSAGE_DIGEST].children()[0].octets(),
        _hash_of(digest),
        signature_algorithm,
        _salt(parameters),
        value.octets(),
        certificate,
    )


def _salt(parameters: list[Element]) -> int:
    """Return the salt length of RSASSA-PSS parameters; 20 is the default (RFC 4055, 3.1)."""
    for parameter in parameters[0].children() if parameters else []:
        if parameter.tag == ber.context(2):
            return parameter.children()[0].integer()
    return 20


def _hash_of(algorithm: Element) -> hashes.HashAlgorithm:
    oid, _ = algorithm.algorithm()
    if oid not in _HASHES:
        raise BadInput(Control.BYTES, f"EF.SOD has a hash algorithm that is not known: {oid}.")
    return _HASHES[oid]


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _wrong(why: str) -> CheckFailed:
    return CheckFailed(Control.CHIP_DATA, f"EF.SOD does not verify: {why}.")
