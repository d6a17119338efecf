"""A card's reference PIN and its counter: VERIFY (EMV Book 3, 6.5.12; Book 2, 7.2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from kif.formats import pinblock
from kif.formats.apdu import Response
from kif.formats.error import BadInput
from kif.formats.pinverify import PIN_FRAME, PIN_HEADER
from kif.formats.secret import Secret
from kif.simulator.scheme import RsaKey

REFERENCE, COUNTERS = 0x8010, 0x9010
_BLOCK, _PADDING = 8, b"\x80" + bytes(7)
_BLOCKED, _LEFT = 0x6983, 0x63C0


@dataclass
class CardPin:
    """The reference block (format 2), how many tries there are, and how many are left."""

    block: bytes
    limit: int
    left: int

    @classmethod
    def of(cls, block: bytes, counters: bytes) -> CardPin | None:
        """Return the PIN that was personalised, or None for what is none."""
        try:
            pinblock.pin_of(Secret(block))
        except BadInput:
            return None
        if len(counters) != 2 or not counters[0] or counters[0] != counters[1]:
            return None
        return cls(block, counters[1], counters[0])

    def verify(self, data: bytes) -> Response:
        """VERIFY: a wrong PIN takes a try, the right one gives all back while one is left."""
        if len(data) != _BLOCK:
            return Response(b"", 0x6700)
        if not self.left:
            return Response(b"", _BLOCKED)
        if hmac.compare_digest(data, self.block):
            self.left = self.limit
            return Response(b"", 0x9000)
        self.left -= 1
        return Response(b"", _LEFT | self.left)


def deciphered(data: bytes, key: RsaKey, number: bytes) -> bytes | None:
    """Return the PIN block of an enciphered PIN (Book 2, 7.2), or None where it is none.

    ``number`` is what the card gave for it.
    """
    if len(data) != key.public.size or not number:
        return None
    clear = key.signed(data)
    fits = clear[:1] == PIN_HEADER and clear[1 + _BLOCK : PIN_FRAME] == number
    return clear[1 : 1 + _BLOCK] if fits else None


def reference(clear: bytes) -> bytes | None:
    """Return the block of a decrypted DGI 8010, or None where its padding is another."""
    return clear[:_BLOCK] if clear[_BLOCK:] in (b"", _PADDING) else None
