"""SCP02 messages (GPC 2.3.1, appendix E): what cards answer, and what MACs are made over.

All lengths in bytes, all integers big-endian. No key is here.
"""

from __future__ import annotations

from dataclasses import dataclass

from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.emv import DES_BLOCK, mac_padded
from kif.formats.error import BadInput

CHALLENGE, MAC = 8, 8
_SIZE, _PROTOCOL = 28, 0x02


@dataclass(frozen=True)
class Options:
    """SCP02's parameter "i" (E.1.1, table E-1), which the card's recognition data has."""

    i: int

    @property
    def pseudo_random(self) -> bool:
        """Whether the card's challenge is a MAC over the AID of its domain (E.4.2.3)."""
        return bool(self.i & 0x40)

    @property
    def possible(self) -> bool:
        """Whether kif speaks it: three keys, explicit initiation, MACs over what is sent.

        The chaining value is encrypted, and zero at first: "i" 15 and 55, or 35 and 75.
        """
        return self.i & 0x9F == 0x15

    @property
    def levels(self) -> tuple[int, ...]:
        """The security levels that kif uses (E.5.2.3): without R-MAC."""
        return (0x01, 0x03)


@dataclass(frozen=True)
class InitializeUpdateResponse:
    """The answer to INITIALIZE UPDATE (E.5.1.6)."""

    diversification_data: bytes
    key_version: int
    sequence: bytes
    """Two bytes: how often a session was opened with this key set."""
    card_challenge: bytes
    """Six bytes."""
    card_cryptogram: bytes

    @classmethod
    def decode(cls, data: bytes) -> InitializeUpdateResponse:
        """Read the 28 bytes of response data, without status word. Raises ``BadInput``."""
        if len(data) != _SIZE or data[11] != _PROTOCOL:
            raise BadInput(
                Control.BYTES,
                f"INITIALIZE UPDATE gave {len(data)} bytes; SCP02 gives {_SIZE}, with 02 as "
                "protocol. Check the card profile.",
            )
        return cls(data[:10], data[10], data[12:14], data[14:20], data[20:])

    def card_message(self, host_challenge: bytes) -> bytes:
        """Return what the card's cryptogram is a MAC over (E.4.2.1), padded."""
        return mac_padded(host_challenge + self.sequence + self.card_challenge)

    def host_message(self, host_challenge: bytes) -> bytes:
        """Return what the host's cryptogram is a MAC over (E.4.2.2), padded."""
        return mac_padded(self.sequence + self.card_challenge + host_challenge)


def mac_message(command: Command) -> bytes:
    """Return what the C-MAC of a command is over: what is sent but for encryption (E.4.4), padded.

    The class says that there is a MAC, and Lc counts it.
    """
    header = bytes((command.cla | 0x04, command.ins, command.p1, command.p2))
    return mac_padded(header + bytes((len(command.data) + MAC,)) + command.data)


def most_plain_data(security_level: int) -> int:
    """Return how many plain data bytes a short command carries at this security level.

    Encrypted, they are whole blocks, of which one byte at least pads.
    """
    room = 255 - MAC
    return room - room % DES_BLOCK - 1 if security_level & 0x02 else room
