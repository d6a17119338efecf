"""The seam over python-pkcs11: what kif asks of a token's objects, with types.

python-pkcs11 composes an object's class from what the token lets it do, so its own types can't say
what an object has. Everything here is called under :func:`kif.hsm.library.calling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

Template = dict[Attribute, Any]
Parameter = Any
"""A mechanism's parameter: bytes, or a structure of python-pkcs11."""


class NativeObject(Protocol):
    """An object of the token."""

    @property
    def handle(self) -> int | None:
        """Its PKCS#11 handle."""

    @property
    def session(self) -> NativeSession:
        """The session that it was found or made in."""

    def __getitem__(self, key: Attribute) -> Any:
        """Return an attribute."""

    def __setitem__(self, key: Attribute, value: Any) -> None:
        """Change an attribute."""

    def get_attributes(self, keys: list[Attribute]) -> dict[Attribute, Any]:
        """Return several attributes by one call; those that the object has not are left out."""

    def destroy(self) -> None:
        """Destroy the object in the token."""


class NativeKey(NativeObject, Protocol):
    """A key of the token; what it may do is the token's to say."""

    @property
    def key_type(self) -> KeyType:
        """Its PKCS#11 key type."""

    def encrypt(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_Encrypt."""

    def decrypt(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_Decrypt."""

    def sign(self, data: bytes, *, mechanism: Mechanism) -> bytes:
        """C_Sign."""

    def wrap_key(
        self, key: NativeKey, *, mechanism: Mechanism, mechanism_param: Parameter = None
    ) -> bytes:
        """C_WrapKey."""

    def unwrap_key(
        self,
        object_class: ObjectClass,
        key_type: KeyType,
        key_data: bytes,
        *,
        mechanism: Mechanism,
        template: Template,
    ) -> NativeKey:
        """C_UnwrapKey."""


class NativeSession(Protocol):
    """The user session of a token."""

    @property
    def handle(self) -> int:
        """Its PKCS#11 handle."""

    @property
    def token(self) -> Any:
        """What the token says of itself."""

    def generate_random(self, nbits: int) -> bytes:
        """C_GenerateRandom."""

    def generate_key(
        self, key_type: KeyType, key_length: int | None, *, template: Template
    ) -> NativeKey:
        """C_GenerateKey."""

    def generate_keypair(
        self,
        key_type: KeyType,
        key_length: int,
        *,
        public_template: Template,
        private_template: Template,
    ) -> tuple[NativeKey, NativeKey]:
        """C_GenerateKeyPair."""

    def create_domain_parameters(self, key_type: KeyType, attrs: Template, *, local: bool) -> Any:
        """Name a curve."""

    def create_object(self, attrs: Template) -> NativeKey:
        """C_CreateObject."""

    def get_objects(self, attrs: Template | None = None) -> Sequence[NativeKey]:
        """C_FindObjects, as an iterator: to be read to its end."""

    def close(self) -> None:
        """C_CloseSession."""
