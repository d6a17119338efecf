"""A card that speaks T=0 (ISO/IEC 7816-3, 12.2): data goes one way in each exchange."""

from __future__ import annotations

from kif.formats.apdu import Command
from kif.formats.error import BadInput
from kif.simulator.card import Card

_GET_RESPONSE = 0xC0


class ByteCard:
    """A card behind T=0: answers wait for GET RESPONSE (61xx), a wrong Le is told (6Cxx)."""

    atr = bytes.fromhex("3B00")

    def __init__(self, card: Card) -> None:
        self._card = card
        self._waiting = b""

    def reset(self) -> None:
        """Begin anew."""
        self._waiting = b""
        self._card.reset()

    def apdu(self, raw: bytes) -> bytes:
        """Answer one command TPDU: a header with P3, and P3 bytes of data or none."""
        try:
            command = Command.decode(raw)
        except BadInput:
            return b"\x67\x00"
        if command.data and command.le is not None:
            return b"\x67\x00"  # both ways at once
        if command.ins == _GET_RESPONSE:
            return self._fetched(command.le or 0)
        answer = self._card.apdu(raw if command.le is None else raw[:4] + b"\x00")
        if len(answer) == 2:
            return answer
        if command.data:
            self._waiting = answer
            return bytes((0x61, (len(answer) - 2) % 256))
        return self._exactly(answer, command.le or 0)

    def _fetched(self, size: int) -> bytes:
        waiting, self._waiting = self._waiting, b""
        return self._exactly(waiting, size) if waiting else b"\x69\x85"

    def _exactly(self, answer: bytes, size: int) -> bytes:
        there = len(answer) - 2
        if size != there:
            self._waiting = answer
            return bytes((0x6C, there % 256))
        return answer
