"""PUT KEY (GPC 2.3.1, 11.8; Amendment D, 7.2): what goes to a security domain, and its answer.

The data field is the new version number, then for Key-ENC, Key-MAC and Key-DEK::

    88 | length of the next two | bytes of the key | its cryptogram | 03 | check value

The cryptogram is the key by AES-CBC under the static Key-DEK, zero IV; the check value is AES over
sixteen bytes 01, its first three. The answer is the version number and the three check values.

Of 2TDEA key sets (SCP02) it is ``80 | 10 | cryptogram | 03 | check value``: by ECB under the
session DEK, and the check value is over eight zero bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.scp03 import StaticKey
from kif.formats.tlv import tlv

AES, TDEA = 0x88, 0x80
"""The types of keys."""
_KCV = 3
_SEVERAL_FROM_FIRST = 0x81
"""P2: several keys, of which the first has the identifier 01."""


@dataclass(frozen=True)
class KeyField:
    """A key on its way: its size in bytes, its cryptogram, its check value (3 bytes)."""

    size: int
    cryptogram: bytes
    check_value: bytes


def put_key(replaced: int, version: int, keys: Sequence[KeyField], kind: int = AES) -> Command:
    """Return PUT KEY, which replaces a key set by another one with a version of its own."""
    data = bytes((version,))
    for key in keys:
        size = bytes((key.size,)) if kind == AES else b""
        data += bytes((kind, len(size + key.cryptogram))) + size + key.cryptogram
        data += bytes((_KCV,)) + key.check_value
    return Command(0x80, 0xD8, replaced, _SEVERAL_FROM_FIRST, data, 256)


def put_key_answer(version: int, keys: Sequence[KeyField]) -> bytes:
    """Return what a card answers that took the keys."""
    return bytes((version,)) + b"".join(key.check_value for key in keys)


def key_information(sets: Iterable[tuple[int, int]], kind: int = AES) -> bytes:
    """Return the key information (tag E0, GPC 11.3.3.1) of these key sets and no other.

    Each is a version, and the size of its keys in bytes.
    """
    told = (bytes((number, version, kind, size)) for version, size in sets for number in StaticKey)
    return tlv(0xE0, b"".join(tlv(0xC0, each) for each in told))


def read_put_key(command: Command, kind: int = AES) -> tuple[int, tuple[KeyField, ...]]:
    """Return the new version and the three keys of a command. Raises ``BadInput`` (BYTES)."""
    version, rest = command.data[:1], command.data[1:]
    fields = []
    while rest:
        head, length = rest[:3], 2 + int.from_bytes(rest[1:2], "big")
        kcv = rest[length : length + 1 + _KCV]
        if len(head) < 3 or head[0] != kind or len(kcv) != 1 + _KCV or kcv[0] != _KCV:
            raise _wrong()
        cryptogram = rest[3:length] if kind == AES else rest[2:length]
        fields.append(KeyField(head[2] if kind == AES else head[1], cryptogram, kcv[1:]))
        rest = rest[length + 1 + _KCV :]
    several = command.p2 == _SEVERAL_FROM_FIRST and len(fields) == len(StaticKey)
    if not several or not 1 <= version[0] <= 0x7F:
        raise _wrong()
    return version[0], tuple(fields)


def _wrong() -> BadInput:
    return BadInput(Control.BYTES, "This is not PUT KEY with three such keys and a version.")
