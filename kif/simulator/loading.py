"""A personalization session of a card: STORE DATA until the block that is the last (GPC 11.11)."""

from __future__ import annotations

from typing import Protocol

from kif.formats.apdu import Command, Response
from kif.formats.dgi import Dgi, dgi_size, read_dgis

_UNDER_THE_KEY = frozenset({0x8000, 0x8010})
"""Groupings that come encrypted under the Key-DEK: keys and PIN."""
_LAST, _DGI_FORMAT, _ENCRYPTED, _ANSWERED = 0x80, 0x08, 0x60, 0x01


class Application(Protocol):
    """What is personalised."""

    def store(self, dgi: Dgi) -> Response:
        """Take a data grouping; return the status word, and what it is answered with."""

    def complete(self) -> int:
        """End personalisation; return the status word."""


class Loading:
    """One session: blocks counted from 00, groupings put together; ``ended`` after the last."""

    def __init__(self, target: Application, structure: int = _DGI_FORMAT) -> None:
        self._target, self._structure = target, structure
        self._block, self._buffer = 0, b""
        self.ended = False

    def store_data(self, command: Command) -> Response:
        """STORE DATA; a refusal has the blocks counted from 00 again."""
        answer = self._stored(command)
        if not answer.ok:
            self._block, self._buffer = 0, b""
        return answer

    def _stored(self, command: Command) -> Response:
        """Take a block; what cards are free to take out of order is refused."""
        kind, answered = command.p1 & ~_LAST & ~_ANSWERED, command.p1 & _ANSWERED
        kinds = (self._structure, self._structure | _ENCRYPTED)
        if command.p2 != self._block or kind not in kinds:
            return Response(b"", 0x6A86)
        self._block = (self._block + 1) & 0xFF
        self._buffer += command.data
        answer = self._store_whole(bool(command.p1 & _ENCRYPTED))
        if answer.ok and bool(answer.data) != bool(answered):
            answer = Response(b"", 0x6A86)  # whether it is answered, P1 says (11.11.2.1)
        if command.p1 & _LAST:
            if answer.ok:
                answer = Response(b"", 0x6A80 if self._buffer else self._target.complete())
            self.ended = True
        return answer

    def _store_whole(self, encrypted: bool) -> Response:
        """Hand over every grouping that has arrived whole."""
        answer, size = Response(b"", 0x9000), dgi_size(self._buffer)
        while size is not None and size <= len(self._buffer):
            (dgi,) = read_dgis(self._buffer[:size])
            self._buffer = self._buffer[size:]
            if encrypted != (dgi.identifier in _UNDER_THE_KEY):
                return Response(b"", 0x6A80)
            answer = self._target.store(dgi)
            if not answer.ok:
                return answer
            size = dgi_size(self._buffer)
        return answer
