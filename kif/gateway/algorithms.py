"""The signature algorithms of an issuer's file: which are verified, what others are called."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from kif.formats import ber
from kif.formats.ber import Element
from kif.formats.control import Control
from kif.formats.error import BadInput

_PSS = "1.2.840.113549.1.1.10"
_MGF1 = "1.2.840.113549.1.1.8"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_WITH = {
    "1.2.840.113549.1.1.1": "any",  # rsaEncryption: the digest is named beside it
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
    _PSS: "any",
}
"""Signature algorithms, and the digest that each of them is with."""
_CALLED = {
    "1.3.14.3.2.26": "SHA-1",
    "1.2.840.113549.2.5": "MD5",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "1.2.840.113549.1.1.4": "RSA with MD5",
    "1.2.840.113549.1.1.5": "RSA with SHA-1",
    "1.2.840.10045.4.1": "ECDSA with SHA-1",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}


def hash_of(oid: str) -> hashes.HashAlgorithm:
    """Return a digest algorithm. Raises ``BadInput`` (FILE_SIGNATURE) naming what was found."""
    if oid not in _HASHES:
        raise _unsupported(oid)
    return _HASHES[oid]


def require_known(algorithm: str) -> None:
    """Require that a signature algorithm is one of those that are verified (FILE_SIGNATURE)."""
    if algorithm not in _WITH:
        raise _unsupported(algorithm)


def verify(
    key: PublicKeyTypes,
    algorithm: str,
    parameters: list[Element],
    digest: hashes.HashAlgorithm,
    signature: bytes,
    signed: bytes,
) -> None:
    """Verify a signature by its algorithm identifier (RFC 5652, 5.6; RFC 4056 for PSS).

    Raises ``InvalidSignature`` or ``BadInput``.
    """
    if _WITH[algorithm] not in ("any", digest.name) or (parameters and algorithm != _PSS):
        raise InvalidSignature
    if isinstance(key, rsa.RSAPublicKey):
        way = _pss(parameters, digest) if algorithm == _PSS else padding.PKCS1v15()
        key.verify(signature, signed, way, digest)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(digest))
    else:
        raise InvalidSignature


def _pss(parameters: list[Element], digest: hashes.HashAlgorithm) -> padding.PSS:
    """Read RSASSA-PSS-params (RFC 4055, 3.1): the digest of the file, MGF1 with it, a salt."""
    fields = {each.tag: each.parts(1)[0] for given in parameters for each in given.children()}
    hashed, mask, salt = (fields.pop(ber.context(number), None) for number in (0, 1, 2))
    if hashed is None or mask is None or salt is None or hash_of(hashed.algorithm()[0]) != digest:
        raise _unsupported(_PSS)
    generator, (inner,) = mask.algorithm()
    if generator != _MGF1 or hash_of(inner.algorithm()[0]) != digest:
        raise _unsupported(_PSS)
    return padding.PSS(padding.MGF1(digest), salt.integer())


def _unsupported(found: str) -> BadInput:
    name = "RSA-PSS with other parameters" if found == _PSS else _CALLED.get(found, found)
    return BadInput(
        Control.FILE_SIGNATURE,
        f"The file is signed with {name}; accepted are RSA (PKCS#1 v1.5, or PSS with MGF1 of the "
        "same hash) and ECDSA, with SHA-256, SHA-384 or SHA-512. Ask the issuer to use one of "
        "these.",
    )
