"""What a security domain tells by GET DATA (Card Specification 11.3, H.2)."""

from __future__ import annotations

from kif.formats.tlv import tlv

_GLOBALPLATFORM = bytes.fromhex("2A864886FC6B")
"""The object identifier 1.2.840.114283."""
_VERSION = b"\x02\x02\x03\x01"
"""Of the specification: 2.3.1, after the arc 2."""
_ISSUER_NUMBER, _IMAGE_NUMBER = bytes.fromhex("999999"), b"KIF-TEST"
_MADE, _LATER = bytes.fromhex("6001"), bytes(2)
"""A date, YDDD, and one that is not yet."""


def domain_data(
    serial: bytes, chip: bytes, keys: bytes, protocol: bytes, counter: int
) -> dict[int, bytes]:
    """Return every data object by its tag. ``serial`` is the card's ten bytes.

    ``chip`` is what the CPLC begins with; ``keys`` is its key information, ``protocol`` its secure
    channel protocol with "i", ``counter`` that of its sessions.
    """
    return {
        0x0042: tlv(0x42, _ISSUER_NUMBER),
        0x0045: tlv(0x45, _IMAGE_NUMBER),
        0x0066: tlv(0x66, _card_recognition(protocol)),
        0x00C1: tlv(0xC1, counter.to_bytes(3, "big")),
        0x00E0: keys,
        0x9F7F: tlv(0x9F7F, _life_cycle(serial, chip)),
    }


def _card_recognition(protocol: bytes) -> bytes:
    """Return the card recognition data (H.2): what it is, and its secure channel."""

    def named(*arcs: bytes) -> bytes:
        return tlv(0x06, _GLOBALPLATFORM + b"".join(arcs))

    return tlv(
        0x73,
        named(b"\x01")
        + tlv(0x60, named(_VERSION))
        + tlv(0x63, named(b"\x03"))
        + tlv(0x64, named(b"\x04", protocol)),
    )


def _life_cycle(serial: bytes, chip: bytes) -> bytes:
    """Return the card production life cycle data, 42 bytes, of a card that nobody personalised."""
    made = chip + _MADE + serial[-4:] + b"\x00\x01"
    packed = b"KI" + _MADE + b"KI" + _MADE
    before = b"KI" + _MADE + bytes(4)
    return made + packed + before + bytes(2) + _LATER + bytes(4)
