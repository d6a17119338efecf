"""A session key as the hot calls make it: it has what python-pkcs11's keys have."""

from __future__ import annotations

from typing import Any, NoReturn

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, exceptions

from kif.hsm.calls import Calls, Made
from kif.hsm.native import NativeKey, Parameter, Template
from kif.hsm.structs import Prepared


class SessionKey(Made):
    """Implements :class:`kif.hsm.native.NativeKey`; the token alone says what it may do."""

    __slots__ = ("handle", "key_type")

    def __init__(self, calls: Calls, handle: int, key_type: KeyType) -> None:
        self.calls, self.handle, self.key_type = calls, handle, key_type

    @property
    def session(self) -> NoReturn:
        """It is reached by its calls alone."""
        raise TypeError("a session key has calls, not a session")

    def __getitem__(self, key: Attribute) -> Any:
        (value,) = self.calls.read(self.handle, [key])
        return _shown(value)

    def __setitem__(self, key: Attribute, value: Any) -> NoReturn:
        raise exceptions.AttributeReadOnly

    def get_attributes(self, keys: list[Attribute]) -> dict[Attribute, Any]:
        """Return several attributes by one call; those that the object has not are left out."""
        found = zip(keys, self.calls.read(self.handle, keys), strict=True)
        return {key: _shown(value) for key, value in found if value is not None}

    def destroy(self) -> None:
        """Destroy the object in the token."""
        self.calls.destroy(self.handle)

    def encrypt(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_Encrypt."""
        return self.calls.encrypt(self.handle, Prepared(mechanism, mechanism_param), data)

    def decrypt(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_Decrypt."""
        return self.calls.decrypt(self.handle, Prepared(mechanism, mechanism_param), data)

    def sign(self, data: bytes, *, mechanism: Mechanism) -> bytes:
        """C_Sign."""
        return self.calls.sign(self.handle, int(mechanism), data)

    def wrap_key(
        self, key: NativeKey, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_WrapKey."""
        return self.calls.wrap(self.handle, key.handle or 0, Prepared(mechanism, mechanism_param))

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
        made = self.calls.unwrap(self.handle, key_data, Prepared(mechanism), attributes)
        return SessionKey(self.calls, made, key_type)


def _shown(value: bytes | None) -> Any:
    if value is None or len(value) != 1:
        return value
    return value != b"\x00"
