"""The machine readable zone and EF.DG1 (ICAO Doc 9303-3, 4.9; 9303-5; 9303-10, 4.7.1)."""

from __future__ import annotations

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.tlv import tlv

_WEIGHTS = (7, 3, 1)
_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
_FIELDS: dict[int, tuple[tuple[slice, int], ...]] = {
    90: ((slice(5, 14), 14), (slice(30, 36), 36), (slice(38, 44), 44)),
    88: ((slice(44, 53), 53), (slice(57, 63), 63), (slice(65, 71), 71)),
    72: ((slice(36, 45), 45), (slice(49, 55), 55), (slice(57, 63), 63)),
}
"""By the length of the whole (TD1, TD3, TD2): fields that have a check digit, and where it is."""


def check_digit(text: str) -> str:
    """Return the 7-3-1 check digit of a field; letters count from 10, the filler as nothing."""
    total = 0
    for at, sign in enumerate(text):
        if sign not in _SIGNS:
            raise BadInput(Control.BYTES, "An MRZ has capital letters, digits and < alone.")
        total += (0 if sign == "<" else int(sign, 36)) * _WEIGHTS[at % 3]
    return str(total % 10)


def information(document: str, birth: str, expiry: str) -> str:
    """Return what access keys come from: number, birth and expiry, each with its check digit.

    The number is filled to nine signs; dates are YYMMDD (9303-11, 4.3.2).
    """
    fields = (document.ljust(9, "<"), birth, expiry)
    return "".join(field + check_digit(field) for field in fields)


def dg1(mrz: str) -> bytes:
    """Return EF.DG1 of a whole MRZ (TD1, TD2 or TD3). Raises ``BadInput`` for a check digit.

    The digits of number, birth and expiry are compared. The composite one is not: documents that
    are in use have it over fewer fields than the standard says.
    """
    if len(mrz) not in _FIELDS:
        raise BadInput(Control.BYTES, f"An MRZ has 90, 72 or 88 signs; this one has {len(mrz)}.")
    for field, place in _FIELDS[len(mrz)]:
        if check_digit(mrz[field]) != mrz[place]:
            raise BadInput(
                Control.BYTES, f"The check digit at place {place + 1} of the MRZ is wrong."
            )
    check_digit(mrz)
    return tlv(0x61, tlv(0x5F1F, mrz.encode()))
