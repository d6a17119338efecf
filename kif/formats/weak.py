"""Keys that must not be used: weak and semi-weak DES keys (NIST SP 800-67r2, 3.3.2).

They are told by what they encrypt a block of zeros to: so can a key inside a token be.
"""

from functools import cache

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

_WEAK = (
    "0101010101010101 FEFEFEFEFEFEFEFE E0E0E0E0F1F1F1F1 1F1F1F1F0E0E0E0E "
    "011F011F010E010E 1F011F010E010E01 01E001E001F101F1 E001E001F101F101 "
    "01FE01FE01FE01FE FE01FE01FE01FE01 1FE01FE00EF10EF1 E01FE01FF10EF10E "
    "1FFE1FFE0EFE0EFE FE1FFE1FFE0EFE0E E0FEE0FEF1FEF1FE FEE0FEE0FEF1FEF1"
)


@cache
def weak_des_cryptograms() -> frozenset[bytes]:
    """Return what each weak or semi-weak DES key encrypts eight zero bytes to."""
    return frozenset(
        _encrypted(TripleDES(bytes.fromhex(key) * 3), bytes(8)) for key in _WEAK.split()
    )


@cache
def zero_aes_cryptogram(key_size: int) -> bytes:
    """Return what the AES key of zeros encrypts sixteen zero bytes to."""
    return _encrypted(AES(bytes(key_size)), bytes(16))


def _encrypted(algorithm: AES | TripleDES, block: bytes) -> bytes:
    encryptor = Cipher(algorithm, modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(block) + encryptor.finalize()


def odd_parity(key: bytes) -> bytes:
    """Return a DES key with odd parity in each byte."""
    return bytes((byte & 0xFE) | even(byte & 0xFE) for byte in key)


def even(byte: int) -> int:
    """Return 1 for a byte with an even number of ones, else 0."""
    return 1 - byte.bit_count() % 2
