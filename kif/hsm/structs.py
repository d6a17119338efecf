"""PKCS#11 structures as ctypes has them: attributes, mechanisms and their parameters."""

from __future__ import annotations

import ctypes
from ctypes import c_ulong, c_void_p
from dataclasses import dataclass
from typing import Any

from pkcs11 import MGF, Attribute, KeyType, Mechanism

from kif.hsm.native import Parameter, Template

_NO_LABEL = 1
"""CKZ_DATA_SPECIFIED: an OAEP label is given, and empty."""


class AttributeStruct(ctypes.Structure):
    """CK_ATTRIBUTE."""

    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class MechanismStruct(ctypes.Structure):
    """CK_MECHANISM."""

    _fields_ = (("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong))


class StringData(ctypes.Structure):
    """CK_KEY_DERIVATION_STRING_DATA (PKCS#11 v2.40, 2.15.1)."""

    _fields_ = (("data", c_void_p), ("length", c_ulong))


class CbcData(ctypes.Structure):
    """CK_DES_CBC_ENCRYPT_DATA_PARAMS (PKCS#11 v2.40, 2.15.2), with the zero IV that kif uses."""

    _fields_ = (("iv", ctypes.c_ubyte * 8), ("data", c_void_p), ("length", c_ulong))


class GcmStruct(ctypes.Structure):
    """CK_GCM_PARAMS (PKCS#11 v2.40, 2.12.3)."""

    _fields_ = (
        ("iv", c_void_p),
        ("iv_length", c_ulong),
        ("iv_bits", c_ulong),
        ("aad", c_void_p),
        ("aad_length", c_ulong),
        ("tag_bits", c_ulong),
    )


class OaepStruct(ctypes.Structure):
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


class Packed:
    """A template as a CK_ATTRIBUTE array, packed once for as many calls as it is used in."""

    __slots__ = ("_kept", "at", "attributes", "count", "key_type")

    def __init__(self, attributes: Template) -> None:
        values = [_packed(value) for value in attributes.values()]
        parts = [
            AttributeStruct(each, ctypes.addressof(value), ctypes.sizeof(value))
            for each, value in zip(attributes, values, strict=True)
        ]
        array = (AttributeStruct * len(parts))(*parts)
        self._kept = (array, values)
        self.attributes = attributes
        self.at = ctypes.byref(array)
        self.count = c_ulong(len(parts))
        self.key_type: KeyType = attributes[Attribute.KEY_TYPE]


class Prepared:
    """A mechanism with its parameter, and what has to outlive its use."""

    __slots__ = ("_kept", "at")

    def __init__(self, mechanism: int, parameter: Parameter = None) -> None:
        self._kept: list[Any] = []
        struct = MechanismStruct(mechanism, *self._of(parameter))
        self._kept.append(struct)
        self.at = ctypes.byref(struct)

    def _of(self, parameter: Parameter) -> tuple[int | None, int]:
        if parameter is None:
            return None, 0
        if isinstance(parameter, bytes):
            return self._place(parameter)
        struct: ctypes.Structure
        if isinstance(parameter, Oaep):
            struct = OaepStruct(parameter.hash, parameter.mgf, _NO_LABEL, None, 0)
        else:
            vector, size = self._place(parameter.nonce)
            bound = self._place(parameter.aad or b"")
            struct = GcmStruct(vector, size, 8 * size, *bound, parameter.tag_bits)
        self._kept.append(struct)
        return ctypes.addressof(struct), ctypes.sizeof(struct)

    def _place(self, data: bytes) -> tuple[int, int]:
        self._kept.append(ctypes.create_string_buffer(data, len(data)))
        return ctypes.addressof(self._kept[-1]), len(data)


def _packed(value: Any) -> Any:
    """Return a truth, a number or a text as PKCS#11 has it."""
    if isinstance(value, bool):
        return ctypes.c_ubyte(value)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return ctypes.create_string_buffer(value, len(value))
    return c_ulong(value)
