"""Keys put together inside the token from pieces of 8 bytes, with values that the host knows.

A piece is a token object of 16 bytes, ``prefix || secret``, with no rights; the host knows the
prefix alone. RFC 3394 key wrap is built step by step under an ephemeral combiner that cannot
decrypt: round 0 of a block is C_WrapKey(AES-CBC) of the object with ``IV = (A xor prefix) || m``,
which yields ``E(A || secret xor m)``, because CBC xors the IV in. Every later round works on
ciphertext. The result is the exact wrapping of the secrets, each xored with its ``m``, and
C_UnwrapKey makes a key of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kif.formats.cmac import xor
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.key import Algorithm, Key
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_rfc3394, wrap_cbc

PIECE = 8
_INITIAL = b"\xa6" * PIECE


@dataclass(frozen=True)
class Piece:
    """Eight secret bytes in the token, what the host knows before them, and what is xored in."""

    key: Key
    prefix: bytes = bytes(PIECE)
    mask: bytes = bytes(PIECE)

    def wrapped(self, combiner: Key, a: bytes) -> bytes:
        """Return ``E(a || secret xor mask)``."""
        return wrap_cbc(combiner, self.key, xor(a, self.prefix) + self.mask)


@dataclass(frozen=True)
class Known:
    """Eight bytes that the host knows, in the place of a piece."""

    value: bytes

    def wrapped(self, combiner: Key, a: bytes) -> bytes:
        """Return ``E(a || value)``."""
        return encrypt_blocks(combiner, a + self.value)


def wrapping(combiner: Key, pieces: Sequence[Piece | Known]) -> bytes:
    """Return the RFC 3394 wrapping of the pieces (2.2.1): six rounds, the first on the pieces."""
    a = _INITIAL
    blocks: list[bytes] = []
    for step, piece in enumerate(pieces, start=1):
        a, block = _split(piece.wrapped(combiner, a), step)
        blocks.append(block)
    size = len(blocks)
    for step in range(size + 1, 6 * size + 1):
        at = (step - 1) % size
        a, blocks[at] = _split(encrypt_blocks(combiner, a + blocks[at]), step)
    return a + b"".join(blocks)


def key_of_pieces(
    token: Token,
    combiner: Key,
    pieces: Sequence[Piece | Known],
    algorithm: Algorithm,
    usage: Usage,
) -> Key:
    """Make a session key whose value is the pieces, one after another."""
    return unwrap_rfc3394(combiner, usage, algorithm, wrapping(combiner, pieces))


def _split(cryptogram: bytes, step: int) -> tuple[bytes, bytes]:
    return xor(cryptogram[:PIECE], step.to_bytes(PIECE, "big")), cryptogram[PIECE:]
