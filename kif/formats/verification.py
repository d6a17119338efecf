"""What card and PIN verification values are computed from, and how they are read off a cryptogram.

CVV, iCVV, CVV2 (Visa; CVC at Mastercard), PVV (Visa), PIN and offset by IBM 3624. No key is here.
"""

from kif.formats.control import Control
from kif.formats.emv import decimal_first
from kif.formats.error import BadInput

ICVV_SERVICE_CODE = "999"
CVV2_SERVICE_CODE = "000"
_HEXADECIMAL = frozenset("0123456789ABCDEF")


def cvv_blocks(pan: str, expiry: str, service_code: str) -> tuple[bytes, bytes]:
    """Return the two blocks of a CVV: PAN, expiry (four digits) and service code, zeros after them.

    An iCVV has service code 999 and a CVV2 000; its expiry is as the issuer's host has it (YYMM or
    MMYY).
    """
    _require(pan, 12, 19, "A PAN")
    _require(expiry, 4, 4, "An expiry date")
    _require(service_code, 3, 3, "A service code")
    text = (pan + expiry + service_code).ljust(32, "0")
    return bytes.fromhex(text[:16]), bytes.fromhex(text[16:])


def cvv_of(cryptogram: bytes) -> str:
    """Return the three digits of a CVV."""
    return decimal_first(cryptogram.hex())[:3]


def pvv_block(pan: str, key_index: str, pin: str) -> bytes:
    """Return Visa's transformed security parameter: 11 PAN digits, key index, four PIN digits."""
    _require(pan, 12, 19, "A PAN")
    _require(key_index, 1, 1, "A PVV key index")
    _require(pin[:4], 4, 4, "A PIN for a PVV")
    return bytes.fromhex(pan[-12:-1] + key_index + pin[:4])


def pvv_of(cryptogram: bytes) -> str:
    """Return the four digits of a PVV."""
    return decimal_first(cryptogram.hex())[:4]


def ibm3624_block(pan: str, start: int, length: int, pad: str) -> bytes:
    """Return the validation data of IBM 3624: some PAN digits, filled at the right: 8 bytes."""
    _require(pan, 12, 19, "A PAN")
    data = pan[start : start + length]
    if not (start >= 0 and 0 < length <= 16 and len(data) == length and pad in _HEXADECIMAL):
        raise BadInput(
            Control.BYTES,
            f"IBM 3624 validation data of {length} digits from digit {start} is not in a PAN of "
            f"{len(pan)} digits, or its pad is not one hexadecimal digit.",
        )
    return bytes.fromhex(data.ljust(16, pad))


def ibm3624_pin(cryptogram: bytes, table: str, offset: str) -> str:
    """Return the PIN: cryptogram digits by the decimalisation table, plus the offset modulo 10.

    The PIN is as long as the offset; the natural PIN has an offset of zeros.
    """
    _require(table, 16, 16, "A decimalisation table")
    _require(offset, 4, 12, "An offset")
    natural = (table[int(nibble, 16)] for nibble in cryptogram.hex())
    return "".join(
        str((int(digit) + int(shift)) % 10) for digit, shift in zip(natural, offset, strict=False)
    )


def ibm3624_offset(natural: str, pin: str) -> str:
    """Return the offset that makes a natural PIN into a chosen one of the same length."""
    return "".join(str((int(b) - int(a)) % 10) for a, b in zip(natural, pin, strict=True))


def cvc3_block(iv: bytes, unpredictable: bytes, atc: bytes) -> bytes:
    """Return what a dynamic CVC3 encrypts: IVCVC3 (2 bytes), UN (4), ATC (2) (Mastercard)."""
    if (len(iv), len(unpredictable), len(atc)) != (2, 4, 2):
        raise BadInput(Control.BYTES, "A CVC3 takes IVCVC3 of 2 bytes, UN of 4 and ATC of 2.")
    return iv + unpredictable + atc


def cvc3_of(cryptogram: bytes, digits: int = 3) -> str:
    """Return the last decimal digits of a dynamic CVC3: of its last two bytes as a number."""
    return str(int.from_bytes(cryptogram[-2:], "big")).zfill(5)[-digits:]


def _require(digits: str, least: int, most: int, what: str) -> None:
    if not (digits.isascii() and digits.isdigit() and least <= len(digits) <= most):
        length = str(least) if least == most else f"{least} to {most}"
        raise BadInput(Control.BYTES, f"{what} has {length} digits; this one does not.")
