"""A slot of a virtual reader: the vpcd protocol over TCP, with a card that can be exchanged.

vpcd sends a message's length and body in two writes; Nagle holds the second until the first is
acknowledged, and the kernel delays that by 40 ms. So it is acknowledged at once.
"""

from __future__ import annotations

import socket
import threading
import time

from kif.simulator.card import Card
from kif.simulator.fault import CardGone

_EMPTY = 1.0
"""Seconds for which a slot stays empty after a card left by itself: pcscd looks every 0.4 s, and
takes a card that comes back between two looks for one that never left."""
_POWER_OFF, _POWER_ON, _RESET, _ATR = 0, 1, 2, 4


class Slot:
    """One slot. ``card`` is what is in it; None is an empty slot, and no connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._card: Card | None = None
        self._connection: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._emptied = -_EMPTY

    def put(self, card: Card) -> None:
        """Put a card in; behind a connection that still stands, no reader notices the exchange."""
        with self._lock:
            card.reset()
            self._card = card
            if self._connection is None:
                time.sleep(max(0.0, self._emptied + _EMPTY - time.monotonic()))
                self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=5)
                self._connection.settimeout(None)
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._thread = threading.Thread(
                    target=self._serve, args=(self._connection,), daemon=True
                )
                self._thread.start()

    def take(self) -> None:
        """Take the card out and leave the slot empty."""
        with self._lock:
            connection, thread = self._connection, self._thread
        if connection is not None:
            _shut(connection)
        if thread is not None:
            thread.join(5)

    def _serve(self, connection: socket.socket) -> None:
        try:
            while True:
                self._handle(connection, _message(connection))
        except (EOFError, OSError, CardGone):
            pass
        finally:
            with self._lock:
                self._connection = None
                self._emptied = time.monotonic()
            connection.close()  # or pcscd waits for an answer for ever

    def _handle(self, connection: socket.socket, message: bytes) -> None:
        card = self._card
        if card is None:
            raise CardGone
        if len(message) != 1:
            _send(connection, card.apdu(message))
        elif message[0] == _ATR:
            _send(connection, card.atr)
        elif message[0] in (_POWER_OFF, _POWER_ON, _RESET):
            card.reset()


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
