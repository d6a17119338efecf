"""A PC/SC reader, by name (PC/SC Workgroup Specification 2, part 5). The only pyscard in kif.

pyscard is imported when the first reader is opened: libpcsclite reads ``PCSCLITE_CSOCK_NAME`` once
for the process, at the first call.
"""

from __future__ import annotations

import time
from typing import Any

from kif.formats.control import Control
from kif.formats.error import DeviceFailed

_PATIENCE = 5.0
"""Seconds in which a card that was fed must show."""


class Reader:
    """A reader. ``connect`` powers the card in it up, ``disconnect`` powers it down."""

    def __init__(self, name: str, context: Any) -> None:
        self.name = name
        self._context = context
        self._card: Any = None
        self._protocol = 0

    def connect(self) -> None:
        """Wait for the card, power it up. Raises ``DeviceFailed`` (CARD_PRESENT) if none comes."""
        from smartcard import scard

        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        end = time.monotonic() + _PATIENCE
        while True:
            result, self._card, self._protocol = scard.SCardConnect(
                self._context, self.name, scard.SCARD_SHARE_EXCLUSIVE, protocols
            )
            if result == scard.SCARD_S_SUCCESS:
                return
            if time.monotonic() > end:
                break
            time.sleep(0.02)  # pcscd looks for a new card every 0.4 s
        self._card = None
        raise DeviceFailed(
            Control.CARD_PRESENT,
            f"No card showed in '{self.name}' within {_PATIENCE:.0f} seconds "
            f"({scard.SCardGetErrorMessage(result)}).",
        )

    def transmit(self, command: bytes) -> bytes:
        """Send a command; return data and status word. Raises ``DeviceFailed`` (CARD_PRESENT)."""
        from smartcard import scard

        header = scard.SCARD_PCI_T0 if self._protocol == 1 else scard.SCARD_PCI_T1
        result, response = scard.SCardTransmit(self._card, header, list(command))
        if result != scard.SCARD_S_SUCCESS or not response:
            raise DeviceFailed(
                Control.CARD_PRESENT,
                "The card stopped answering: it is gone from the reader, or broken.",
            )
        return bytes(byte & 0xFF for byte in response)

    def disconnect(self) -> None:
        """Power down; a card that is gone already is no error."""
        from smartcard import scard

        if self._card is not None:
            scard.SCardDisconnect(self._card, scard.SCARD_UNPOWER_CARD)
            self._card = None


def open_reader(name: str) -> Reader:
    """Open a reader by its PC/SC name. Raises ``DeviceFailed`` (READER) naming what is there."""
    from smartcard import scard

    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if result != scard.SCARD_S_SUCCESS:
        raise DeviceFailed(
            Control.READER,
            f"The PC/SC service does not answer: {scard.SCardGetErrorMessage(result)} Start pcscd, "
            "or 'kif simulate' for a simulated machine.",
        )
    result, names = scard.SCardListReaders(context, [])
    if result != scard.SCARD_S_SUCCESS or name not in names:
        found = ", ".join(f"'{each}'" for each in names) if names else "none"
        raise DeviceFailed(
            Control.READER,
            f"There is no reader '{name}'; found: {found}. Connect it, or name one of those.",
        )
    return Reader(name, context)
