"""What the HSM remembers of the log: the size and root that were last signed in it.

Two data objects take turns, so that a process that is killed while it writes one leaves the other.
The head stands in CKA_LABEL, the one attribute of a data object that a token lets its user change
(PKCS#11 v2.40, 4.4; SoftHSM refuses CKA_VALUE). Whoever puts the database back in time does not put
the HSM back (but SoftHSM is a folder: docs/threat-model.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pkcs11 import Attribute, ObjectClass

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.library import calling
from kif.hsm.native import NativeObject
from kif.hsm.token import Token

_APPLICATION = "kif log-head"
_OBJECTS = 2
_HEAD = re.compile(r"([0-9]{1,18}) ([0-9a-f]{64})")


@dataclass(frozen=True)
class Head:
    """A log's end: its size, and its root (32 bytes)."""

    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.size} {self.root.hex()}"

    @classmethod
    def parse(cls, label: str) -> Head | None:
        """Read what ``str`` gave; None for anything else."""
        found = _HEAD.fullmatch(label)
        return None if found is None else cls(int(found[1]), bytes.fromhex(found[2]))


EMPTY = Head(0, bytes(32))
"""The head of a log that has no entry yet."""


class LogMemory:
    """The objects of an open token, which this process alone writes."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._turns: list[NativeObject] = []
        """The objects, the one that is written next first."""

    @classmethod
    def create(cls, token: Token) -> LogMemory:
        """Make the objects, which remember an empty log."""
        memory = cls(token)
        memory._turns = [memory._make() for _ in range(_OBJECTS)]
        return memory

    @classmethod
    def forget(cls, token: Token) -> None:
        """Destroy the objects, for a log that was never finished."""
        with calling("destroying what the HSM remembers of the log"):
            for native in token.data_objects({Attribute.APPLICATION: _APPLICATION}):
                native.destroy()

    def recall(self) -> Head:
        """Return what is remembered. Raises ``DeviceFailed`` (LEDGER_ROLLBACK) when nothing is.

        An object that is gone or damaged is made anew, as long as the other one is there.
        """
        with calling("reading what the HSM remembers of the log"):
            found = self._token.data_objects({Attribute.APPLICATION: _APPLICATION})
            heads = [(Head.parse(native[Attribute.LABEL]), native) for native in found]
        known = sorted(
            ((head, native) for head, native in heads if head is not None),
            key=lambda each: each[0].size,
        )
        if not known:
            raise DeviceFailed(
                Control.LEDGER_ROLLBACK,
                "The HSM remembers no log: its objects of the log's head are gone or damaged. "
                "Nothing was done. With the custodians, restore a backup of the token that fits "
                "the database.",
            )
        spare = [native for head, native in heads if head is None]
        self._turns = [*spare, *(native for _, native in known)]
        while len(self._turns) < _OBJECTS:
            self._turns.insert(0, self._make())
        return known[-1][0]

    def remember(self, head: Head) -> None:
        """Keep a head, in the object whose turn it is."""
        native = self._turns.pop(0)
        self._turns.append(native)
        with calling("writing what the HSM remembers of the log"):
            native[Attribute.LABEL] = str(head)

    def _make(self) -> NativeObject:
        with calling("making an object that remembers the log"):
            return self._token.session.create_object(
                {
                    Attribute.CLASS: ObjectClass.DATA,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: True,
                    Attribute.MODIFIABLE: True,
                    Attribute.APPLICATION: _APPLICATION,
                    Attribute.LABEL: str(EMPTY),
                    Attribute.VALUE: b"",
                }
            )
