"""The list of cardholder verification methods, tag 8E (EMV Book 3, 10.5 and annex C3)."""

AMOUNTS = 8
"""Bytes of the amounts X and Y before the rules, which have two bytes each."""
GO_ON = 0x40
"""The bit of a method after which, when it failed, the next rule is tried."""
PLAINTEXT_METHODS, ENCIPHERED_METHODS = frozenset({0x01, 0x03}), frozenset({0x04, 0x05})
"""By which the card compares a PIN itself."""


def methods_of(raw: bytes) -> frozenset[int]:
    """Return the methods of a CVM list, without what happens when they fail."""
    return frozenset(code & ~GO_ON for code in raw[AMOUNTS::2])
