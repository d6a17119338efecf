"""What the HSM remembers of the log: the size and root that were last signed in it.

A data object can't be changed on every token, so a new one is made before the old one goes: a
process that is killed between the two leaves both, and the later one counts. Whoever puts the
database back in time does not put the HSM back (but SoftHSM is a folder: docs/threat-model.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pkcs11 import Attribute, ObjectClass

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.library import calling
from kif.hsm.token import Token

_LABEL = "log-head"
_SIZE, _ROOT = 8, 32


@dataclass(frozen=True)
class Head:
    """A log's end: its size, and its root (32 bytes)."""

    size: int
    root: bytes

    def encode(self) -> bytes:
        """Return size (8 bytes, big-endian) and root."""
        return self.size.to_bytes(_SIZE, "big") + self.root


class LogMemory:
    """The object of an open token, which this process alone writes."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._kept: list[Any] = []
        """The objects that a new one takes the place of."""

    def recall(self) -> Head:
        """Return what is remembered. Raises ``DeviceFailed`` (LEDGER_ROLLBACK) when nothing is."""
        with calling("reading what the HSM remembers of the log"):
            self._kept = self._token.data_objects(_LABEL)
            values = [bytes(native[Attribute.VALUE]) for native in self._kept]
        heads = [
            Head(int.from_bytes(value[:_SIZE], "big"), value[_SIZE:])
            for value in values
            if len(value) == _SIZE + _ROOT
        ]
        if not heads:
            raise DeviceFailed(
                Control.LEDGER_ROLLBACK,
                f"The HSM remembers no log: its object '{_LABEL}' is gone or damaged. Nothing was "
                "done. With the custodians, restore a backup of the token that fits the database.",
            )
        return max(heads, key=lambda head: head.size)

    def remember(self, head: Head) -> None:
        """Keep a head in place of the one before."""
        with calling("writing what the HSM remembers of the log"):
            made = self._token.session.create_object(
                {
                    Attribute.CLASS: ObjectClass.DATA,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: True,
                    Attribute.MODIFIABLE: False,
                    Attribute.APPLICATION: "kif",
                    Attribute.LABEL: _LABEL,
                    Attribute.VALUE: head.encode(),
                }
            )
            for native in self._kept:
                native.destroy()
        self._kept = [made]
