"""SCP03 messages (GPC Amendment D 1.1.1/1.2): what goes to the keys and what cards answer.

All lengths in bytes, all integers big-endian. No key is here: the derivation *messages* are.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from kif.formats.control import Control
from kif.formats.error import BadInput

CHALLENGE = 8
_HEAD, _SEQUENCE, _S8, _S16 = 13, 3, 8, 16


@dataclass(frozen=True)
class Options:
    """What a card says by SCP03's parameter "i" (Amendment D, table 5-1; b1 is S16 mode)."""

    i: int

    @property
    def size(self) -> int:
        """Bytes of a challenge, of a cryptogram and of a MAC: 8 in S8 mode, 16 in S16."""
        return _S16 if self.i & 0x01 else _S8

    @property
    def pseudo_random(self) -> bool:
        """Whether the card's challenge is made of its sequence counter (6.2.2.1)."""
        return bool(self.i & 0x10)

    @property
    def levels(self) -> tuple[int, ...]:
        """The security levels that it can (7.1.2.1): R-MAC and R-ENC are there or not."""
        with_mac, with_both = bool(self.i & 0x20), self.i & 0x60 == 0x60
        return (0x00, 0x01, 0x03) + (0x11, 0x13) * with_mac + (0x33,) * with_both

    @property
    def possible(self) -> bool:
        """Whether there is such a parameter: b8, b4, b3 and b2 are 0, and no R-ENC alone."""
        return not self.i & 0x8E and self.i & 0x60 != 0x40


class Constant(IntEnum):
    """Data derivation constants (Amendment D, table 4-1)."""

    CARD_CRYPTOGRAM = 0x00
    HOST_CRYPTOGRAM = 0x01
    CARD_CHALLENGE = 0x02
    S_ENC = 0x04
    S_MAC = 0x06
    S_RMAC = 0x07


class StaticKey(IntEnum):
    """Key types of KDF3 diversification (GPC Card Specification, UICC configuration / GPPro)."""

    ENC = 0x01
    MAC = 0x02
    DEK = 0x03


@dataclass(frozen=True)
class InitializeUpdateResponse:
    """The answer to INITIALIZE UPDATE (Amendment D, 7.1.1.6).

    Challenge and cryptogram have 8 bytes in S8 mode and 16 in S16 mode.
    """

    diversification_data: bytes
    key_version: int
    i: int
    card_challenge: bytes
    card_cryptogram: bytes
    sequence_counter: bytes | None

    @classmethod
    def decode(cls, data: bytes) -> "InitializeUpdateResponse":
        """Read the response data, without status word.

        S8: 29 bytes, or 32 with a sequence counter; S16: 45 or 48.
        """
        for size in (_S8, _S16):
            challenge, cryptogram = _HEAD + size, _HEAD + 2 * size
            if len(data) in (cryptogram, cryptogram + _SEQUENCE) and data[11] == 0x03:
                return cls(
                    data[:10],
                    data[10],
                    data[12],
                    data[_HEAD:challenge],
                    data[challenge:cryptogram],
                    data[cryptogram:] or None,
                )
        raise BadInput(
            Control.BYTES,
            f"INITIALIZE UPDATE gave {len(data)} bytes; SCP03 gives 29 or 32 in S8 mode and 45 or "
            "48 in S16 mode, with 03 as protocol. Check the card profile.",
        )


def initialize_update(key_version: int, host_challenge: bytes) -> bytes:
    """Return the INITIALIZE UPDATE command for a key version and a host challenge.

    The challenge has 8 bytes, or 16 for a card in S16 mode.
    """
    return bytes((0x80, 0x50, key_version, 0x00, len(host_challenge))) + host_challenge + b"\x00"


def derivation_messages(constant: Constant, context: bytes, bits: int) -> list[bytes]:
    """Return one PRF message for each 16 bytes of output (Amendment D, 4.1.5).

    ``context`` is host challenge and card challenge, or for CARD_CHALLENGE the sequence counter
    and the AID. ``bits`` is the length of the output.
    """
    return [head + context for head in derivation_heads(constant, bits)]


@cache
def derivation_heads(constant: Constant, bits: int) -> tuple[bytes, ...]:
    """Return the first block of each PRF message: all of it but the context."""
    return tuple(
        bytes(11) + bytes((constant, 0)) + bits.to_bytes(2, "big") + bytes((counter,))
        for counter in range(1, (bits + 127) // 128 + 1)
    )


def kdf3_messages(key: StaticKey, diversification_data: bytes, bits: int) -> list[bytes]:
    """Return one PRF message for each 16 bytes of a card's static key.

    Counter, three zero bytes, key type, a zero byte, ten bytes of diversification data: there is
    no length field, so this is not the session key derivation.
    """
    return [
        bytes((counter, 0, 0, 0, key, 0)) + diversification_data
        for counter in range(1, (bits + 127) // 128 + 1)
    ]


def pad(data: bytes) -> bytes:
    """Pad with 80 00… to whole AES blocks, at least one byte (ISO/IEC 9797-1 method 2)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


def unpad(data: bytes) -> bytes:
    """Remove 80 00… padding; some cards pad a block too many. Raises ``BadInput`` without any."""
    body = data.rstrip(b"\x00")
    if body[-1:] != b"\x80":
        raise BadInput(Control.BYTES, "Decrypted data does not end with 80 00… padding.")
    return body[:-1]


def encryption_iv_block(counter: int, response: bool = False) -> bytes:
    """Return the block whose encryption is the IV of C-ENC, or of R-ENC (6.2.6, 6.2.7)."""
    block = counter.to_bytes(16, "big")
    return b"\x80" + block[1:] if response else block


def most_plain_data(security_level: int, size: int, most: int = 255) -> int:
    """Return how many plain data bytes a command carries at this security level.

    ``size`` is that of a MAC, ``most`` what the card takes in one command: 255 in a short one.
    Encrypted, they are whole blocks, of which one byte at least pads.
    """
    room = most - size
    return room - room % 16 - 1 if security_level & 0x02 else room
