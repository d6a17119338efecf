"""The parts of AES-CMAC that need no key (NIST SP 800-38B, 6.1 and 6.2).

``CMAC(K, M) = E_K(C xor M')``: ``M'`` is the last block after padding and the xor with a subkey,
and ``C`` the CBC chaining value over the blocks before it. Whoever can encrypt *that one block*
into a key object has the CMAC as a key, inside the token (:mod:`kif.hsm.cmac`).
"""

BLOCK = 16


def xor(left: bytes, right: bytes) -> bytes:
    """Return the bitwise xor of two strings of the same length."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def subkeys(encrypted_zero: bytes) -> tuple[bytes, bytes]:
    """Return K1 and K2 from ``L = E_K(0^128)``, 16 bytes."""
    first = _double(encrypted_zero)
    return first, _double(first)


def split(message: bytes, encrypted_zero: bytes) -> tuple[bytes, bytes]:
    """Return the whole blocks before the last, and the last block masked with K1 or K2."""
    k1, k2 = subkeys(encrypted_zero)
    cut = max(0, (len(message) - 1) // BLOCK * BLOCK)
    head, last = message[:cut], message[cut:]
    if len(last) == BLOCK:
        return head, xor(last, k1)
    return head, xor((last + b"\x80").ljust(BLOCK, b"\x00"), k2)


def _double(block: bytes) -> bytes:
    value = int.from_bytes(block, "big") << 1
    if value >> 128:
        value ^= (1 << 128) | 0x87
    return value.to_bytes(BLOCK, "big")
