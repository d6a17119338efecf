"""ISO/IEC 9797-1 MAC algorithm 3 (the retail MAC) with a key in the token.

Single DES is gone from current libraries, so it is computed with 2TDEA: under a key ``KL || KL``
a 2TDEA block is a single-DES block. All blocks but the last go through CBC under that twin; the
last, xored with the chain, through ECB under the whole key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kif.formats.cmac import xor
from kif.formats.emv import DES_BLOCK
from kif.hsm.crypt import encrypt_blocks, encrypt_chain
from kif.hsm.derive import derive_2tdea
from kif.hsm.key import Key, all_or_none, released
from kif.hsm.usage import Usage


@dataclass(frozen=True)
class MacKey:
    """A 2TDEA key ``KL || KR`` as two objects: itself, and ``KL || KL``."""

    whole: Key
    left: Key

    def mac(self, padded: bytes) -> bytes:
        """Return the algorithm 3 MAC over whole blocks, at least one: 8 bytes."""
        chain = bytes(DES_BLOCK)
        if len(padded) > DES_BLOCK:
            chain = encrypt_chain(self.left, padded[:-DES_BLOCK])[-DES_BLOCK:]
        return self.block(xor(chain, padded[-DES_BLOCK:]))

    def block(self, block: bytes) -> bytes:
        """Return one block, or several, under the whole key by ECB."""
        return encrypt_blocks(self.whole, block)

    def single(self, block: bytes) -> bytes:
        """Return one block by single DES under the left half."""
        return encrypt_blocks(self.left, block)

    def destroy(self) -> None:
        """Destroy both objects."""
        self.whole.destroy()
        self.left.destroy()


def mac_key(parent: Key, derivation: bytes) -> MacKey:
    """Return the MAC key that 3DES-ECB over 16 bytes of data makes.

    The first half of ``derivation`` gives KL, so that the half twice gives ``KL || KL``.
    """
    with all_or_none() as made:
        return MacKey(
            made(derive_2tdea(parent, derivation, Usage.PUBLIC_BLOCK)),
            made(derive_2tdea(parent, derivation[:DES_BLOCK] * 2, Usage.PUBLIC_BLOCK)),
        )


@contextmanager
def derived_mac_key(parent: Key, derivation: bytes) -> Iterator[MacKey]:
    """Give such a key; it is destroyed afterwards."""
    key = mac_key(parent, derivation)
    with released(key.whole, key.left):
        yield key
