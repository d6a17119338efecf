"""The hot calls of a card, straight to the library: derive, encrypt, decrypt, sign, wrap, destroy.

python-pkcs11 builds every template and mechanism anew, and asks each new object for its attributes
to choose a class for it; a card's keys live for milliseconds. The calls here work on the same
session, with templates built once. :class:`SessionKey` is what they make; it has the methods of
:class:`kif.hsm.native.NativeKey`, and the token alone says which of them it may do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import byref, c_ulong, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pkcs11 import MGF, Attribute, KeyType, Mechanism, ObjectClass, exceptions

from kif.hsm.native import NativeKey, NativeSession, Parameter, Template

_FAILURES: dict[int, type[exceptions.PKCS11Error]] = {
    0x11: exceptions.AttributeSensitive,
    0x12: exceptions.AttributeTypeInvalid,
    0x21: exceptions.DataLenRange,
    0x30: exceptions.DeviceError,
    0x32: exceptions.DeviceRemoved,
    0x60: exceptions.KeyHandleInvalid,
    0x6A: exceptions.KeyUnextractable,
    0x69: exceptions.KeyNotWrappable,
    0x70: exceptions.MechanismInvalid,
    0x82: exceptions.ObjectHandleInvalid,
    0xB3: exceptions.SessionHandleInvalid,
    0xE0: exceptions.TokenNotPresent,
}
_NO_LABEL = 1
"""CKZ_DATA_SPECIFIED: the label is given, and empty."""
_BUFFER = 64
"""Bytes that a MAC, a check value or a padding block needs more than was given in."""
_SENSITIVE = (1 << (8 * ctypes.sizeof(c_ulong))) - 1
"""CK_UNAVAILABLE_INFORMATION: the length of an attribute that is not shown."""


class _AttributeStruct(ctypes.Structure):
    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class _MechanismStruct(ctypes.Structure):
    _fields_ = (("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong))


class _StringData(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("length", c_ulong))


class _CbcData(ctypes.Structure):
    """CK_DES_CBC_ENCRYPT_DATA_PARAMS (PKCS#11 v2.40, 2.15.2), with the zero IV that kif uses."""

    _fields_ = (("iv", ctypes.c_ubyte * 8), ("data", c_void_p), ("length", c_ulong))


class _Gcm(ctypes.Structure):
    """CK_GCM_PARAMS (PKCS#11 v2.40, 2.12.3)."""

    _fields_ = (
        ("iv", c_void_p),
        ("iv_length", c_ulong),
        ("iv_bits", c_ulong),
        ("aad", c_void_p),
        ("aad_length", c_ulong),
        ("tag_bits", c_ulong),
    )


class _Oaep(ctypes.Structure):
    """CK_RSA_PKCS_OAEP_PARAMS (PKCS#11 v2.40, 2.1.7)."""

    _fields_ = (
        ("hash", c_ulong),
        ("mgf", c_ulong),
        ("source", c_ulong),
        ("label", c_void_p),
        ("label_length", c_ulong),
    )


@dataclass(frozen=True)
class Oaep:
    """The parameter of RSA-OAEP without a label: the hash, and MGF1 over the same."""

    hash: Mechanism
    mgf: MGF


OAEP_SHA1 = Oaep(Mechanism.SHA_1, MGF.SHA1)


class Calls:
    """The library's calls on one session."""

    def __init__(self, library: Path, session: int) -> None:
        self._library = ctypes.CDLL(str(library))  # the same library, already initialised
        self._session = c_ulong(session)
        self._templates: dict[int, tuple[Any, int, list[Any]]] = {}
        self._readings: dict[tuple[Attribute, ...], tuple[Any, list[Any]]] = {}

    def derive(
        self, base: NativeKey, mechanism: Mechanism, data: bytes, attributes: Template
    ) -> SessionKey:
        """C_DeriveKey by one of the ENCRYPT_DATA mechanisms over data; the key is a new object."""
        buffer = ctypes.create_string_buffer(data, len(data))
        place, size = ctypes.addressof(buffer), len(data)
        string: _StringData | _CbcData = _StringData(place, size)
        if mechanism is Mechanism.DES3_CBC_ENCRYPT_DATA:
            string = _CbcData(data=place, length=size)
        how = _MechanismStruct(mechanism, ctypes.addressof(string), ctypes.sizeof(string))
        template, count, _ = self._template(attributes)
        handle = c_ulong()
        made = self._library.C_DeriveKey(
            self._session, byref(how), c_ulong(base.handle or 0), template, c_ulong(count),
            byref(handle),
        )  # fmt: skip
        _check(made)
        return SessionKey(self, handle.value, attributes[Attribute.KEY_TYPE])

    def crypt(self, what: str, key: int, data: bytes, how: _MechanismStruct) -> bytes:
        """C_Encrypt, C_Decrypt or C_Sign in one part."""
        _check(self._call(f"C_{what}Init")(self._session, byref(how), c_ulong(key)))
        size = c_ulong(len(data) + _BUFFER)
        out = ctypes.create_string_buffer(size.value)
        done = self._call(f"C_{what}")(self._session, data, c_ulong(len(data)), out, byref(size))
        _check(done)
        return out.raw[: size.value]

    def wrap(self, key: int, target: int, how: _MechanismStruct) -> bytes:
        """C_WrapKey."""
        size = c_ulong(16 * _BUFFER)
        out = ctypes.create_string_buffer(size.value)
        done = self._library.C_WrapKey(
            self._session, byref(how), c_ulong(key), c_ulong(target), out, byref(size)
        )
        _check(done)
        return out.raw[: size.value]

    def unwrap(
        self, key: int, blob: bytes, how: _MechanismStruct, attributes: Template
    ) -> SessionKey:
        """C_UnwrapKey into an object with these attributes."""
        template, count, kept = _array(attributes)
        handle = c_ulong()
        made = self._library.C_UnwrapKey(
            self._session, byref(how), c_ulong(key), blob, c_ulong(len(blob)), template,
            c_ulong(count), byref(handle),
        )  # fmt: skip
        del kept
        _check(made)
        return SessionKey(self, handle.value, attributes[Attribute.KEY_TYPE])

    def read(self, key: int, wanted: list[Attribute]) -> list[bytes | None]:
        """C_GetAttributeValue for attributes of at most eight bytes; None for what is not shown.

        Raises ``AttributeSensitive`` when a single one was asked for and is sensitive.
        """
        asked, buffers = self._reading(tuple(wanted))
        done = self._library.C_GetAttributeValue(
            self._session, c_ulong(key), asked, c_ulong(len(wanted))
        )
        if done not in (0x11, 0x12) or len(wanted) == 1:
            _check(done)
        return [
            None if part.length == _SENSITIVE else buffer.raw[: part.length]
            for part, buffer in zip(asked, buffers, strict=True)
        ]

    def destroy(self, key: int) -> None:
        """C_DestroyObject."""
        _check(self._library.C_DestroyObject(self._session, c_ulong(key)))

    def _call(self, name: str) -> Callable[..., int]:
        return getattr(self._library, name)  # type: ignore[no-any-return]

    def _reading(self, wanted: tuple[Attribute, ...]) -> tuple[Any, list[Any]]:
        """Return the CK_ATTRIBUTE array that asks for attributes, and what they are written to.

        It is built once and used again: one call at a time is in the library.
        """
        if wanted not in self._readings:
            buffers = [ctypes.create_string_buffer(8) for _ in wanted]
            places = zip(wanted, buffers, strict=True)
            parts = [_AttributeStruct(each, ctypes.addressof(at), 8) for each, at in places]
            self._readings[wanted] = ((_AttributeStruct * len(parts))(*parts), buffers)
        asked, buffers = self._readings[wanted]
        for part in asked:
            part.length = 8
        return asked, buffers

    def _template(self, attributes: Template) -> tuple[Any, int, list[Any]]:
        """Return the CK_ATTRIBUTE array of a template, built once.

        A template is known by its identity: whoever hands one in keeps it for good.
        """
        key = id(attributes)
        if key not in self._templates:
            self._templates[key] = _array(attributes)
        return self._templates[key]


def _array(attributes: Template) -> tuple[Any, int, list[Any]]:
    """Return the CK_ATTRIBUTE array of a template, its length, and what has to outlive its use."""
    values = [_packed(value) for value in attributes.values()]
    parts = [
        _AttributeStruct(each, ctypes.addressof(value), ctypes.sizeof(value))
        for each, value in zip(attributes, values, strict=True)
    ]
    return (_AttributeStruct * len(parts))(*parts), len(parts), [attributes, *values]


def _packed(value: Any) -> Any:
    """Return a truth, a number or a text as PKCS#11 has it."""
    if isinstance(value, bool):
        return ctypes.c_ubyte(value)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return ctypes.create_string_buffer(value, len(value))
    return c_ulong(value)


def _check(result: int) -> None:
    code = result & 0xFFFFFFFF
    if code:
        raise _FAILURES.get(code, exceptions.FunctionFailed)(f"the token answered {code:#x}")


class SessionKey:
    """A session object that :class:`Calls` made. Implements :class:`kif.hsm.native.NativeKey`."""

    __slots__ = ("_calls", "_handle", "_key_type")

    def __init__(self, calls: Calls, handle: int, key_type: KeyType) -> None:
        self._calls, self._handle, self._key_type = calls, handle, key_type

    @property
    def calls(self) -> Calls:
        """The calls that it was made by."""
        return self._calls

    @property
    def handle(self) -> int:
        """Its PKCS#11 handle."""
        return self._handle

    @property
    def key_type(self) -> KeyType:
        """Its PKCS#11 key type."""
        return self._key_type

    @property
    def session(self) -> NoReturn:
        """It is reached by its calls alone."""
        raise TypeError("a session key has calls, not a session")

    def __getitem__(self, key: Attribute) -> Any:
        (value,) = self._calls.read(self.handle, [key])
        return _shown(value)

    def __setitem__(self, key: Attribute, value: Any) -> NoReturn:
        raise exceptions.AttributeReadOnly

    def get_attributes(self, keys: list[Attribute]) -> dict[Attribute, Any]:
        """Return several attributes by one call; those that the object has not are left out."""
        found = zip(keys, self._calls.read(self.handle, keys), strict=True)
        return {key: _shown(value) for key, value in found if value is not None}

    def destroy(self) -> None:
        """Destroy the object in the token."""
        self._calls.destroy(self.handle)

    def encrypt(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_Encrypt; the parameter is an initialisation vector, or none."""
        return self._calls.crypt("Encrypt", self.handle, data, _how(mechanism, mechanism_param))

    def decrypt(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_Decrypt; the parameter is an initialisation vector, or none."""
        return self._calls.crypt("Decrypt", self.handle, data, _how(mechanism, mechanism_param))

    def sign(self, data: bytes, *, mechanism: Mechanism) -> bytes:
        """C_Sign."""
        return self._calls.crypt("Sign", self.handle, data, _how(mechanism, None))

    def wrap_key(
        self, key: NativeKey, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_WrapKey; the parameter is an initialisation vector, or none."""
        return self._calls.wrap(self.handle, key.handle or 0, _how(mechanism, mechanism_param))

    def unwrap_key(
        self,
        object_class: ObjectClass,
        key_type: KeyType,
        key_data: bytes,
        *,
        mechanism: Mechanism,
        template: Template,
    ) -> SessionKey:
        """C_UnwrapKey; the mechanism has no parameter."""
        attributes = {Attribute.CLASS: object_class, Attribute.KEY_TYPE: key_type, **template}
        return self._calls.unwrap(self.handle, key_data, _how(mechanism, None), attributes)


def _how(mechanism: Mechanism, parameter: Parameter) -> _MechanismStruct:
    """Return a mechanism with its parameter: none, an initialisation vector, OAEP's or GCM's."""
    if parameter is None:
        return _MechanismStruct(mechanism, None, 0)
    kept: list[Any] = []

    def place(data: bytes) -> tuple[int, int]:
        kept.append(ctypes.create_string_buffer(data, len(data)))
        return ctypes.addressof(kept[-1]), len(data)

    if isinstance(parameter, bytes):
        how = _MechanismStruct(mechanism, *place(parameter))
    elif isinstance(parameter, Oaep):
        kept.append(_Oaep(parameter.hash, parameter.mgf, _NO_LABEL, None, 0))
        how = _MechanismStruct(mechanism, ctypes.addressof(kept[-1]), ctypes.sizeof(_Oaep))
    else:
        vector, size = place(parameter.nonce)
        kept.append(_Gcm(vector, size, 8 * size, *place(parameter.aad or b""), parameter.tag_bits))
        how = _MechanismStruct(mechanism, ctypes.addressof(kept[-1]), ctypes.sizeof(_Gcm))
    how.kept = kept
    return how


def _shown(value: bytes | None) -> Any:
    if value is None or len(value) != 1:
        return value
    return value != b"\x00"


_SESSIONS: dict[int, Calls] = {}
"""The calls of each open session, by its handle."""


def calls_of(key: NativeKey) -> Calls:
    """Return the calls of the session that a key is in."""
    return key.calls if isinstance(key, SessionKey) else _SESSIONS[key.session.handle]


def wrap(
    key: NativeKey, target: NativeKey, mechanism: Mechanism, parameter: Parameter = None
) -> bytes:
    """Return a key wrapped under another (C_WrapKey), whoever made the two."""
    how = _how(mechanism, parameter)
    return calls_of(key).wrap(key.handle or 0, target.handle or 0, how)


def attach(session: NativeSession, library: Path) -> None:
    """Have keys of a session derive by the hot calls."""
    _SESSIONS[session.handle] = Calls(library, session.handle)


def detach(session: NativeSession) -> None:
    """Forget a session that is closed."""
    _SESSIONS.pop(session.handle, None)
