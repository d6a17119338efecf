"""The card vendor: its TEST card manager key, and the static keys of each card it delivers.

The key is GlobalPlatform's public default test key. It is known to everyone; never use it for
production. A real vendor sends its key as components on two sheets, as here.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from kif.formats import scp03
from kif.formats.cmac import xor

TEST_VENDOR_KMC = bytes.fromhex("404142434445464748494A4B4C4D4E4F")
_FIRST = b"TESTCOMPONENT001"


def static_key(which: scp03.StaticKey, diversification: bytes) -> bytes:
    """Return a card's static key: KDF3 over its ten bytes of diversification data."""
    (message,) = scp03.kdf3_messages(which, diversification, 128)
    return cmac(TEST_VENDOR_KMC, message)


def cmac(key: bytes, message: bytes) -> bytes:
    """Return AES-CMAC, 16 bytes (NIST SP 800-38B)."""
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def aes_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305


def _sheet(component: bytes) -> tuple[str, str]:
    return component.hex().upper(), aes_block(component, b"\x01" * 16)[:3].hex().upper()


TEST_VENDOR_COMPONENTS = (_sheet(_FIRST), _sheet(xor(_FIRST, TEST_VENDOR_KMC)))
"""The two sheets: component and its GlobalPlatform check value, hex."""
