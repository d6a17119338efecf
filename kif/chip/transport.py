"""The client of a machine's card transport (docs/formats/transport.md)."""

from __future__ import annotations

import socket
from pathlib import Path

from kif.formats.control import Control
from kif.formats.error import DeviceFailed

_LONGEST_ANSWER = 1024
_PATIENCE = 30.0
"""Seconds that a machine may take to move a card."""


class Transport:
    """Feeds blanks and stacks cards."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    @classmethod
    def connect(cls, path: Path) -> Transport:
        """Connect to the machine's socket. Raises ``DeviceFailed`` (READER)."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(str(path))
        except OSError as exc:
            connection.close()
            raise DeviceFailed(
                Control.READER,
                f"The machine's card transport does not answer at {path}: {exc.strerror}. Start "
                "the machine, or 'kif simulate'.",
            ) from exc
        return cls(connection)

    def feed(self) -> bool:
        """Put the next blank into the reader; return False when the hopper is empty."""
        return self._ask("FEED") == "OK"

    def place(self, *, antenna: bool) -> None:
        """Move the card to the contactless reader, or back to the contacts."""
        self._ask("ANTENNA" if antenna else "CONTACTS")

    def stack(self, good: bool) -> None:
        """Move the card to the good stack or to the reject box."""
        self._ask("STACK GOOD" if good else "STACK REJECT")

    def clear(self) -> bool:
        """Move a card that was left in the reader to the reject box; False when there is none."""
        return self._ask("CLEAR") == "OK"

    def close(self) -> None:
        """Close the connection; the machine keeps its place."""
        self._connection.close()

    def _ask(self, request: str) -> str:
        try:
            self._connection.sendall(request.encode() + b"\n")
            answer = self._line()
        except OSError as exc:
            raise DeviceFailed(
                Control.READER, f"The machine's card transport is gone: {exc}."
            ) from exc
        if answer not in ("OK", "EMPTY"):
            raise DeviceFailed(
                Control.READER, f"The machine refused {request}: {answer or 'no answer'}."
            )
        return answer

    def _line(self) -> str:
        line = b""
        while not line.endswith(b"\n") and len(line) < _LONGEST_ANSWER:
            part = self._connection.recv(_LONGEST_ANSWER)
            if not part:
                break
            line += part
        return line.decode(errors="replace").strip()
