"""Key diversification: the messages and blocks that static and session keys are derived over.

NXP AN10922 (CMAC), NIST SP 800-108 (counter mode, CMAC), VISA2 and EMV static keys as in
GlobalPlatform's practice (3DES over key diversification data), and SCP02 session keys.
"""

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.scp03 import StaticKey

_LONGEST = 31
"""Bytes of AN10922 diversification input (its 2.2)."""
_KDD = 10
_AN10922 = {
    ("AES", 16): b"\x01",
    ("AES", 24): b"\x11\x12",
    ("AES", 32): b"\x21\x22",
    ("TDEA", 16): b"\x21\x22",
    ("TDEA", 24): b"\x31\x32\x33",
}


def an10922_messages(cipher: str, key_size: int, diversifier: bytes) -> list[bytes]:
    """Return the messages of AN10922: one for each block of the new key, ``constant || input``.

    ``cipher`` is AES or TDEA. The message is always two blocks long after padding, even when the
    input is short (see :func:`kif.formats.cmac.split`).
    """
    longest = _LONGEST if cipher == "AES" else 15
    if not 1 <= len(diversifier) <= longest:
        raise BadInput(
            Control.BYTES,
            f"AN10922 takes 1 to {longest} bytes of diversification input for {cipher}, not "
            f"{len(diversifier)}.",
        )
    return [bytes((each,)) + diversifier for each in _AN10922[cipher, key_size]]


def an10922_192(first: bytes, second: bytes) -> bytes:
    """Return how AN10922 lays two CMACs into a 24-byte key: half, their xor, half (2.3)."""
    middle = bytes(a ^ b for a, b in zip(first[8:], second[:8], strict=True))
    return first[:8] + middle + second[8:]


def counter_kdf_messages(
    label: bytes, context: bytes, bits: int, counter_bytes: int = 1, block: int = 16
) -> list[bytes]:
    """Return SP 800-108 counter mode messages: ``counter || label || 00 || context || L``.

    ``L`` is the key's length in bits, 4 bytes (5.1 of SP 800-108r1); one message for each block.
    """
    number = -(-bits // (8 * block))
    return [
        counter.to_bytes(counter_bytes, "big") + label + b"\x00" + context + bits.to_bytes(4, "big")
        for counter in range(1, number + 1)
    ]


def visa2_blocks(key: StaticKey, diversification_data: bytes) -> bytes:
    """Return 16 bytes that 3DES-ECB makes a card's static key of, VISA2 form."""
    _require_kdd(diversification_data)
    chosen = diversification_data[:2] + diversification_data[4:8]
    return _two_halves(chosen, key)


def emv_static_blocks(key: StaticKey, diversification_data: bytes) -> bytes:
    """Return 16 bytes that 3DES-ECB makes a card's static key of, EMV CPS form (CPS 1.1, 5.3)."""
    _require_kdd(diversification_data)
    return _two_halves(diversification_data[4:10], key)


def scp02_session_block(constant: bytes, sequence: bytes) -> bytes:
    """Return 16 bytes that 3DES-CBC makes an SCP02 session key of (GPC 2.3, E.4.1)."""
    if len(constant) != 2 or len(sequence) != 2:
        raise BadInput(Control.BYTES, "SCP02 takes a constant and a sequence counter of 2 bytes.")
    return constant + sequence + bytes(12)


def _two_halves(chosen: bytes, key: StaticKey) -> bytes:
    return b"".join(chosen + bytes((mark, key)) for mark in (0xF0, 0x0F))


def _require_kdd(data: bytes) -> None:
    if len(data) != _KDD:
        raise BadInput(
            Control.BYTES, f"Key diversification data has {_KDD} bytes, not {len(data)}."
        )
