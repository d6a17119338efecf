"""A card in a reader, as the stages see it: commands in, data and status words out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from kif.formats.apdu import SUCCESS


class CardLink(Protocol):
    """A card in a reader.

    Raises ``DeviceFailed``: CARD_PRESENT when the card is gone, READER for the reader.
    """

    def transmit(self, command: bytes) -> bytes:
        """Send a command; return its answer, with the status word."""

    def relay(self, commands: Sequence[bytes], *, whole: bool = False) -> list[bytes]:
        """Send commands in turn until one fails, or the ``whole`` of them; return every answer."""
        return relayed(self.transmit, commands, whole=whole)


def relayed(
    transmit: Callable[[bytes], bytes], commands: Sequence[bytes], *, whole: bool
) -> list[bytes]:
    """Do what ``CardLink.relay`` does, by whatever sends one command.

    A command fails when its status word is another than 9000.
    """
    responses: list[bytes] = []
    for command in commands:
        responses.append(transmit(command))
        if responses[-1][-2:] != SUCCESS.to_bytes(2, "big") and not whole:
            break
    return responses
