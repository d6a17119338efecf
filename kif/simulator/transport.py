"""The machine's card transport: hopper, reader, good stack and reject box, behind a Unix socket."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from kif.simulator.card import Card
from kif.simulator.fault import Fault, Faults
from kif.simulator.kept import keep
from kif.simulator.slot import Aerial, Chip, Slot
from kif.simulator.t0 import ByteCard
from kif.simulator.vendor import Vendor


class CardTransport:
    """Serves docs/formats/transport.md for one slot, on a Unix socket at ``path``.

    The blanks in its hopper are of a ``vendor``.

    ``record`` is a file that says of each stacked card where it went, ``folder`` keeps the cards
    themselves, each by its serial in ``good`` or ``reject``; either may be None.
    """

    def __init__(
        self, slot: Slot, path: Path, vendor: Vendor, record: Path | None, folder: Path | None
    ) -> None:
        self._slot, self._vendor = slot, vendor
        self._record, self._folder = record, folder
        self._lock = threading.Lock()
        self._card: Card | None = None
        self._at_contacts: Chip
        """How that card answers at its contacts, while there is one."""
        self.load((), None)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(4)
        threading.Thread(target=self._listen, daemon=True).start()

    def load(self, faults: Sequence[Fault], cards: int | None) -> None:
        """Fill the hopper: cards count from 1 again; None is a hopper that never ends."""
        self._faults, self._left, self._number = tuple(faults), cards, 0

    def insert(self, card: Card, *, contactless: bool = False) -> None:
        """Put a card into the empty reader, or onto its antenna."""
        with self._lock:
            self._card = self._at_contacts = card
            self._slot.put(Aerial(card) if contactless else card)

    def close(self) -> None:
        """Stop serving, and leave the slot empty."""
        self._listener.shutdown(socket.SHUT_RDWR)  # or the thread stays in its accept
        self._listener.close()
        self._slot.empty()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw", encoding="ascii", errors="replace") as line:
            try:
                for request in line:
                    with self._lock:
                        answer = self._answer(request.strip())
                    line.write(answer + "\n")
                    line.flush()
            except OSError:
                return

    def _answer(self, request: str) -> str:
        if request == "FEED":
            return self._feed()
        if request in ("ANTENNA", "CONTACTS"):
            return self._place(antenna=request == "ANTENNA")
        if request in ("STACK GOOD", "STACK REJECT"):
            return self._stack(good=request == "STACK GOOD")
        if request == "CLEAR":
            return "EMPTY" if self._card is None else self._stack(good=False)
        return f"ERROR there is no request '{request[:40]}'"

    def _feed(self) -> str:
        if self._card is not None:
            return "ERROR a card is still in the reader; stack it first"
        if self._left == 0:
            return "EMPTY"
        self._number += 1
        if self._left is not None:
            self._left -= 1
        faults = Faults.of_card(self._faults, self._number)
        self._card = Card(faults, self._vendor)
        self._at_contacts = ByteCard(self._card) if faults.t0 else self._card
        self._slot.put(self._at_contacts)
        return "OK"

    def _place(self, *, antenna: bool) -> str:
        if self._card is None or not self._slot.occupied:
            return "ERROR there is no card in the reader"
        self._slot.lift()
        self._slot.put(Aerial(self._card) if antenna else self._at_contacts)
        return "OK"

    def _stack(self, good: bool) -> str:
        if self._card is None:
            return "ERROR there is no card in the reader"
        if good and not self._slot.occupied:
            return "ERROR the card left the reader by itself; stack it as a reject"
        card, self._card = self._card, None
        self._slot.lift()
        stack = "good" if good else "reject"
        if self._record is not None:
            _note(self._record, card, stack)
        if self._folder is not None:
            keep(card, self._folder / stack / f"{card.serial.hex().upper()}.json")
        return "OK"


def _note(path: Path, card: Card, stack: str) -> None:
    """Write down where a card went: a witness that does not depend on the host."""
    noted = {
        "serial": card.serial.hex().upper(),
        "stack": stack,
        "personalised": card.application.personalised,
    }
    with path.open("a") as file:
        file.write(json.dumps(noted) + "\n")
        file.flush()
        os.fsync(file.fileno())
