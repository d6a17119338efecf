"""A card that signs: its RSA key, made on it, and its dynamic signatures (EMV Book 2, 6.5 and 6.6).

The key is asked for by a grouping of the vendor's own, whose content is the bits of the modulus.
"""

from __future__ import annotations

import secrets

from kif.formats.apdu import Command, Response
from kif.formats.cmac import xor
from kif.formats.offline import dynamic_block
from kif.formats.tlv import read_dol, tlv
from kif.simulator.scheme import RsaKey

KEY_GENERATION = 0x7F49
_SMALLEST, _LARGEST = 1024, 1984
_NUMBER = 8
_DEFAULT_DDOL = bytes.fromhex("9F3704")


def generated(content: bytes) -> RsaKey | None:
    """Return the pair that a grouping asks for, or None when it asks for none of this card's."""
    bits = int.from_bytes(content, "big")
    if len(content) != 2 or bits % 8 or not _SMALLEST <= bits <= _LARGEST:
        return None
    return RsaKey.generate(bits)


def public_key(key: RsaKey) -> bytes:
    """Return the public key as a template (ISO/IEC 7816-8, 7F49)."""
    public = key.public
    return tlv(0x7F49, tlv(0x81, public.modulus) + tlv(0x82, public.exponent))


def internal_authenticate(
    key: RsaKey, ddol: bytes, command: Command, *, wrong: bool = False
) -> Response:
    """INTERNAL AUTHENTICATE (Book 3, 6.5.9): sign the terminal's data, in format 1."""
    if (command.p1, command.p2) != (0, 0):
        return Response(b"", 0x6A86)
    if len(command.data) != sum(size for _, size in read_dol(ddol or _DEFAULT_DDOL)):
        return Response(b"", 0x6700)
    return Response(tlv(0x80, signature(key, b"", command.data, wrong=wrong)), 0x9000)


def signature(key: RsaKey, told: bytes, terminal: bytes, *, wrong: bool = False) -> bytes:
    """Return a signature over a number of the card's, what it ``told``, and the terminal's data."""
    data = bytes((_NUMBER,)) + secrets.token_bytes(_NUMBER) + told
    made = key.signed(dynamic_block(data, key.public.size, terminal))
    return xor(made, b"\x01".rjust(len(made), b"\x00")) if wrong else made
