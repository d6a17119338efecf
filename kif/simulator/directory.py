"""The card's directories: which applications it has, over its contacts and over the air.

EMV Book 1, 12.2 (PSE: a file of records); EMV Contactless Book B, 3.3.2 (PPSE: in its FCI).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kif.formats.apdu import Command, Response
from kif.formats.dgi import Dgi
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT
from kif.formats.error import BadInput
from kif.formats.tlv import find, tlv

_FCI, _RECORDS = 0x9102, 0x1F00
_READ_RECORD = 0xB2
_SFI, _DISCRETIONARY = 0x88, 0xBF0C


class Directory:
    """A directory, personalised by data groupings: its FCI, and of a PSE a record at least."""

    def __init__(self, name: bytes = PAYMENT_SYSTEM_ENVIRONMENT) -> None:
        self._name = name
        self._groups: dict[int, bytes] = {}
        self.personalised = False

    @classmethod
    def of(cls, name: bytes, memory: Mapping[str, Any]) -> Directory:
        """Return the directory with this memory. Raises ``ValueError`` or ``KeyError``."""
        made = cls(name)
        made._groups = {int(name, 16): bytes.fromhex(data) for name, data in memory["dgi"].items()}
        made.personalised = bool(memory["personalised"])
        return made

    def memory(self) -> dict[str, Any]:
        """Return what stays in the card without power, as JSON values."""
        groups = {f"{name:04X}": data.hex() for name, data in self._groups.items()}
        return {"dgi": groups, "personalised": self.personalised}

    def select(self) -> Response:
        """Return the FCI, which names no file before it is personalised."""
        name, proprietary = tlv(0x84, self._name), self._groups.get(_FCI, b"")
        return Response(tlv(0x6F, name + tlv(0xA5, proprietary)), 0x9000)

    def store(self, dgi: Dgi) -> Response:
        """Take a data grouping."""
        return Response(b"", self._stored(dgi))

    def _stored(self, dgi: Dgi) -> int:
        if self.personalised:
            return 0x6985
        record = self._has_file and 1 <= dgi.identifier >> 8 <= 10 and dgi.identifier & 0xFF
        if not record and dgi.identifier != _FCI:
            return 0x6A88
        inside = 0x61 if record else _SFI if self._has_file else _DISCRETIONARY
        try:
            needed = find(dgi.data, inside)
        except BadInput:
            needed = None
        if not needed or (record and dgi.data[:1] != b"\x70"):
            return 0x6A80
        self._groups[dgi.identifier] = dgi.data
        return 0x9000

    @property
    def _has_file(self) -> bool:
        return self._name == PAYMENT_SYSTEM_ENVIRONMENT

    def complete(self) -> int:
        """End personalisation; return the status word."""
        if _FCI not in self._groups or len(self._groups) < 1 + self._has_file:
            return 0x6A80
        self.personalised = True
        return 0x9000

    def process(self, command: Command) -> Response:
        """Answer a terminal's command."""
        if command.ins != _READ_RECORD:
            return Response(b"", 0x6D00)
        if command.cla:
            return Response(b"", 0x6E00)
        place = (command.p2 >> 3) << 8 | command.p1
        record = self._groups.get(place) if place < _RECORDS else None
        if command.p2 & 0x07 != 0x04 or record is None or not self.personalised:
            return Response(b"", 0x6A83)
        return Response(record, 0x9000)
