"""Signatures with message recovery: ISO/IEC 9796-2 scheme 1 with SHA-1, as EMV and ICAO use it.

A recovered block is ``6A || data || SHA-1 || BC`` (EMV Book 2, A2.1; ICAO Doc 9303-11, 6.1).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed

_HASH = 20
_HEADER, _TRAILER = b"\x6a", b"\xbc"
_ISSUER, _ICC = 0x02, 0x04


@dataclass(frozen=True)
class PublicKeyCertificate:
    """A recovered issuer or ICC public key certificate (EMV Book 2, tables 6 and 14)."""

    subject: bytes
    """Issuer identifier (4 bytes) or PAN (10), padded with F."""
    expiry: bytes
    """MMYY."""
    serial: bytes
    modulus: bytes
    hashed: bytes
    """What the hash is over, as far as it stands in the certificate and its remainder."""
    hash: bytes

    def require_hash(self, after: bytes = b"") -> None:
        """Compare the hash; ``after`` is what follows. Raises ``CheckFailed`` (CHIP_DATA)."""
        if hashlib.sha1(self.hashed + after, usedforsecurity=False).digest() != self.hash:
            raise CheckFailed(
                Control.CHIP_DATA, "The hash in a public key certificate is not of its contents."
            )


def message(recoverable: bytes, challenge: bytes) -> bytes:
    """Return the block that Active Authentication signs: M1, then SHA-1 over M1 and challenge."""
    digest = hashlib.sha1(recoverable + challenge, usedforsecurity=False).digest()
    return _HEADER + recoverable + digest + _TRAILER


def recovered(signature: bytes, modulus: bytes, exponent: bytes) -> bytes:
    """Return the block that a signature holds. Raises ``CheckFailed`` when it is none."""
    size = len(modulus)
    number = pow(
        int.from_bytes(signature, "big"),
        int.from_bytes(exponent, "big"),
        int.from_bytes(modulus, "big"),
    )
    block = number.to_bytes(size, "big")
    if len(signature) != size or block[:1] != _HEADER or block[-1:] != _TRAILER:
        raise CheckFailed(
            Control.CHIP_DATA, "A signature is not of this public key: it recovers to no block."
        )
    return block


def issuer_certificate(
    certificate: bytes, remainder: bytes, exponent: bytes, ca_modulus: bytes, ca_exponent: bytes
) -> PublicKeyCertificate:
    """Recover an issuer public key certificate, tag 90 (EMV Book 2, 6.3), and check its hash."""
    found = _certificate(recovered(certificate, ca_modulus, ca_exponent), _ISSUER, 4, remainder)
    found.require_hash(exponent)
    return found


def icc_certificate(
    certificate: bytes, remainder: bytes, issuer_modulus: bytes, issuer_exponent: bytes
) -> PublicKeyCertificate:
    """Recover an ICC public key certificate, tag 9F46 (EMV Book 2, 6.4).

    Its hash also covers the exponent and the static data: see ``require_hash``.
    """
    return _certificate(
        recovered(certificate, issuer_modulus, issuer_exponent), _ICC, 10, remainder
    )


def _certificate(block: bytes, kind: int, subject: int, remainder: bytes) -> PublicKeyCertificate:
    body, digest = block[1 : -1 - _HASH], block[-1 - _HASH : -1]
    head = 1 + subject + 2 + 3 + 2
    if body[0] != kind or len(body) < head + 2:
        raise BadInput(Control.BYTES, f"This is no certificate of format {kind:02X}.")
    size, exponent_size = body[head], body[head + 1]
    there = body[head + 2 :]
    if exponent_size not in (1, 3) or len(there[:size]) + len(remainder) != size:
        raise BadInput(Control.BYTES, "A certificate and its remainder are not one modulus.")
    at = 1 + subject
    return PublicKeyCertificate(
        body[1:at],
        body[at : at + 2],
        body[at + 2 : at + 5],
        there[:size] + remainder,
        body + remainder,
        digest,
    )
