"""A personalisation machine as the line sees it: a reader, what moves the cards, a laser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kif.chip.reader import Reader
from kif.graphics.print import Printer


class CardTransport(Protocol):
    """Whatever moves the cards: a machine, or the operator."""

    def feed(self) -> bool:
        """Put the next blank into the reader; False when there is none left."""

    def stack(self, good: bool) -> None:
        """Move the card to the good stack or to the reject box."""

    def close(self) -> None:
        """End the connection."""


@dataclass(frozen=True)
class Machine:
    """A personalisation machine: its name as a station, reader, transport and laser."""

    name: str
    reader: Reader
    transport: CardTransport
    printer: Printer
