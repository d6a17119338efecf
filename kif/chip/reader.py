"""A PC/SC reader, by name (PC/SC Workgroup Specification 2, part 5). The only pyscard in kif.

pyscard is imported when the first reader is opened: libpcsclite reads ``PCSCLITE_CSOCK_NAME`` once
for the process, at the first call.

What is wrong with a card is told from what is wrong with the reader: CARD_PRESENT is one card's
fault, READER stops the line.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from kif.chip.exchange import Patient, Silence
from kif.chip.t0 import get_response, tpdu, with_le
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.link import relayed

_SHOWING = 5.0
"""Seconds in which a card that was fed must show."""
_ANSWERING = 30.0
"""Seconds in which a card must answer a command."""
_T0 = 1
_MORE, _WRONG_LE = 0x61, 0x6C


class Reader:
    """A reader. ``connect`` powers the card in it up, ``disconnect`` powers it down.

    Each raises ``DeviceFailed``: READER when no card could do better (the service, the reader, or
    another program that holds it), CARD_PRESENT when it is the card.
    """

    def __init__(self, name: str, context: Any) -> None:
        self.name = name
        self._context = context
        self._card: Any = None
        self._protocol = 0
        self._calls = Patient()

    def connect(self) -> None:
        """Wait for the card, power it up."""
        from smartcard import scard

        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        end = time.monotonic() + _SHOWING
        while True:
            result, card, protocol = self._call(
                scard.SCardConnect, self._context, self.name, scard.SCARD_SHARE_EXCLUSIVE, protocols
            )
            if result == scard.SCARD_S_SUCCESS:
                self._card, self._protocol = card, protocol
                return
            waits = _of_the_card(result) or result == scard.SCARD_E_SHARING_VIOLATION
            if not waits or time.monotonic() > end:
                break
            time.sleep(0.02)  # pcscd looks for a new card every 0.4 s
        raise self._not_connected(result)

    def transmit(self, command: bytes) -> bytes:
        """Send a command; return data and status word, put together as T=0 needs it."""
        return self._call(self._transmit, command)  # type: ignore[no-any-return]

    def relay(self, commands: Sequence[bytes], *, whole: bool = False) -> list[bytes]:
        """Do so with commands in turn until one fails, or the whole of them."""
        relaying = partial(relayed, self._transmit, commands, whole=whole)
        return self._call(relaying)  # type: ignore[no-any-return]

    def _transmit(self, command: bytes) -> bytes:
        """Send a command, in the calls' own thread.

        61xx is followed by GET RESPONSE, 6Cxx by the command with the right Le (ISO/IEC 7816-4,
        5.3.4; 7816-3, 12.2).
        """
        response = self._exchange(tpdu(command) if self._protocol == _T0 else command)
        if response[-2] == _WRONG_LE:
            response = self._exchange(with_le(command, response[-1]))
        data = response[:-2]
        while response[-2] == _MORE:
            response = self._exchange(get_response(response[-1]))
            data += response[:-2]
        return data + response[-2:]

    def disconnect(self) -> None:
        """Power down; a card that is gone already is no error."""
        from smartcard import scard

        card, self._card = self._card, None
        if card is not None:
            self._calls.finally_call(scard.SCardDisconnect, card, scard.SCARD_UNPOWER_CARD)

    def _exchange(self, command: bytes) -> bytes:
        from smartcard import scard

        header = scard.SCARD_PCI_T0 if self._protocol == _T0 else scard.SCARD_PCI_T1
        self._calls.go_on()
        result, response = scard.SCardTransmit(self._card, header, list(command))
        if result == scard.SCARD_S_SUCCESS and len(response) > 1:
            return bytes(response)
        if result == scard.SCARD_S_SUCCESS or _of_the_card(result):
            raise DeviceFailed(
                Control.CARD_PRESENT,
                "The card stopped answering: it is gone from the reader, or broken.",
            )
        raise self._failed(result)

    def _call(self, function: Any, *arguments: Any) -> Any:
        try:
            return self._calls.call(_ANSWERING, function, *arguments)
        except Silence:
            raise DeviceFailed(
                Control.READER,
                f"The card in '{self.name}' did not answer within {_ANSWERING:.0f} seconds, and "
                "the reader waits for it. Take the card out, plug the reader in again, then start "
                "the station again.",
            ) from None

    def _not_connected(self, result: int) -> DeviceFailed:
        from smartcard import scard

        said = scard.SCardGetErrorMessage(result).rstrip(".")
        if result == scard.SCARD_E_SHARING_VIOLATION:
            return DeviceFailed(
                Control.READER,
                f"Another program holds the reader '{self.name}' ({said}). End it (GnuPG's "
                "scdaemon and browsers do that), then start the station again.",
            )
        if _of_the_card(result):
            return DeviceFailed(
                Control.CARD_PRESENT,
                f"No card showed in '{self.name}' within {_SHOWING:.0f} seconds ({said}).",
            )
        return self._failed(result)

    def _failed(self, result: int) -> DeviceFailed:
        from smartcard import scard

        said = scard.SCardGetErrorMessage(result).rstrip(".")
        return DeviceFailed(
            Control.READER,
            f"The reader '{self.name}' can't be used: {said}. Check its cable and that pcscd runs, "
            "then start the station again.",
        )


def _of_the_card(result: int) -> bool:
    """Whether a PC/SC result is about the card, and another one could do better."""
    from smartcard import scard

    return result in (
        scard.SCARD_E_NO_SMARTCARD,
        scard.SCARD_E_NOT_TRANSACTED,
        scard.SCARD_E_PROTO_MISMATCH,
        scard.SCARD_W_REMOVED_CARD,
        scard.SCARD_W_RESET_CARD,
        scard.SCARD_W_UNPOWERED_CARD,
        scard.SCARD_W_UNRESPONSIVE_CARD,
        scard.SCARD_W_UNSUPPORTED_CARD,
    )


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
