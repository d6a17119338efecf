"""Arguments of the hot calls: made once, and filled anew for each call, under the lock."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_ulong
from typing import Any

from pkcs11 import Mechanism

from kif.hsm.structs import CbcData, MechanismStruct, Prepared, StringData

ROOM = 4096
"""Bytes of the buffers at first; they grow with what is put through them."""
_DERIVATIONS: dict[int, Any] = {
    int(Mechanism.AES_ECB_ENCRYPT_DATA): StringData,
    int(Mechanism.DES3_ECB_ENCRYPT_DATA): StringData,
    int(Mechanism.DES3_CBC_ENCRYPT_DATA): CbcData,
    int(Mechanism.CONCATENATE_BASE_AND_DATA): StringData,
    int(Mechanism.CONCATENATE_DATA_AND_BASE): StringData,
    int(Mechanism.XOR_BASE_AND_DATA): StringData,
}
_EXTRACT = int(Mechanism.EXTRACT_KEY_FROM_KEY)
"""Its parameter is a number, the bit where the new key begins: that is its data here."""


class Room:
    """Bytes that the library reads or writes."""

    def __init__(self, size: int) -> None:
        self.grow(size)

    def grow(self, size: int) -> None:
        """Have more room."""
        self.bytes, self.size = bytearray(size), size
        array = (ctypes.c_char * size).from_buffer(self.bytes)
        self.at, self.address = byref(array), ctypes.addressof(array)


class Plain(dict[Any, Any]):
    """References to mechanisms without a parameter, by number, and to prepared ones."""

    def __missing__(self, mechanism: int | Prepared) -> Any:
        if isinstance(mechanism, Prepared):
            return mechanism.at
        self[mechanism] = Prepared(mechanism).at
        return self[mechanism]


class Placed:
    """Mechanisms with an initialisation vector, which is put into its place."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[bytearray, Any, list[Any]]] = {}

    def __call__(self, mechanism: Any, vector: bytes) -> Any:
        """Return a reference to CK_MECHANISM."""
        key = mechanism, len(vector)
        if key not in self._known:
            room = Room(len(vector))
            struct = MechanismStruct(mechanism, room.address, len(vector))
            self._known[key] = room.bytes, byref(struct), [room, struct]
        place, reference, _ = self._known[key]
        place[:] = vector
        return reference


class Data:
    """Derivation mechanisms over data of at most 4096 bytes, which is put into its place."""

    def __init__(self) -> None:
        self._kept = Room(ROOM)
        self.room = self._kept.bytes
        self.known: dict[int, tuple[Any, Any, MechanismStruct]] = {}
        """The parameter, whose length is set for each call, and the mechanism."""
        for mechanism, kind in _DERIVATIONS.items():
            parameter = kind(data=self._kept.address)
            place, length = ctypes.addressof(parameter), ctypes.sizeof(parameter)
            struct = MechanismStruct(mechanism, place, length)
            self.known[mechanism] = parameter, byref(struct), struct
        extract = MechanismStruct(_EXTRACT, self._kept.address, ctypes.sizeof(c_ulong))
        self.known[_EXTRACT] = StringData(), byref(extract), extract
