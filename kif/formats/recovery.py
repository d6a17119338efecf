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


def recovered(signature: bytes, modulus: bytes, exponent: bytes) -> bytes:
    """Return the block that a signature holds. Raises ``CheckFailed`` when it is none."""
    size, number = len(modulus), int.from_bytes(modulus, "big")
    if len(signature) != size or size <= FRAME or not number:
        raise _no_block()
    made = pow(int.from_bytes(signature, "big"), int.from_bytes(exponent, "big"), number)
    found = made.to_bytes(size, "big")
    if found[:1] != _HEADER or found[-1:] != _TRAILER:
        raise _no_block()
    return found


def _no_block() -> CheckFailed:
    return CheckFailed(
        Control.CHIP_DATA, "A signature is not of this public key: it recovers to no block."
    )
