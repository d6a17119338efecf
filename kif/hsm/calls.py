"""The hot calls, straight to the library: derive, encrypt, decrypt, sign, wrap, unwrap, destroy.

python-pkcs11 builds every template and mechanism anew, and asks each new object for its attributes
to choose a class for it; a card's keys live for milliseconds. The calls here work on the same
session, with templates and mechanisms built once and buffers that are used again. Each takes the
process-wide lock for itself, and raises python-pkcs11's exceptions (see
:func:`kif.hsm.library.failure`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import byref, c_ulong
from pathlib import Path
from typing import Any

from pkcs11 import Attribute, exceptions

from kif.hsm.arguments import ROOM, Data, Placed, Plain, Room
from kif.hsm.functions import Function, Functions
from kif.hsm.library import LOCK, offered_by
from kif.hsm.native import NativeKey, NativeSession, Template
from kif.hsm.structs import AttributeStruct, Packed, Prepared

_FAILURES: dict[int, type[exceptions.PKCS11Error]] = {
    0x11: exceptions.AttributeSensitive,
    0x12: exceptions.AttributeTypeInvalid,
    0x13: exceptions.AttributeValueInvalid,
    0x21: exceptions.DataLenRange,
    0x30: exceptions.DeviceError,
    0x32: exceptions.DeviceRemoved,
    0x60: exceptions.KeyHandleInvalid,
    0x6A: exceptions.KeyUnextractable,
    0x69: exceptions.KeyNotWrappable,
    0x70: exceptions.MechanismInvalid,
    0x82: exceptions.ObjectHandleInvalid,
    0xB0: exceptions.SessionClosed,
    0xB3: exceptions.SessionHandleInvalid,
    0xE0: exceptions.TokenNotPresent,
    0x101: exceptions.UserNotLoggedIn,
}
_MORE = 64
"""Bytes that a MAC, a check value or a padding block needs more than was given in."""
_SENSITIVE = (1 << (8 * ctypes.sizeof(c_ulong))) - 1
"""CK_UNAVAILABLE_INFORMATION: the length of an attribute that is not shown."""
_READ_AGAIN = 256
"""Of so many keys of one template, one is read back: the first, and then every so many."""
OnePart = Callable[..., bytes]
"""Takes a key's handle, a mechanism (its number, or prepared), data, and perhaps an
initialisation vector."""


class Calls:
    """The library's calls on one session.

    Arguments go in as ctypes objects that are made once and filled anew, which is what makes a call
    cheap: nothing is converted. Whatever is filled is filled under the lock.
    """

    def __init__(self, library: Path, session: int, offered: frozenset[int] = frozenset()) -> None:
        self.offered = offered
        """The mechanisms that the token says it has, by number."""
        loaded = Functions(library)  # the same library, already initialised
        self._session = c_ulong(session)
        self._out = Room(ROOM)
        self._plain, self._placed = Plain(), Placed()
        self._made: dict[Packed, int] = {}
        self._readings: dict[tuple[Attribute, ...], tuple[Any, list[Any]]] = {}
        self._read = loaded.GetAttributeValue
        self._unwrap = loaded.UnwrapKey
        self._session_info = loaded.GetSessionInfo
        self.encrypt: OnePart = self._in_one_part(loaded.EncryptInit, loaded.Encrypt)
        """C_Encrypt."""
        self.decrypt: OnePart = self._in_one_part(loaded.DecryptInit, loaded.Decrypt)
        """C_Decrypt."""
        self.sign: OnePart = self._in_one_part(loaded.SignInit, loaded.Sign)
        """C_Sign."""
        self.derive = self._deriving(loaded.DeriveKey)
        """C_DeriveKey: base, an ENCRYPT_DATA mechanism, its data, a template; a new handle."""
        self.wrap = self._wrapping(loaded.WrapKey)
        """C_WrapKey: the wrapping key, the other key, a mechanism, its initialisation vector."""
        self.destroy = self._destroying(loaded.DestroyObject)
        """C_DestroyObject."""

    def unwrap(self, key: int, blob: bytes, prepared: Prepared, attributes: Template) -> int:
        """C_UnwrapKey into an object with these attributes; return its handle."""
        template, made = Packed(attributes), c_ulong()
        with LOCK:
            result = self._unwrap(
                self._session,
                prepared.at,
                c_ulong(key),
                blob,
                c_ulong(len(blob)),
                template.at,
                template.count,
                byref(made),
            )
        if result:
            raise _failed(result)
        return made.value

    def require_session(self) -> None:
        """C_GetSessionInfo: raise when the session was lost."""
        with LOCK:
            result = self._session_info(self._session, (c_ulong * 8)())
        if result:
            raise _failed(result)

    def due(self, template: Packed) -> bool:
        """Return whether the key that was just made of a template is read back; count it."""
        made = self._made.get(template, 0)
        self._made[template] = made + 1
        return made % _READ_AGAIN == 0

    def read(self, key: int, wanted: list[Attribute]) -> list[bytes | None]:
        """C_GetAttributeValue for attributes of at most eight bytes; None for what is not shown.

        Raises ``AttributeSensitive`` when a single one was asked for and is sensitive.
        """
        with LOCK:
            asked, buffers = self._reading(tuple(wanted))
            result = self._read(self._session, c_ulong(key), asked, c_ulong(len(wanted)))
            if result not in (0, 0x11, 0x12) or (result and len(wanted) == 1):
                raise _failed(result)
            return [
                None if part.length == _SENSITIVE else buffer.raw[: part.length]
                for part, buffer in zip(asked, buffers, strict=True)
            ]

    def _in_one_part(self, begin: Function, do: Function) -> OnePart:
        session, room, plain, placed = self._session, self._out, self._plain, self._placed
        wanted, length, size = c_ulong(), c_ulong(), c_ulong()
        size_at = byref(size)

        def call(
            key: int, mechanism: int | Prepared, data: bytes, vector: bytes | None = None
        ) -> bytes:
            with LOCK:
                wanted.value = key
                how = placed(mechanism, vector) if vector else plain[mechanism]
                result = begin(session, how, wanted)
                if not result:
                    length.value = given = len(data)
                    if given + _MORE > room.size:
                        room.grow(given + _MORE)
                    size.value = room.size
                    result = do(session, data, length, room.at, size_at)
                    if not result:
                        return bytes(room.bytes[: size.value])
            raise _failed(result)

        return call

    def _deriving(self, function: Function) -> Callable[[int, int, bytes, Packed], int]:
        session, over = self._session, Data()
        room, known, wanted, made = over.room, over.known, c_ulong(), c_ulong()
        made_at = byref(made)

        def call(base: int, mechanism: int, data: bytes, template: Packed) -> int:
            with LOCK:
                wanted.value = base
                size = len(data)
                room[:size] = data
                parameter, how, _ = known[mechanism]
                parameter.length = size
                result = function(session, how, wanted, template.at, template.count, made_at)
                if not result:
                    return made.value
            raise _failed(result)

        return call

    def _wrapping(self, function: Function) -> Callable[..., bytes]:
        session, room = self._session, self._out
        plain, placed = self._plain, self._placed
        wanted, wrapped, size = c_ulong(), c_ulong(), c_ulong()
        size_at = byref(size)

        def call(
            key: int, target: int, mechanism: int | Prepared, vector: bytes | None = None
        ) -> bytes:
            with LOCK:
                wanted.value, wrapped.value, size.value = key, target, room.size
                how = placed(mechanism, vector) if vector else plain[mechanism]
                result = function(session, how, wanted, wrapped, room.at, size_at)
                if not result:
                    return bytes(room.bytes[: size.value])
            raise _failed(result)

        return call

    def _destroying(self, function: Function) -> Callable[[int], None]:
        session, wanted = self._session, c_ulong()

        def call(key: int) -> None:
            with LOCK:
                wanted.value = key
                result = function(session, wanted)
            if result:
                raise _failed(result)

        return call

    def _reading(self, wanted: tuple[Attribute, ...]) -> tuple[Any, list[Any]]:
        """Return the CK_ATTRIBUTE array that asks for attributes, and what they are written to."""
        if wanted not in self._readings:
            buffers = [ctypes.create_string_buffer(8) for _ in wanted]
            places = zip(wanted, buffers, strict=True)
            parts = [AttributeStruct(each, ctypes.addressof(at), 8) for each, at in places]
            self._readings[wanted] = ((AttributeStruct * len(parts))(*parts), buffers)
        asked, buffers = self._readings[wanted]
        for part in asked:
            part.length = 8
        return asked, buffers


def _failed(result: int) -> exceptions.PKCS11Error:
    code = result & 0xFFFFFFFF
    return _FAILURES.get(code, exceptions.FunctionFailed)(f"the token answered {code:#x}")


class Made:
    """What these calls made: it knows them."""

    __slots__ = ("calls",)

    def __init__(self, calls: Calls) -> None:
        self.calls = calls


_SESSIONS: dict[int, Calls] = {}
"""The calls of each open session, by its handle."""


def calls_of(key: NativeKey) -> Calls:
    """Return the calls of the session that a key is in."""
    return key.calls if isinstance(key, Made) else _SESSIONS[key.session.handle]


def require_session(session: NativeSession) -> None:
    """Raise when a session was lost, before python-pkcs11 begins what it could not end."""
    if session.handle in _SESSIONS:
        _SESSIONS[session.handle].require_session()


def attach(session: NativeSession, library: Path) -> None:
    """Have keys of a session derive by the hot calls."""
    offered = offered_by(library, session.token.slot)
    _SESSIONS[session.handle] = Calls(library, session.handle, offered)


def detach(session: NativeSession) -> None:
    """Forget a session that is closed."""
    _SESSIONS.pop(session.handle, None)
