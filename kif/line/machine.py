"""A personalisation machine as the line sees it: a reader, what moves the cards, a laser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from kif.chip.reader import Reader
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.graphics.print import Printer
from kif.graphics.stripe import Encoder


class CardTransport(Protocol):
    """Whatever moves the cards: a machine, or the operator."""

    def feed(self) -> bool:
        """Put the next blank into the reader; False when there is none left."""

    def place(self, *, antenna: bool) -> None:
        """Move the card to the contactless reader, or back to the contacts; neither is powered."""

    def stack(self, good: bool) -> None:
        """Move the card to the good stack or to the reject box."""

    def clear(self) -> bool:
        """Move a card that was left in the reader to the reject box; False when there is none."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True)
class Machine:
    """A personalisation machine: its name as a station, and what it has."""

    name: str
    reader: Reader
    antenna: Reader
    """Its contactless reader, which may be the same one by name."""
    transport: CardTransport
    printer: Printer
    encoder: Encoder


class WatchedReader:
    """A reader that remembers its own fault, which is no card's: the line stops for it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.fault: DeviceFailed | None = None

    def connect(self) -> None:
        """Power the card up."""
        with self._watching():
            self._reader.connect()

    def transmit(self, command: bytes) -> bytes:
        """Send a command; return data and status word."""
        with self._watching():
            return self._reader.transmit(command)

    def relay(self, commands: Sequence[bytes], *, whole: bool = False) -> list[bytes]:
        """Send commands in turn until one fails, or the whole of them; return every answer."""
        with self._watching():
            return self._reader.relay(commands, whole=whole)

    def disconnect(self) -> None:
        """Power the card down."""
        self._reader.disconnect()

    @contextmanager
    def other(self, reader: Reader) -> Iterator[WatchedReader]:
        """Power the card up in another reader for a block; that one's fault counts as well."""
        watched = WatchedReader(reader)
        try:
            watched.connect()
            yield watched
        finally:
            watched.disconnect()
            self.fault = self.fault or watched.fault

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except DeviceFailed as fault:
            if fault.control is Control.READER:
                self.fault = fault
            raise
