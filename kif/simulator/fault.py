"""Cards that fail on purpose: ``vanish@3:5`` is card 3 of the hopper, at its 5th command."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kif.formats.apdu import Response
from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import BadInput

_AT_COMMAND = ("vanish", "refuse", "mute")
_WHOLE = (
    *("wrong-cryptogram", "bad-rmac", "wrong-arqc", "foreign", "t0"),
    *("keeps-keys", "stays-open", "wrong-signature"),
)
_KINDS = (*_AT_COMMAND, *_WHOLE)
_FORM = re.compile(r"([a-z0-9-]+)@([1-9][0-9]*)(?::([1-9][0-9]*))?")


class CardGone(Exception):
    """The card has left the reader."""


class CardMute(Exception):
    """The card does not answer any more, and stays in the reader."""


@dataclass(frozen=True)
class Fault:
    """One fault: what, which card of the hopper (from 1), at which of its commands (from 1)."""

    kind: str
    card: int
    command: int | None

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read ``kind@card`` or ``kind@card:command``. Raises ``BadInput`` (USAGE)."""
        form = _FORM.fullmatch(text)
        if form is None or form[1] not in _KINDS or (form[1] in _AT_COMMAND) != bool(form[3]):
            raise BadInput(
                Control.USAGE,
                f"'{text}' is no fault. Use "
                + ", ".join(f"{kind}@CARD" for kind in _WHOLE)
                + " or "
                + ", ".join(f"{kind}@CARD:COMMAND" for kind in _AT_COMMAND)
                + ".",
            )
        return cls(form[1], int(form[2]), int(form[3]) if form[3] else None)


@dataclass
class Faults:
    """The faults of one card, and how many commands it has had."""

    faults: tuple[Fault, ...] = field(default=())
    commands: int = 0

    @classmethod
    def of_card(cls, faults: Iterable[Fault], number: int) -> Faults:
        """Return those of the n-th card of the hopper, from 1."""
        return cls(tuple(fault for fault in faults if fault.card == number))

    @property
    def wrong_arqc(self) -> bool:
        """Whether the card gives wrong application cryptograms."""
        return self._has("wrong-arqc")

    @property
    def wrong_signature(self) -> bool:
        """Whether the card signs wrongly."""
        return self._has("wrong-signature")

    @property
    def foreign(self) -> bool:
        """Whether the card has another security domain than ours have."""
        return self._has("foreign")

    @property
    def t0(self) -> bool:
        """Whether the card speaks T=0; no fault, but not what most do."""
        return self._has("t0")

    @property
    def keeps_keys(self) -> bool:
        """Whether the card says that it took other keys, and keeps its vendor's."""
        return self._has("keeps-keys")

    @property
    def stays_open(self) -> bool:
        """Whether the card says that its life cycle went on, and stays as it was."""
        return self._has("stays-open")

    def strike(self) -> int | None:
        """Count a command; return a forced status word. Raises ``CardGone`` or ``CardMute``."""
        self.commands += 1
        now = {fault.kind for fault in self.faults if fault.command == self.commands}
        if "vanish" in now:
            raise CardGone
        if "mute" in now:
            raise CardMute
        return 0x6A80 if "refuse" in now else None

    def spoil_cryptogram(self, cryptogram: bytes) -> bytes:
        """Return a wrong card cryptogram where the card is to give one."""
        return xor(cryptogram, b"\x01" + bytes(7)) if self._has("wrong-cryptogram") else cryptogram

    def spoil_mac(self, response: Response) -> Response:
        """Return a wrong R-MAC where the card is to give one."""
        if not self._has("bad-rmac") or len(response.data) < 8:
            return response
        return Response(response.data[:-1] + xor(response.data[-1:], b"\x01"), response.sw)

    def _has(self, kind: str) -> bool:
        return any(fault.kind == kind for fault in self.faults)
