"""Keys under keys: wrapped and unwrapped inside the token (C_WrapKey, C_UnwrapKey)."""

from __future__ import annotations

from pkcs11 import Mechanism, ObjectClass

from kif.hsm import calls
from kif.hsm.key import Algorithm, Key, confirm, template
from kif.hsm.library import calling
from kif.hsm.native import Parameter
from kif.hsm.usage import RULES, Usage


def wrap_cbc(kek: Key, key: Key, vector: bytes) -> bytes:
    """Wrap a key of whole blocks by AES-CBC, as PUT KEY and an encrypted DGI carry it."""
    return _wrapped(kek, key, Mechanism.AES_CBC, vector)


def wrap_rfc3394(kek: Key, key: Key) -> bytes:
    """Wrap a key of 16, 24 or 32 bytes by AES key wrap (RFC 3394): eight bytes more."""
    return _wrapped(kek, key, Mechanism.AES_KEY_WRAP)


def unwrap_rfc3394(
    kek: Key, usage: Usage, algorithm: Algorithm, blob: bytes, label: str = ""
) -> Key:
    """Unwrap an RFC 3394 wrapping into a key of a usage."""
    return _unwrapped(kek, usage, algorithm, blob, Mechanism.AES_KEY_WRAP, label)


def _wrapped(kek: Key, key: Key, mechanism: Mechanism, parameter: Parameter = None) -> bytes:
    with calling(f"wrapping a {key.usage.value} key"):
        return calls.wrap(kek.native, key.native, mechanism, parameter)


def _unwrapped(
    kek: Key, usage: Usage, algorithm: Algorithm, blob: bytes, mechanism: Mechanism, label: str
) -> Key:
    with calling(f"unwrapping a {usage.value} key"):
        native = kek.native.unwrap_key(
            ObjectClass.SECRET_KEY,
            algorithm.type,
            blob,
            mechanism=mechanism,
            template=template(usage, label),
        )
    confirm(native, RULES[usage], usage.value)
    return Key(usage, algorithm, native)
