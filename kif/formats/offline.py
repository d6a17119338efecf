"""Offline data authentication: certificates and signatures of cards (EMV 4.3 Book 2, 5 and 6).

Each is a block ``6A || body || SHA-1 || BC``, signed by RSA with recovery (annex A2.1). What has no
room in a certificate stands beside it, as its remainder. Made here are the blocks; no key is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.formats.recovery import FRAME, HASH, block, recovered
from kif.formats.tlv import Tlv

_ISSUER, _STATIC, _ICC, _DYNAMIC = 0x02, 0x03, 0x04, 0x05
_SHA_1, _RSA, _PAD = b"\x01", b"\x01", b"\xbb"
SIGNED_DYNAMIC = 0x9F4B
CRYPTOGRAM = 8
ISSUER_ID, PAN = 4, 10
"""How many bytes the subject of an issuer's and of a card's certificate has."""


@dataclass(frozen=True)
class PublicKey:
    """An RSA public key; both big-endian."""

    modulus: bytes
    exponent: bytes

    @property
    def size(self) -> int:
        """How many bytes its modulus has."""
        return len(self.modulus)


@dataclass(frozen=True)
class Certificate:
    """What a certificate says (tables 6 and 14)."""

    subject: bytes
    """Issuer identifier (4 bytes) or PAN (10), padded with F."""
    expiry: bytes
    """MMYY."""
    serial: bytes
    """Three bytes."""
    key: PublicKey

    @property
    def identifier(self) -> str:
        """Its subject without the padding: digits of an issuer, or a PAN."""
        return self.subject.hex().upper().rstrip("F")

    @property
    def valid_to(self) -> str:
        """The last month in which it is valid, YYYY-MM; empty where its date is none."""
        last = self.expiry.hex()
        return f"20{last[2:]}-{last[:2]}" if last.isdigit() else ""


@dataclass(frozen=True)
class Block:
    """What is signed, and what of the modulus stands beside it (tag 92 or 9F48)."""

    signed: bytes
    remainder: bytes


def issuer_block(certificate: Certificate, signer: int) -> Block:
    """Return the block of an issuer's certificate, for a scheme's modulus of ``signer`` bytes."""
    return _certificate_block(_ISSUER, ISSUER_ID, certificate, signer, b"")


def icc_block(certificate: Certificate, signer: int, static: bytes) -> Block:
    """Return that of a card's certificate, for an issuer's modulus; ``static`` data is hashed."""
    return _certificate_block(_ICC, PAN, certificate, signer, static)


def static_block(code: bytes, signer: int, static: bytes) -> bytes:
    """Return the block of signed static application data (5.1), with a two byte ``code``."""
    if len(code) != 2:
        raise BadInput(Control.BYTES, "A data authentication code has two bytes.")
    body = bytes((_STATIC,)) + _SHA_1 + code
    return block(body.ljust(signer - FRAME, _PAD), static)


def dynamic_block(data: bytes, signer: int, terminal: bytes) -> bytes:
    """Return the block of signed dynamic application data over a card's and a terminal's (6.5)."""
    body = bytes((_DYNAMIC,)) + _SHA_1 + bytes((len(data),)) + data
    if len(body) > signer - FRAME:
        raise BadInput(Control.BYTES, "Dynamic data has no room under the card's key.")
    return block(body.ljust(signer - FRAME, _PAD), terminal)


def issuer_certificate(
    certificate: bytes, remainder: bytes, exponent: bytes, scheme: PublicKey
) -> Certificate:
    """Recover an issuer's certificate (tag 90) by the scheme's key (5.3, 6.3).

    Raises ``CheckFailed`` (CHIP_DATA) when it is not the scheme's, ``BadInput`` (BYTES) for what is
    no certificate.
    """
    return _certificate(_ISSUER, ISSUER_ID, certificate, remainder, exponent, scheme, b"")


def icc_certificate(
    certificate: bytes, remainder: bytes, exponent: bytes, issuer: PublicKey, static: bytes
) -> Certificate:
    """Recover a card's certificate (tag 9F46) by its issuer's key (6.4), over its static data."""
    return _certificate(_ICC, PAN, certificate, remainder, exponent, issuer, static)


def unverified_icc_certificate(
    certificate: bytes, remainder: bytes, exponent: bytes, issuer: PublicKey
) -> Certificate:
    """Return what a card's certificate says where its static data is not known; no hash is checked.

    It recovers by the issuer's key nevertheless.
    """
    body, _ = _recovered(_ICC, certificate, issuer)
    return _read(PAN, body, remainder, exponent)


def require_static(signature: bytes, issuer: PublicKey, static: bytes) -> bytes:
    """Verify signed static application data (tag 93, 5.4); return its code, two bytes."""
    body = _body(_STATIC, signature, issuer, static)
    return body[2:4]


def require_dynamic(signature: bytes, card: PublicKey, terminal: bytes) -> bytes:
    """Verify a signature over a terminal's data (tag 9F4B, 6.5.2); return the card's own data."""
    body = _body(_DYNAMIC, signature, card, terminal)
    if 3 + body[2] > len(body):
        raise BadInput(Control.BYTES, "Signed dynamic data is longer than its signature.")
    return body[3 : 3 + body[2]]


@dataclass(frozen=True)
class Combined:
    """What a card signs together with its cryptogram (CDA, 6.6): after its dynamic number."""

    information: bytes
    """Cryptogram information data, one byte."""
    cryptogram: bytes
    digest: bytes
    """Of the transaction's data: see :func:`transaction_digest`."""

    def encode(self) -> bytes:
        """Return it as it stands in dynamic data."""
        return self.information + self.cryptogram + self.digest

    @classmethod
    def read(cls, dynamic: bytes) -> Combined:
        """Read it from a card's own data. Raises ``BadInput``."""
        size = dynamic[0] if dynamic else 0
        told = dynamic[1 + size :]
        if len(told) != 1 + CRYPTOGRAM + HASH:
            raise BadInput(Control.BYTES, "Dynamic data has no room for a cryptogram and a hash.")
        return cls(told[:1], told[1 : 1 + CRYPTOGRAM], told[1 + CRYPTOGRAM :])


def transaction_digest(asked: Sequence[bytes], answered: Sequence[Tlv]) -> bytes:
    """Return SHA-1 over a transaction's data (6.6.1): what the card was given, and its answer.

    ``asked`` has the values for PDOL and each CDOL so far, ``answered`` the answer's data objects
    in their order, of which the signature is left out.
    """
    told = b"".join(each.encode() for each in answered if each.tag != SIGNED_DYNAMIC)
    return hashlib.sha1(b"".join(asked) + told, usedforsecurity=False).digest()


def _certificate_block(
    kind: int, subject: int, certificate: Certificate, signer: int, static: bytes
) -> Block:
    key, dates = certificate.key, certificate.expiry + certificate.serial
    if (len(certificate.subject), len(dates), len(key.exponent)) not in (
        (subject, 5, 1),
        (subject, 5, 3),
    ):
        raise BadInput(Control.BYTES, "A certificate's fields have other lengths than EMV's.")
    head = bytes((kind,)) + certificate.subject + dates + _SHA_1 + _RSA
    head += bytes((key.size, len(key.exponent)))
    room = signer - FRAME - len(head)
    if room < 1 or key.size > signer:
        raise BadInput(
            Control.BYTES,
            f"A key of {8 * key.size} bits can't be certified by one of {8 * signer} bits.",
        )
    body, remainder = head + key.modulus[:room].ljust(room, _PAD), key.modulus[room:]
    return Block(block(body, remainder + key.exponent + static), remainder)


def _certificate(
    kind: int,
    subject: int,
    certificate: bytes,
    remainder: bytes,
    exponent: bytes,
    signer: PublicKey,
    static: bytes,
) -> Certificate:
    body = _body(kind, certificate, signer, remainder + exponent + static)
    return _read(subject, body, remainder, exponent)


def _read(subject: int, body: bytes, remainder: bytes, exponent: bytes) -> Certificate:
    at = 1 + subject
    expiry, serial = body[at : at + 2], body[at + 2 : at + 5]
    size, exponent_size = body[at + 7], body[at + 8]
    there, pad = body[at + 9 :][:size], body[at + 9 :][size:]
    if len(there) + len(remainder) != size or len(exponent) != exponent_size or pad.strip(_PAD):
        raise BadInput(Control.BYTES, "A certificate and its remainder are not one modulus.")
    return Certificate(body[1:at], expiry, serial, PublicKey(there + remainder, exponent))


def _body(kind: int, signature: bytes, signer: PublicKey, after: bytes) -> bytes:
    """Return the body of a signature of this kind, whose hash is of it and what comes after."""
    body, digest = _recovered(kind, signature, signer)
    expected = hashlib.sha1(body + after, usedforsecurity=False).digest()
    if not hmac.compare_digest(expected, digest):
        raise CheckFailed(
            Control.CHIP_DATA,
            f"The hash in a signature of format {kind:02X} is not of what it signs.",
        )
    return body


def _recovered(kind: int, signature: bytes, signer: PublicKey) -> tuple[bytes, bytes]:
    """Return body and hash of a signature of this kind."""
    found = recovered(signature, signer.modulus, signer.exponent)
    body, digest = found[1 : -1 - HASH], found[-1 - HASH : -1]
    if len(body) < 1 + PAN + 10 or body[0] != kind:
        raise BadInput(Control.BYTES, f"This is no signature of format {kind:02X}.")
    return body, digest
