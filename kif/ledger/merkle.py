"""The Merkle tree of RFC 6962: hashes, and the frontier that appends.

All hashes are 32 bytes of SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

HASH = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return SHA-256(00 || leaf) (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """The compact range of a tree: the roots of its complete subtrees, largest first.

    It has one hash for each bit that is set in ``size``, and is all that appending needs.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """Return the frontier with one more leaf (the leaf's bytes, not its hash)."""
        node, kept, size = leaf_hash(leaf), len(self.hashes), self.size
        while size & 1:
            kept -= 1
            node = hashlib.sha256(b"\x01" + self.hashes[kept] + node).digest()
            size >>= 1
        return Frontier(self.size + 1, (*self.hashes[:kept], node))

    def root(self) -> bytes:
        """Return the tree's root."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node

    def encode(self) -> bytes:
        """Return size (8 bytes, big-endian) and the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def decode(cls, raw: bytes) -> Frontier:
        """Read what ``encode`` wrote. Raises ``ValueError`` when it does not fit together."""
        size, body = int.from_bytes(raw[:8], "big"), raw[8:]
        if len(raw) < 8 or len(body) != HASH * size.bit_count():
            raise ValueError("a frontier has one hash for each bit of its size")
        return cls(size, tuple(body[at : at + HASH] for at in range(0, len(body), HASH)))


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of a leaf among these leaf hashes (RFC 9162, 2.1.3.1)."""
    if len(hashes) == 1:
        return []
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    left, right = hashes[:split], hashes[split:]
    if index < split:
        return [*inclusion_proof(left, index), _root(right)]
    return [*inclusion_proof(right, index - split), _root(left)]


def root_of_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that a leaf's audit path leads to; None for no path of this size.

    RFC 9162, 2.1.3.2: ``leaf`` is the leaf's bytes.
    """
    if not 0 <= index < size:
        return None
    at, last, node = index, size - 1, leaf_hash(leaf)
    for other in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            node = node_hash(other, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, other)
        at, last = at >> 1, last >> 1
    return node if last == 0 else None


def _root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node_hash(_root(hashes[:split]), _root(hashes[split:]))
