"""A security domain's keys in the card: sets of three, each with a version and a counter.

PUT KEY adds a set or replaces one as a whole (GPC 2.3.1, 11.8); DELETE takes one away (11.2.2.3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kif.formats.apdu import Command, Response
from kif.formats.error import BadInput
from kif.formats.putkey import AES, TDEA, KeyField, key_information, put_key_answer, read_put_key
from kif.formats.tlv import Tlv, read_all
from kif.simulator.securechannel import CardKeys
from kif.simulator.vendor import check_value, des_check_value

_AES_SIZES, _TDEA_SIZES = {(16, 16), (24, 32), (32, 32)}, {(16, 16)}
"""What a key may be: its size, and that of its cryptogram."""
_VERSION = 0xD2


@dataclass
class KeySet:
    """Static keys, their key version number, and how many sessions they had (6.2.2.1)."""

    keys: CardKeys
    version: int
    sequence: int = 0

    def memory(self) -> dict[str, Any]:
        """Return what stays in the card without power, as JSON values."""
        keys = {name: key.hex() for name, key in vars(self.keys).items()}
        return {"keys": keys, "version": self.version, "sequence": self.sequence}

    @classmethod
    def of(cls, memory: dict[str, Any]) -> KeySet:
        """Return the keys with this memory. Raises ``ValueError``, ``KeyError``, ``TypeError``."""
        keys = {name: bytes.fromhex(key) for name, key in memory["keys"].items()}
        return cls(CardKeys(**keys), int(memory["version"]), int(memory["sequence"]))


@dataclass
class KeySets:
    """The key sets of a domain, which has sessions by any; of a new one there are none."""

    sets: list[KeySet] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.sets)

    def find(self, version: int) -> KeySet | None:
        """Return the set with a version, or the first one where none is asked for (0)."""
        return next((each for each in self.sets if version in (0, each.version)), None)

    def information(self, *, old: bool) -> bytes:
        """Return the key information (tag E0); ``old`` keys are 2TDEA."""
        told = ((each.version, len(each.keys.dek)) for each in self.sets)
        return key_information(told, TDEA if old else AES)

    def put(self, made: KeySet, replaced: int) -> int:
        """Take a set of PUT KEY, in place of the one with a version, or besides (0): the status."""
        there = next((each for each in self.sets if each.version == replaced), None)
        if replaced and there is None:
            return 0x6A88
        if any(each.version == made.version for each in self.sets if each is not there):
            return 0x6A80
        at = len(self.sets) if there is None else self.sets.index(there)
        self.sets[at : at + 1] = [made]
        return 0x9000

    def delete(self, command: Command, used: KeySet | None) -> Response:
        """DELETE of a whole set by its version (tag D2), but not of one that is in use."""
        version = _deleted(command.data)
        if (command.p1, command.p2) != (0x00, 0x00):
            return Response(b"", 0x6A86)
        if not version:
            return Response(b"", 0x6A80)
        found = self.find(version)
        if found is None:
            return Response(b"", 0x6A88)
        if found is used:
            return Response(b"", 0x6985)
        self.sets.remove(found)
        return Response(b"\x00", 0x9000)

    def memory(self) -> list[dict[str, Any]]:
        """Return what stays in the card without power, as JSON values."""
        return [each.memory() for each in self.sets]

    @classmethod
    def of(cls, memory: list[dict[str, Any]]) -> KeySets:
        """Return the sets with this memory. Raises ``ValueError``, ``KeyError``, ``TypeError``."""
        return cls([KeySet.of(each) for each in memory])


def new_keys(
    command: Command, opens: Callable[[bytes], bytes], *, old: bool
) -> tuple[KeySet | None, Response]:
    """Return what PUT KEY brings (Amendment D, 7.2), and its answer: three keys at once, or none.

    ``opens`` decrypts them; ``old`` ones are 2TDEA.
    """
    try:
        version, fields = read_put_key(command, TDEA if old else AES)
    except BadInput:
        return None, Response(b"", 0x6A80)
    sizes = {(field.size, len(field.cryptogram)) for field in fields}
    if len(sizes) != 1 or not sizes <= (_TDEA_SIZES if old else _AES_SIZES):
        return None, Response(b"", 0x6A80)
    values = [opens(field.cryptogram)[: field.size] for field in fields]
    if not all(_fits(value, field, old=old) for value, field in zip(values, fields, strict=True)):
        return None, Response(b"", 0x6982)
    return KeySet(CardKeys(*values), version), Response(put_key_answer(version, fields), 0x9000)


def _deleted(data: bytes) -> int:
    """Return the version that DELETE names by itself, or 0."""
    try:
        named = list(read_all(data))
    except BadInput:
        return 0
    alone = len(named) == 1 and named == [Tlv(_VERSION, named[0].value[:1])]
    return int.from_bytes(named[0].value, "big") if alone else 0


def _fits(value: bytes, field: KeyField, *, old: bool) -> bool:
    return (des_check_value if old else check_value)(value) == field.check_value
