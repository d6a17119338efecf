"""VERIFY, by which a card compares a PIN (EMV Book 3, 6.5.12)."""

from kif.formats import pinblock
from kif.formats.apdu import Command
from kif.formats.secret import Secret

PLAINTEXT = 0x80
"""P2: the PIN is not enciphered."""


def verify(pin: Secret) -> bytes:
    """Return VERIFY with a PIN in clear."""
    return Command(0x00, 0x20, 0x00, PLAINTEXT, pinblock.format_2(pin).reveal()).encode()


def wrong_pin(pin: Secret) -> Secret:
    """Return a PIN of the same length that is another one."""
    digits = pin.reveal()
    return Secret(digits[:-1] + str((int(digits[-1:]) + 1) % 10).encode())
