"""Key blocks of ANSI X9.143 (TR-31): header, lengths, and what keys are derived over.

Versions D (AES) and B (TDEA) are what current practice allows; A and C (variant binding) and E
(ISO 20038, counter mode) are read too. Nothing is encrypted here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from kif.formats.control import Control
from kif.formats.error import BadInput

HEADER = 16
_LONGEST = 9992
_FIELDS = re.compile(r"[A-E][0-9]{4}[A-Z0-9]{4}[A-Z0-9c]{2}[ENS][0-9]{2}[0-9A-Z]{2}")
_HEX = re.compile(r"[0-9A-Fa-f]*")


class Version(Enum):
    """A key block version: block bytes, MAC bytes, and whether the MAC is over the clear key."""

    A = ("A", 8, 4, False)
    B = ("B", 8, 8, True)
    C = ("C", 8, 4, False)
    D = ("D", 16, 16, True)
    E = ("E", 16, 16, True)

    def __init__(self, letter: str, block: int, mac: int, over_clear: bool) -> None:
        self.letter, self.block, self.mac, self.over_clear = letter, block, mac, over_clear


class Purpose(Enum):
    """What a key is derived from the protection key for (X9.143, table 10)."""

    ENCRYPTION = 0
    AUTHENTICATION = 1
    COUNTER_ENCRYPTION = 2


@dataclass(frozen=True)
class Header:
    """What a key block says of its key: usage, algorithm, mode of use, version, exportability."""

    version: Version
    usage: str
    algorithm: str
    mode: str
    key_version: str = "00"
    exportability: str = "N"
    optional: tuple[tuple[str, str], ...] = ()
    """Optional blocks by their identifiers, in order."""

    def encode(self, length: int) -> str:
        """Return the header of a block of ``length`` signs in all."""
        blocks = "".join(_optional(name, data) for name, data in self.optional)
        return (
            f"{self.version.letter}{length:04}{self.usage}{self.algorithm}{self.mode}"
            f"{self.key_version}{self.exportability}{len(self.optional):02}00{blocks}"
        )


@dataclass(frozen=True)
class KeyBlock:
    """A key block taken apart; the header's text is what the MAC is over."""

    header: Header
    text: str
    ciphertext: bytes
    mac: bytes

    @classmethod
    def parse(cls, block: str) -> KeyBlock:
        """Take a block apart. Raises ``BadInput`` (KEY_BLOCK) that says what is wrong."""
        if not _FIELDS.fullmatch(block[:HEADER]):
            raise bad("it does not begin with a header")
        if len(block) > _LONGEST or int(block[1:5]) != len(block):
            raise bad(f"it has {len(block)} signs and its header says {int(block[1:5])}")
        version = Version[block[0]]
        optional, at = _optional_blocks(block)
        header = Header(version, block[5:7], block[7], block[8], block[9:11], block[11], optional)
        body = block[at:]
        if not _HEX.fullmatch(body) or len(body) % 2 or at % version.block:
            raise bad("what follows its header is not hexadecimal, or begins at a wrong place")
        raw = bytes.fromhex(body)
        ciphertext, mac = raw[: -version.mac], raw[-version.mac :]
        whole = version is Version.E or len(ciphertext) % version.block == 0
        if len(ciphertext) < version.block or not whole:
            raise bad("its key is not whole blocks of the cipher")
        return cls(header, block[:at], ciphertext, mac)


def payload(key: bytes, padding: bytes) -> bytes:
    """Return length in bits, key, and padding (X9.143, 5.2)."""
    return (8 * len(key)).to_bytes(2, "big") + key + padding


def padding_size(key_size: int, longest: int, block: int) -> int:
    """Return how much padding hides a key's length: as if it were the longest of its cipher."""
    return -(2 + longest) % block + longest - key_size


def key_of(clear: bytes) -> tuple[bytes, int]:
    """Return the key of a clear payload, and how many bytes pad it. Raises ``BadInput``."""
    bits = int.from_bytes(clear[:2], "big")
    size = bits // 8
    if bits % 8 or not 0 < size <= len(clear) - 2:
        raise bad("the length of its key is not possible")
    return clear[2 : 2 + size], len(clear) - 2 - size


def derivation_messages(purpose: Purpose, cipher: str, key_size: int) -> list[bytes]:
    """Return the CMAC messages of a block encryption or authentication key (X9.143, 5.3.2.2).

    ``cipher`` is TDEA or AES, of the protection key, and ``key_size`` its bytes.
    """
    algorithm = {("TDEA", 16): 0, ("TDEA", 24): 1, ("AES", 16): 2, ("AES", 24): 3, ("AES", 32): 4}
    block = 8 if cipher == "TDEA" else 16
    tail = (
        purpose.value.to_bytes(2, "big")
        + b"\x00"
        + algorithm[cipher, key_size].to_bytes(2, "big")
        + (8 * key_size).to_bytes(2, "big")
    )
    return [bytes((counter,)) + tail for counter in range(1, -(-key_size // block) + 1)]


def bad(why: str) -> BadInput:
    """Return the refusal of a key block."""
    return BadInput(
        Control.KEY_BLOCK, f"This key block is not taken: {why}. Ask its sender for it again."
    )


def _optional(name: str, data: str) -> str:
    return f"{name}{len(data) + 4:02X}{data}"


def _optional_blocks(block: str) -> tuple[tuple[tuple[str, str], ...], int]:
    """Read the optional blocks; return them, and where they end."""
    found: list[tuple[str, str]] = []
    at = HEADER
    for _ in range(int(block[12:14])):
        size, start = _size(block, at)
        if size < start - at or at + size > len(block):
            raise bad("an optional block is longer than the key block")
        found.append((block[at : at + 2], block[start : at + size]))
        at += size
    return tuple(found), at


def _size(block: str, at: int) -> tuple[int, int]:
    """Return an optional block's length in signs, and where its data begins (X9.143, 4.4)."""
    try:
        short = int(block[at + 2 : at + 4], 16)
        if short:
            return short, at + 4
        digits = 2 * int(block[at + 4 : at + 6], 16)
        return int(block[at + 6 : at + 6 + digits], 16), at + 6 + digits
    except ValueError:
        raise bad("the length of an optional block is not a number") from None
