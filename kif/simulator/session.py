"""How a session with a domain of the card begins: INITIALIZE UPDATE and EXTERNAL AUTHENTICATE."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from kif.formats import scp02
from kif.formats.apdu import Command, Response
from kif.formats.scp03 import Options
from kif.simulator.keyset import KeySet
from kif.simulator.securechannel import (
    CardChannel,
    LevelError,
    SecurityError,
    card_challenge,
)
from kif.simulator.securechannel02 import CardChannel02

Channel = CardChannel | CardChannel02
OLD_OPTIONS = scp02.Options(0x55)
"""Of cards that speak SCP02."""


@dataclass(frozen=True)
class Opening:
    """Who asks to be opened: the card by its ten bytes, a domain's keys, the AID selected."""

    serial: bytes
    keyset: KeySet
    aid: bytes
    spoil: Callable[[bytes], bytes]
    """What a fault makes of a cryptogram."""

    def scp03(self, command: Command, options: Options) -> tuple[CardChannel | None, Response]:
        """INITIALIZE UPDATE of SCP03 (Amendment D, 7.1.1)."""
        own = self.keyset
        if len(command.data) != options.size:
            return None, Response(b"", 0x6700)
        if own.sequence == 0xFFFFFF:
            return None, Response(b"", 0x6985)
        own.sequence += 1
        challenge = self._challenge(options)
        channel = CardChannel(own.keys, command.data, challenge, options)
        head = self.serial + bytes((own.version, 0x03, options.i))
        cryptogram = self.spoil(channel.card_cryptogram)
        counter = own.sequence.to_bytes(3, "big") if options.pseudo_random else b""
        return channel, Response(head + challenge + cryptogram + counter, 0x9000)

    def scp02(self, command: Command) -> tuple[CardChannel02 | None, Response]:
        """INITIALIZE UPDATE of SCP02 (GPC 2.3.1, E.5.1); its counter counts sessions that open."""
        if len(command.data) != scp02.CHALLENGE:
            return None, Response(b"", 0x6700)
        own = self.keyset
        sequence = own.sequence.to_bytes(2, "big")
        channel = CardChannel02(own.keys, command.data, sequence, self.aid, OLD_OPTIONS)
        head = self.serial + bytes((own.version, 0x02)) + channel.challenge
        return channel, Response(head + self.spoil(channel.card_cryptogram), 0x9000)

    def _challenge(self, options: Options) -> bytes:
        if options.pseudo_random:
            own = self.keyset
            return card_challenge(own.keys, own.sequence, self.aid, options.size)
        return secrets.token_bytes(options.size)


def authenticated(channel: Channel | None, command: Command) -> int:
    """EXTERNAL AUTHENTICATE (Amendment D, 7.1.2), one try for each channel: its status word."""
    if channel is None or channel.open:
        return 0x6985
    try:
        right = channel.authenticate(command)
    except SecurityError:
        return 0x6982
    except LevelError:
        return 0x6A86
    return 0x9000 if right else 0x6300
