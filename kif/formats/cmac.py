"""The parts of CMAC that need no key (NIST SP 800-38B, 6.1 and 6.2), for AES and for TDEA.

``CMAC(K, M) = E_K(C xor M')``: ``M'`` is the last block after padding and the xor with a subkey,
and ``C`` the CBC chaining value over the blocks before it. Whoever can encrypt *that one block*
into a key object has the CMAC as a key, inside the token (:mod:`kif.hsm.cmac`). A block has as many
bytes as ``L``: 16 for AES, 8 for TDEA.
"""

BLOCK = 16
_REDUCTION = {16: 0x87, 8: 0x1B}


def xor(left: bytes, right: bytes) -> bytes:
    """Return the bitwise xor of two strings of the same length."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def subkeys(encrypted_zero: bytes) -> tuple[bytes, bytes]:
    """Return K1 and K2 from ``L = E_K(0)``, one block."""
    first = _double(encrypted_zero)
    return first, _double(first)


def split(message: bytes, encrypted_zero: bytes, least: int = 0) -> tuple[bytes, bytes]:
    """Return the whole blocks before the last, and the last block masked with K1 or K2.

    A message of fewer than ``least`` bytes is padded to so many (AN10922, 2.2: two blocks).
    """
    block = len(encrypted_zero)
    k1, k2 = subkeys(encrypted_zero)
    if message and len(message) % block == 0 and len(message) >= least:
        return message[:-block], xor(message[-block:], k1)
    padded = (message + b"\x80").ljust(least, b"\x00")
    padded += bytes(-len(padded) % block)
    return padded[:-block], xor(padded[-block:], k2)


def _double(block: bytes) -> bytes:
    bits = 8 * len(block)
    value = int.from_bytes(block, "big") << 1
    if value >> bits:
        value ^= (1 << bits) | _REDUCTION[len(block)]
    return value.to_bytes(len(block), "big")
