"""VERIFY, by which a card compares a PIN: in clear, or enciphered to the card's key.

EMV Book 3, 6.5.12; Book 2, 7.2.
"""

from kif.formats import pinblock
from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.offline import PublicKey
from kif.formats.recovery import opened
from kif.formats.secret import Secret

PLAINTEXT, ENCIPHERED = 0x80, 0x88
"""P2: whether the PIN is enciphered."""
PIN_HEADER = b"\x7f"
GET_CHALLENGE = Command(0x00, 0x84, 0x00, 0x00, le=256)
"""Asks the card for the number that an enciphered PIN goes with (Book 3, 6.5.6)."""
NUMBER = 8
"""Bytes of that."""
PIN_FRAME = 1 + 8 + NUMBER
"""What stands before the padding: header, block and number."""


def verify(pin: Secret) -> bytes:
    """Return VERIFY with a PIN in clear."""
    return Command(0x00, 0x20, 0x00, PLAINTEXT, pinblock.format_2(pin).reveal()).encode()


def enciphered(pin: Secret, number: bytes, padding: bytes, key: PublicKey) -> bytes:
    """Return VERIFY with a PIN under a card's public key.

    ``number`` is the card's, 8 bytes; ``padding`` is random, 17 bytes less than the modulus.
    Raises ``BadInput`` (BYTES).
    """
    block = PIN_HEADER + pinblock.format_2(pin).reveal() + number + padding
    if len(number) != NUMBER or len(block) != key.size:
        raise BadInput(Control.BYTES, "An enciphered PIN goes with 8 bytes of the card's.")
    data = opened(block, key.modulus, key.exponent)
    return Command(0x00, 0x20, 0x00, ENCIPHERED, data).encode()


def wrong_pin(pin: Secret) -> Secret:
    """Return a PIN of the same length that is another one."""
    digits = pin.reveal()
    return Secret(digits[:-1] + str((int(digits[-1:]) + 1) % 10).encode())
