"""The functions of a PKCS#11 library, from its function list (PKCS#11 v2.40, 3.6).

C_GetFunctionList is the one symbol that every library exports.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, c_ulong, c_void_p
from pathlib import Path

_PLACES = {
    "Initialize": 0,
    "Finalize": 1,
    "GetSlotList": 4,
    "GetTokenInfo": 6,
    "InitToken": 9,
    "InitPIN": 10,
    "OpenSession": 12,
    "CloseAllSessions": 14,
    "GetSessionInfo": 15,
    "Login": 18,
    "Logout": 19,
    "DestroyObject": 22,
    "GetAttributeValue": 24,
    "EncryptInit": 29,
    "Encrypt": 30,
    "DecryptInit": 33,
    "Decrypt": 34,
    "SignInit": 42,
    "Sign": 43,
    "WrapKey": 60,
    "UnwrapKey": 61,
    "DeriveKey": 62,
}
"""Where the functions that are called from here stand in the list."""
Function = Callable[..., int]


class Functions:
    """The functions of a library that is loaded in this process, by their names without ``C_``."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        found = POINTER(_List)()
        result = self._library.C_GetFunctionList(ctypes.byref(found))
        if result:
            raise OSError(f"C_GetFunctionList answered {result:#x}")
        self._pointers = found.contents.pointers

    def __getattr__(self, name: str) -> Function:
        pointer = self._pointers[_PLACES[name]]
        return _FUNCTION(pointer)


class _List(ctypes.Structure):
    """CK_FUNCTION_LIST: a version of two bytes, and the pointers."""

    _fields_ = (
        ("version", ctypes.c_ubyte * 2),
        ("pointers", c_void_p * (max(_PLACES.values()) + 1)),
    )


_FUNCTION = ctypes.CFUNCTYPE(c_ulong)
