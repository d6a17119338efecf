"""A second opinion in software, from ``cryptography`` alone: nothing of kif is used."""

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC


def aes_ecb(key: bytes, blocks: bytes) -> bytes:
    """AES-ECB over whole blocks."""
    encryptor = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(blocks) + encryptor.finalize()


def tdes_ecb(key: bytes, blocks: bytes) -> bytes:
    """TDEA-ECB over whole blocks; the key has 16 bytes, or 24."""
    encryptor = Cipher(TripleDES((key + key[:8])[:24]), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(blocks) + encryptor.finalize()


def aes_cbc_decrypt(key: bytes, vector: bytes, blocks: bytes) -> bytes:
    """AES-CBC decryption of whole blocks."""
    decryptor = Cipher(AES(key), modes.CBC(vector)).decryptor()
    return decryptor.update(blocks) + decryptor.finalize()


def aes_cbc(key: bytes, vector: bytes, blocks: bytes) -> bytes:
    """AES-CBC encryption of whole blocks."""
    encryptor = Cipher(AES(key), modes.CBC(vector)).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes."""
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def aes_kcv(key: bytes) -> bytes:
    """GlobalPlatform's check value of an AES key, 3 bytes."""
    return aes_ecb(key, b"\x01" * 16)[:3]


def tdes_kcv(key: bytes) -> bytes:
    """The zero-block check value of a 2TDEA key, 3 bytes."""
    return tdes_ecb(key, bytes(8))[:3]


def option_a(issuer_master: bytes, pan: str, sequence_number: str) -> bytes:
    """EMV option A, with odd parity set."""
    y = bytes.fromhex((pan + sequence_number).rjust(16, "0")[-16:])
    return odd_parity(tdes_ecb(issuer_master, y + bytes(0xFF - byte for byte in y)))


def kdf3(master: bytes, key_type: int, diversification: bytes) -> bytes:
    """GlobalPlatform KDF3, as long as the master."""
    blocks = b"".join(
        cmac(master, bytes([counter, 0, 0, 0, key_type, 0]) + diversification) for counter in (1, 2)
    )
    return blocks[: len(master)]


def odd_parity(key: bytes) -> bytes:
    """Set the last bit of every byte so that its bits are odd in number."""
    return bytes((byte & 0xFE) | (1 - (byte >> 1).bit_count() % 2) for byte in key)
