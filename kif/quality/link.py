"""What quality control needs of a reader, and of chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Entropy = Callable[[int], bytes]
"""Gives so many bytes that nobody can foresee."""


class CardLink(Protocol):
    """A card in a reader: command in, data and status word out."""

    def transmit(self, command: bytes) -> bytes:
        """Raise ``DeviceFailed``: CARD_PRESENT when the card is gone, READER for the reader."""
