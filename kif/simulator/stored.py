"""What a card's EMV application was personalised with: its groupings, and what has to be there."""

from __future__ import annotations

from collections.abc import Collection

from kif.formats.afl import located
from kif.formats.dgi import Dgi
from kif.formats.elements import Aip
from kif.formats.error import BadInput
from kif.formats.tlv import find, read_dol
from kif.simulator.pin import COUNTERS

KEYS, CHECK_VALUES = 0x8000, 0x9000
_MANDATORY = frozenset({CHECK_VALUES, 0x9104, 0x9200})
_AIR = frozenset({0x9103, 0x9105})
"""What a card has to have of both, to answer over the air."""
_KNOWN = _MANDATORY | _AIR | {0x9102, COUNTERS, 0x3000, 0x3001}
_RECORDS = 0x1F00
"""Below it a grouping is a record."""
_NEEDED_INSIDE: dict[int, dict[int, Collection[int]]] = {
    0x9104: {0x82: (2,), 0x94: range(4, 253, 4)},
    0x9105: {0x82: (2,), 0x94: range(4, 253, 4)},
    0x9200: {0x9F10: range(1, 33)},
}
"""What a grouping has to have inside, and of how many bytes."""


class Stored:
    """The groupings, but for keys and PIN; ``contactless`` says over which interface it is read."""

    def __init__(self) -> None:
        self.groups: dict[int, bytes] = {}
        self.contactless = False

    @property
    def selection(self) -> bytes:
        """The content of the FCI's template A5 over this interface; empty where there is none."""
        return self.groups.get(0x9103 if self.contactless else 0x9102, b"")

    @property
    def options(self) -> bytes:
        """AIP and AFL of this interface; empty where there are none."""
        return self.groups.get(0x9105 if self.contactless else 0x9104, b"")

    def object_of(self, tag: int) -> bytes | None:
        """Return a data object of a record that is located over this interface, or None."""
        try:
            places = located(find(self.options, 0x94) or b"")
        except BadInput:
            return None
        records = (self.groups.get(sfi << 8 | number, b"") for sfi, number in places)
        return next((value for each in records if (value := find(each, tag)) is not None), None)

    def take(self, dgi: Dgi) -> int:
        """Take a grouping; return the status word."""
        record = 1 <= dgi.identifier >> 8 <= 0x1E and dgi.identifier & 0xFF
        if not record and dgi.identifier not in _KNOWN:
            return 0x6A88
        if (record and dgi.data[:1] != b"\x70") or not _whole(dgi):
            return 0x6A80
        self.groups[dgi.identifier] = dgi.data
        return 0x9000

    def complete(self, *, signs: bool) -> bool:
        """Whether a card that ``signs`` has what it needs, over each interface that it has."""
        air = self.groups.keys() & _AIR
        records = any(each < _RECORDS for each in self.groups)
        if not self.groups.keys() >= _MANDATORY or not records or air not in (_AIR, set()):
            return False
        if not self._agrees(signs=signs):
            return False
        if not air:
            return True
        self.contactless = True
        try:
            return self._agrees(signs=signs)
        finally:
            self.contactless = False

    def _agrees(self, *, signs: bool) -> bool:
        """Whether the interface has its lists, and what its AIP says of data authentication."""
        lists = (0x8C,) if self.contactless else (0x8C, 0x8D)
        if not all(_is_list(self.object_of(tag)) for tag in lists):
            return False
        aip = (find(self.options, 0x82) or b"\x00")[0]
        dynamic = bool(aip & (Aip.DYNAMIC | Aip.COMBINED))
        certified = signs and self.object_of(0x9F46) is not None
        return dynamic == certified and bool(aip & Aip.STATIC) == bool(self.object_of(0x93))


def _whole(dgi: Dgi) -> bool:
    """Whether a grouping that commands read from later has the data objects they need."""
    needed = _NEEDED_INSIDE.get(dgi.identifier, {})
    try:
        if dgi.identifier < _RECORDS:
            find(dgi.data, 0)  # so that all of it is read
        found = {tag: len(find(dgi.data, tag) or b"") for tag in needed}
    except BadInput:
        return False
    return all(found[tag] in sizes for tag, sizes in needed.items())


def _is_list(raw: bytes | None) -> bool:
    """Whether there is a data object list, and it can be read."""
    try:
        return raw is not None and read_dol(raw) is not None
    except BadInput:
        return False
