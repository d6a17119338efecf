"""Track 2 equivalent data, tag 57 (ISO/IEC 7813; EMV Book 3, annex A)."""

from __future__ import annotations

from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput

_LONGEST = 37
"""Digits and separator of a whole track 2 without its sentinels and check character."""


def room_on_track2(pan: str) -> int:
    """Return how many digits of discretionary data track 2 holds beside a PAN."""
    return _LONGEST - len(pan) - len("DYYMM201")


@dataclass(frozen=True)
class Track2:
    """The fields of track 2; digits. ``repr`` shows none of them."""

    pan: str
    expiry: str
    """YYMM."""
    service_code: str
    discretionary_data: str

    def __repr__(self) -> str:
        return "Track2(redacted)"

    def encode(self) -> bytes:
        """Return PAN, D, expiry, service code, discretionary data, padded with F to whole bytes.

        Raises ``BadInput`` (RECORD) for a field of the wrong form or a track that is too long.
        """
        fields = (
            ("PAN", self.pan, range(12, 20)),
            ("expiry", self.expiry, range(4, 5)),
            ("service code", self.service_code, range(3, 4)),
            ("discretionary data", self.discretionary_data, range(room_on_track2(self.pan) + 1)),
        )
        for name, value, lengths in fields:
            if len(value) not in lengths or not (value == "" or _is_digits(value)):
                raise BadInput(Control.RECORD, f"Track 2: the {name} has not its form.")
        text = f"{self.pan}D{self.expiry}{self.service_code}{self.discretionary_data}"
        return bytes.fromhex(text + "F" * (len(text) % 2))

    @classmethod
    def decode(cls, raw: bytes) -> Track2:
        """Read tag 57's value. Raises ``BadInput`` (RECORD)."""
        pan, separator, rest = raw.hex().upper().removesuffix("F").partition("D")
        if not separator or not _is_digits(pan) or not _is_digits(rest) or len(rest) < 7:
            raise BadInput(Control.RECORD, "This is not track 2 equivalent data.")
        return cls(pan, rest[:4], rest[4:7], rest[7:])


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
