"""Access to a travel document's chip: keys from what is printed on it (ICAO Doc 9303-11).

Basic Access Control (4.3) and PACE with generic mapping over elliptic curves (4.4). The passwords
are printed on the document, so the keys are its reader's and nobody's secret.
"""

from __future__ import annotations

import hashlib

from kif.formats.curve import Curve, Point
from kif.formats.emv import DES_BLOCK
from kif.formats.mrz import information
from kif.formats.tlv import tlv

ENCRYPTION, AUTHENTICATION, PASSWORD = 1, 2, 3
"""Counters of the key derivation (9.7.1)."""


def sha1(data: bytes) -> bytes:
    """Return SHA-1, which these protocols are built on."""
    return hashlib.sha1(data, usedforsecurity=False).digest()


def derived(secret: bytes, counter: int) -> bytes:
    """Return a 16-byte key (9.7.1); of 3DES before its parity is set."""
    return sha1(secret + counter.to_bytes(4, "big"))[:16]


def bac_seed(document: str, birth: str, expiry: str) -> bytes:
    """Return the key seed of Basic Access Control: 16 bytes (4.3.2)."""
    return sha1(information(document, birth, expiry).encode())[:16]


def session_counter(of_chip: bytes, of_reader: bytes) -> bytes:
    """Return the send sequence counter after BAC: halves of both challenges (9.8.6.3)."""
    half = DES_BLOCK // 2
    return of_chip[half:] + of_reader[half:]


def mapped_generator(curve: Curve, nonce: bytes, own: int, other: Point) -> tuple[Point, Point]:
    """Return the shared point H and the new generator ``s x G + H`` (4.4.3.3.1)."""
    shared = curve.times(own, other)
    return shared, curve.plus(curve.times(int.from_bytes(nonce, "big"), curve.generator), shared)


def authentication_data(oid: bytes, point: bytes) -> bytes:
    """Return the public key data object that a PACE token is a MAC over (4.4.3.4)."""
    return tlv(0x7F49, tlv(0x06, oid) + tlv(0x86, point))
