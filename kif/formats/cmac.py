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
    size = len(left)
    if len(right) != size:
        raise ValueError("two strings of different lengths have no xor")
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(size, "big")


def subkeys(encrypted_zero: bytes) -> tuple[bytes, bytes]:
    """Return K1 and K2 from ``L = E_K(0)``, one block."""
    first = _double(encrypted_zero)
    return first, _double(first)


def split(message: bytes, encrypted_zero: bytes, least: int = 0) -> tuple[bytes, bytes]:
    """Return the whole blocks before the last, and the last block masked with K1 or K2.

    A message of fewer than ``least`` bytes is padded to so many (AN10922, 2.2: two blocks).
    """
    head, last, whole = cut(message, len(encrypted_zero), least)
    return head, xor(last, subkeys(encrypted_zero)[0 if whole else 1])


def cut(message: bytes, block: int, least: int = 0) -> tuple[bytes, bytes, bool]:
    """Return the blocks before the last, the last, padded, and whether it was whole already."""
    size = len(message)
    if size and size % block == 0 and size >= least:
        return message[:-block], message[-block:], True
    padded = (message + b"\x80").ljust(least, b"\x00")
    padded += bytes(-len(padded) % block)
    return padded[:-block], padded[-block:], False


def _double(block: bytes) -> bytes:
    size = len(block)
    value = int.from_bytes(block, "big") << 1
    if value >> (8 * size):
        value ^= (1 << (8 * size)) | _REDUCTION[size]
    return value.to_bytes(size, "big")
