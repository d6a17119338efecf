"""A card in a reader, as the stages see it: commands in, data and status words out."""

from __future__ import annotations

from collections.abc import Sequence
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
        responses: list[bytes] = []
        for command in commands:
            responses.append(self.transmit(command))
            if failed(responses[-1]) and not whole:
                break
        return responses


def failed(response: bytes) -> bool:
    """Whether the status word of an answer is another than 9000."""
    return response[-2:] != SUCCESS.to_bytes(2, "big")
