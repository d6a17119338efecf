"""Tracks 1 and 2 of a magnetic stripe: their text (ISO/IEC 7813), and its coding (7811-2).

>>> encoded(";9999990000000014=28022010?")[0] == 0b01011
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput

_NAME = re.compile(r"[A-Z0-9 '()\-./]{2,26}")
_LONGEST = {1: 78, 2: 39}
"""Characters of a track with its sentinels, without the check character (LRC)."""
_SENTINELS = {1: ("%", "?"), 2: (";", "?")}
_BITS, _LOWEST = {1: 6, 2: 4}, {1: 0x20, 2: 0x30}
"""Data bits of a character, and the ASCII code of the one that is zero (7811-2, 9 and 10)."""


@dataclass(frozen=True)
class Stripe:
    """Both tracks, with their sentinels and without check characters. ``repr`` shows neither."""

    track_1: str
    track_2: str

    def __repr__(self) -> str:
        return "Stripe(redacted)"

    def encoded(self) -> tuple[bytes, bytes]:
        """Return what an encoder writes: one byte a character."""
        return encoded(self.track_1), encoded(self.track_2)


@dataclass(frozen=True)
class Account:
    """What both tracks say. ``repr`` shows none of it."""

    pan: str
    name: str
    """``SURNAME/GIVEN.TITLE``, in ASCII."""
    expiry: str
    """YYMM."""
    service_code: str
    discretionary_data: str
    """Digits."""

    def __repr__(self) -> str:
        return "Account(redacted)"

    def stripe(self) -> Stripe:
        """Return both tracks. Raises ``BadInput`` (RECORD) for what has no room on one."""
        if not _NAME.fullmatch(self.name):
            raise BadInput(
                Control.RECORD,
                "The name does not go onto track 1: it takes 2 to 26 capital letters, digits and "
                "some signs (ISO/IEC 7813).",
            )
        rest = f"{self.expiry}{self.service_code}{self.discretionary_data}"
        made = Stripe(f"%B{self.pan}^{self.name}^{rest}?", f";{self.pan}={rest}?")
        for track, text in enumerate((made.track_1, made.track_2), start=1):
            if len(text) > _LONGEST[track]:
                raise BadInput(
                    Control.RECORD,
                    f"Track {track} would have {len(text)} characters; {_LONGEST[track]} is the "
                    "most. Ask the issuer for fewer digits of discretionary data.",
                )
        return made


def encoded(track: str) -> bytes:
    """Return a track as an encoder writes it, one byte a character, with its check character.

    The lowest bits are the character, the one above them gives it odd parity.
    """
    number = 1 if track.startswith("%") else 2
    bits, codes = _BITS[number], [ord(each) - _LOWEST[number] for each in track]
    if not all(0 <= code < 1 << bits for code in codes):
        raise BadInput(Control.BYTES, f"Track {number} has a character that it can't have.")
    check = 0
    for code in codes:
        check ^= code
    return bytes(code | _parity(code) << bits for code in (*codes, check))


def decoded(number: int, raw: bytes) -> str:
    """Return what a track says that was read. Raises ``BadInput`` (BYTES) when it is damaged."""
    bits, check = _BITS[number], 0
    for byte in raw:
        code = byte & (1 << bits) - 1
        if byte != code | _parity(code) << bits:
            raise BadInput(Control.BYTES, f"A character of track {number} has wrong parity.")
        check ^= code
    text = "".join(chr((byte & (1 << bits) - 1) + _LOWEST[number]) for byte in raw[:-1])
    first, last = _SENTINELS[number]
    if check or not text.startswith(first) or not text.endswith(last):
        raise BadInput(Control.BYTES, f"Track {number} is not whole.")
    return text


def _parity(code: int) -> int:
    return 1 - code.bit_count() % 2
