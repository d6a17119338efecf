"""Card vendors: their TEST card manager keys, and the static keys of each card they deliver.

The first vendor's key is GlobalPlatform's public default test key. These keys are known to
everyone; never use them for production. A real vendor sends its key as components on two sheets.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from kif.formats import scp03
from kif.formats.cmac import xor
from kif.formats.diversification import emv_static_blocks
from kif.simulator.transaction import des3

Sheet = tuple[str, str]
"""A component and its check value, hex."""


@dataclass(frozen=True)
class Vendor:
    """A vendor by name; ``keys`` are its card manager keys, the first version first.

    They are AES keys, or 2TDEA keys of a vendor whose cards are ``old`` and speak SCP02.

    Its cards take ``largest`` bytes of data in one command. ``direct`` ones refuse INSTALL [for
    personalization]: their application is selected, and has a secure channel of its own.
    """

    name: str
    keys: tuple[bytes, ...]
    largest: int = 255
    direct: bool = False
    old: bool = False
    """Whether they speak SCP02, and take STORE DATA whose P1 says nothing of its structure."""
    bare: bool = False
    """Whether they come without an application: its code is loaded, and installed."""
    chip: bytes = bytes.fromhex("4B494654000160010100")
    """What their CPLC begins with: fabricator, chip, operating system, its date and level."""

    def static_key(self, which: scp03.StaticKey, diversification: bytes, version: int) -> bytes:
        """Return a card's static key, as long as the vendor's: KDF3 over its ten bytes.

        Of an old one by 3DES over six of them (EMV CPS).
        """
        key = self.keys[version - 1]
        if self.old:
            return des3(key, emv_static_blocks(which, diversification))
        messages = scp03.kdf3_messages(which, diversification, 8 * len(key))
        return b"".join(cmac(key, message) for message in messages)[: len(key)]

    def sheets(self, version: int) -> tuple[Sheet, Sheet]:
        """Return the two sheets of a version: components and their GlobalPlatform check values."""
        first = f"TESTCOMPONENT{version:03}".encode()
        both = (first, xor(first, self.keys[version - 1]))
        return tdea_sheets(both) if self.old else aes_sheets(both)


def cmac(key: bytes, message: bytes) -> bytes:
    """Return AES-CMAC, 16 bytes (NIST SP 800-38B)."""
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def aes_block(key: bytes, block: bytes) -> bytes:
    """Encrypt one block."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305


def check_value(key: bytes) -> bytes:
    """Return GlobalPlatform's check value of an AES key, 3 bytes."""
    return aes_block(key, b"\x01" * 16)[:3]


def des_check_value(key: bytes) -> bytes:
    """Return the check value of a 2TDEA key, 3 bytes."""
    return des3(key, bytes(8))[:3]


def aes_sheets(components: tuple[bytes, bytes]) -> tuple[Sheet, Sheet]:
    """Return the two sheets of an AES key: its components with their check values."""
    first, second = components
    return _sheet(first), _sheet(second)


def tdea_sheets(components: tuple[bytes, bytes]) -> tuple[Sheet, Sheet]:
    """Return the two sheets of a 2TDEA key: its components with their check values."""
    first, second = (
        (each.hex().upper(), des_check_value(each).hex().upper()) for each in components
    )
    return first, second


def _sheet(component: bytes) -> Sheet:
    return component.hex().upper(), check_value(component).hex().upper()


TEST_VENDOR = Vendor(
    "test-vendor",
    (bytes.fromhex("404142434445464748494A4B4C4D4E4F"), b"TEST-VENDOR-KEY2"),
)
OTHER_TEST_VENDOR = Vendor(
    "other-test-vendor",
    (b"OTHER-VENDOR-KEY", b"OTHER-VENDOR-KY2"),
    largest=1024,
    direct=True,
    chip=bytes.fromhex("4B494654000260010200"),
)
BARE_TEST_VENDOR = Vendor("bare-test-vendor", (b"BARE-VENDOR-KEY1", b"BARE-VENDOR-KEY2"), bare=True)
OLD_TEST_VENDOR = Vendor("old-test-vendor", (b"OLD-VENDOR-KEY-1", b"OLD-VENDOR-KEY-2"), old=True)
VENDORS = {
    each.name: each for each in (TEST_VENDOR, OTHER_TEST_VENDOR, BARE_TEST_VENDOR, OLD_TEST_VENDOR)
}
