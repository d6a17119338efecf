"""Signatures with message recovery: ISO/IEC 9796-2 scheme 1 with SHA-1, as EMV and ICAO use it.

A recovered block is ``6A || data || SHA-1 || BC`` (EMV Book 2, A2.1; ICAO Doc 9303-11, 6.1).
"""

from __future__ import annotations

import hashlib

from kif.formats.control import Control
from kif.formats.error import CheckFailed

HASH = 20
FRAME = HASH + 2
"""How many bytes of a block are not data."""
_HEADER, _TRAILER = b"\x6a", b"\xbc"


def block(recoverable: bytes, after: bytes) -> bytes:
    """Return the block over data that is recovered and data that is not (M1 and M2)."""
    digest = hashlib.sha1(recoverable + after, usedforsecurity=False).digest()
    return _HEADER + recoverable + digest + _TRAILER


def opened(signature: bytes, modulus: bytes, exponent: bytes) -> bytes:
    """Return a signature under the public key, as long as the modulus (A2.1.3)."""
    numbers = (int.from_bytes(each, "big") for each in (signature, exponent, modulus))
    return pow(*numbers).to_bytes(len(modulus), "big")


def recovered(signature: bytes, modulus: bytes, exponent: bytes) -> bytes:
    """Return the block that a signature holds. Raises ``CheckFailed`` when it is none."""
    if len(signature) != len(modulus) or len(modulus) <= FRAME or not any(modulus):
        raise _no_block()
    found = opened(signature, modulus, exponent)
    if found[:1] != _HEADER or found[-1:] != _TRAILER:
        raise _no_block()
    return found


def _no_block() -> CheckFailed:
    return CheckFailed(
        Control.CHIP_DATA, "A signature is not of this public key: it recovers to no block."
    )
