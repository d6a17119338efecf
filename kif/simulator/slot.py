"""A slot of a virtual reader: the vpcd protocol over TCP, with a card that can be exchanged.

A card that the host has powered down is exchanged behind the connection, because pcscd looks for
cards only every 0.4 s. One that is still powered leaves the slot empty for a while, so that pcscd
sees it go. Either way the next card is silent until it is powered up: none is taken for another.

vpcd sends a message's length and body in two writes; Nagle holds the second until the first is
acknowledged, and the kernel delays that by 40 ms. So it is acknowledged at once.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Protocol

from kif.simulator.fault import CardGone, CardMute

_EMPTY = 1.0
"""Seconds for which a slot stays empty after a card left by itself: pcscd looks every 0.4 s, and
takes a card that comes back between two looks for one that never left."""
_NOTICED = 2.0
"""Seconds within which pcscd powers up a card that came into an empty slot."""
_SETTLED = 0.05
"""Seconds after SCardDisconnect within which vpcd's power off has come; nothing answers it."""
_POWER_OFF, _POWER_ON, _RESET, _ATR = 0, 1, 2, 4


class Chip(Protocol):
    """What a reader sees of a card."""

    @property
    def atr(self) -> bytes:
        """The answer to reset (ISO/IEC 7816-3, 8)."""

    def reset(self) -> None:
        """Begin anew, as after a reset or a loss of power."""

    def apdu(self, raw: bytes) -> bytes:
        """Answer one command. Raises ``CardGone`` or ``CardMute``."""


class Aerial:
    """A card as a contactless reader sees it: powered over the air, with an ATR of PC/SC's.

    Of a card of ISO/IEC 14443-4 type B without historical bytes (PC/SC part 3, 3.1.3.2.3.1).
    """

    atr = bytes.fromhex("3B80800101")

    def __init__(self, card: Contactless) -> None:
        self._card = card

    def reset(self) -> None:
        """Power it over the air."""
        self._card.reset(contactless=True)

    def apdu(self, raw: bytes) -> bytes:
        """Answer one command."""
        return self._card.apdu(raw)


class Contactless(Protocol):
    """A card that may be powered over the air."""

    def reset(self, *, contactless: bool = False) -> None:
        """Begin anew."""

    def apdu(self, raw: bytes) -> bytes:
        """Answer one command."""


class Slot:
    """One slot of a reader whose vpcd listens on ``port``; empty at first."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._change = threading.Condition()
        self._card: Chip | None = None
        self._atr = b""
        """Of the last card: pcscd asks for it while one is exchanged, too."""
        self._powered = False
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._emptied = -_EMPTY

    @property
    def occupied(self) -> bool:
        """Whether the reader has a card, as pcscd sees it; not, once the card vanished."""
        return self._connection is not None

    def put(self, card: Chip) -> None:
        """Put a card in. Into an empty slot this takes until pcscd sees it, up to 3 seconds.

        Raises ``OSError`` when pcscd is gone.
        """
        with self._change:
            self._card, self._atr = card, card.atr
            if self._connection is None:
                self._insert()
                self._change.wait_for(lambda: self._powered, _NOTICED)

    def lift(self) -> None:
        """Take the card away: no command reaches it any more."""
        with self._change:
            self._card = None
            unpowered = self._change.wait_for(lambda: not self._powered, _SETTLED)
        if not unpowered:
            self.empty()

    def empty(self) -> None:
        """Take the card away so that pcscd sees the slot empty."""
        with self._change:
            connection, thread = self._connection, self._thread
        if connection is not None:
            _shut(connection)
        if thread is not None:
            thread.join(5)

    def _insert(self) -> None:
        time.sleep(max(0.0, self._emptied + _EMPTY - time.monotonic()))
        self._connection = _connect(self._port)
        self._thread = threading.Thread(target=self._serve, args=(self._connection,), daemon=True)
        self._thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while True:
                self._handle(connection, _message(connection))
        except (EOFError, OSError, CardGone):
            pass
        finally:
            with self._change:
                self._connection, self._powered = None, False
                self._emptied = time.monotonic()
                self._change.notify_all()
            connection.close()  # or pcscd waits for an answer for ever

    def _handle(self, connection: socket.socket, message: bytes) -> None:
        if len(message) != 1:
            card = self._card
            if card is None or not self._powered:
                raise CardGone
            try:
                _send(connection, card.apdu(message))
            except CardMute:
                _message(connection)  # until the slot is emptied
        elif message[0] == _ATR:
            _send(connection, self._atr)
        else:
            self._control(message[0])

    def _control(self, kind: int) -> None:
        with self._change:
            if kind == _POWER_OFF:
                self._powered = False
            elif kind in (_POWER_ON, _RESET) and self._card is not None:
                self._card.reset()
                self._powered = True
            self._change.notify_all()


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _message(connection: socket.socket) -> bytes:
    length = int.from_bytes(_receive(connection, 2), "big")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    return _receive(connection, length)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(len(data).to_bytes(2, "big") + data)  # one write, or Nagle waits again


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
