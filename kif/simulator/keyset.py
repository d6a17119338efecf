"""A security domain's keys in the card: replaced as a whole, with a counter of sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kif.formats.apdu import Command, Response
from kif.formats.error import BadInput
from kif.formats.putkey import AES, TDEA, KeyField, key_information, put_key_answer, read_put_key
from kif.simulator.securechannel import CardKeys
from kif.simulator.vendor import check_value, des_check_value

_AES_SIZES, _TDEA_SIZES = {(16, 16), (24, 32), (32, 32)}, {(16, 16)}
"""What a key may be: its size, and that of its cryptogram."""


@dataclass
class KeySet:
    """Static keys, their key version number, and how many sessions they had (6.2.2.1)."""

    keys: CardKeys
    version: int
    sequence: int = 0

    def information(self, kind: int) -> bytes:
        """Return the key information (tag E0) of a domain with these keys."""
        return key_information(self.version, len(self.keys.dek), kind)

    def memory(self) -> dict[str, Any]:
        """Return what stays in the card without power, as JSON values."""
        keys = {name: key.hex() for name, key in vars(self.keys).items()}
        return {"keys": keys, "version": self.version, "sequence": self.sequence}

    @classmethod
    def of(cls, memory: dict[str, Any]) -> KeySet:
        """Return the keys with this memory. Raises ``ValueError``, ``KeyError``, ``TypeError``."""
        keys = {name: bytes.fromhex(key) for name, key in memory["keys"].items()}
        return cls(CardKeys(**keys), int(memory["version"]), int(memory["sequence"]))


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


def _fits(value: bytes, field: KeyField, *, old: bool) -> bool:
    return (des_check_value if old else check_value)(value) == field.check_value
