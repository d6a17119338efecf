"""Primary account numbers (ISO/IEC 7812-1): check digit, issuer identification, hash total."""

from collections.abc import Iterable

_TOTAL = 10**16


def check_digit_is_right(pan: str) -> bool:
    """Return whether the last digit is the Luhn check digit of the others (annex B)."""
    return _luhn(pan) % 10 == 0


def with_check_digit(body: str) -> str:
    """Return the digits with their check digit appended."""
    return body + str(-_luhn(body + "0") % 10)


def bin_of(pan: str) -> str:
    """Return the issuer identification number: 8 digits, or 6 of a PAN shorter than 16."""
    return pan[:8] if len(pan) >= 16 else pan[:6]


def masked(pan: str) -> str:
    """Return six digits, stars and four digits: what may be shown (PCI DSS 3.4)."""
    return f"{pan[:6]}{'*' * (len(pan) - 10)}{pan[-4:]}"


def hash_total(pans: Iterable[str]) -> str:
    """Return the sum of the PANs as integers modulo 10^16, as 16 digits."""
    return str(sum(int(pan) for pan in pans) % _TOTAL).zfill(16)


def _luhn(digits: str) -> int:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return sum(doubled) + sum(int(digit) for digit in digits[::-2])
