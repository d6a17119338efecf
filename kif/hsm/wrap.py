"""Keys under keys: wrapped and unwrapped inside the token (C_WrapKey, C_UnwrapKey)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.key import Algorithm, Key, confirm, template
from kif.hsm.library import calling, failure
from kif.hsm.native import NativeKey
from kif.hsm.structs import OAEP_SHA1, Prepared
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage

_AES_CBC = int(Mechanism.AES_CBC)


def wrap_cbc(kek: Key, key: Key, vector: bytes) -> bytes:
    """Wrap a key of whole blocks by AES-CBC, as PUT KEY and an encrypted DGI carry it."""
    _require_extractable(key)
    try:
        return kek.calls.wrap(kek.handle, key.handle, _AES_CBC, vector)
    except PKCS11Error as exc:
        raise failure(exc, f"wrapping a {key.usage.value} key") from exc


def wrap_rfc3394(kek: Key, key: Key) -> bytes:
    """Wrap a key of 16, 24 or 32 bytes by AES key wrap (RFC 3394): eight bytes more."""
    return _wrapped(kek, key, Mechanism.AES_KEY_WRAP)


def unwrap_rfc3394(
    kek: Key, usage: Usage, algorithm: Algorithm, blob: bytes, label: str = ""
) -> Key:
    """Unwrap an RFC 3394 wrapping into a key of a usage."""
    return unwrapped(kek.native, usage, algorithm, blob, Mechanism.AES_KEY_WRAP, label)


def wrap_kwp(kek: Key, key: Key) -> bytes:
    """Wrap a key of any length by AES key wrap with padding (RFC 5649)."""
    return _wrapped(kek, key, _kwp(kek))


def unwrap_kwp(kek: Key, usage: Usage, algorithm: Algorithm, blob: bytes, label: str = "") -> Key:
    """Unwrap an RFC 5649 wrapping into a key of a usage."""
    return unwrapped(kek.native, usage, algorithm, blob, _kwp(kek), label)


def wrap_oaep(token: Token, recipient: rsa.RSAPublicKey, key: Key) -> bytes:
    """Wrap a key by RSA-OAEP for another HSM, whose public key the caller has authenticated.

    Hash and MGF1 are SHA-1, the only ones that every token has; OAEP's proof does not ask more.
    """
    _require_extractable(key)
    numbers = recipient.public_numbers()
    with calling("taking a public key in"):
        native = token.session.create_object(
            {
                Attribute.CLASS: ObjectClass.PUBLIC_KEY,
                Attribute.KEY_TYPE: KeyType.RSA,
                Attribute.TOKEN: False,
                Attribute.WRAP: True,
                Attribute.ENCRYPT: False,
                Attribute.VERIFY: False,
                Attribute.MODULUS: _bytes(numbers.n),
                Attribute.PUBLIC_EXPONENT: _bytes(numbers.e),
            }
        )
    try:
        with calling(f"wrapping a {key.usage.value} key"):
            oaep = Prepared(Mechanism.RSA_PKCS_OAEP, OAEP_SHA1)
            return key.calls.wrap(native.handle or 0, key.handle, oaep)
    finally:
        with calling("giving a public key up"):
            native.destroy()


def unwrap_oaep(recipient: NativeKey, usage: Usage, algorithm: Algorithm, blob: bytes) -> Key:
    """Unwrap what ``wrap_oaep`` of another token gave, by the private key that it was for."""
    return unwrapped(recipient, usage, algorithm, blob, Mechanism.RSA_PKCS_OAEP)


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _kwp(kek: Key) -> Mechanism:
    """Return the mechanism of RFC 5649: PKCS#11 v3.0 gave it a name of its own.

    CKM_AES_KEY_WRAP_PAD is RFC 5649 on some tokens (SoftHSM), and on others RFC 3394 over a padded
    key (NSS softokn); whoever has the new name means it.
    """
    named = Mechanism.AES_KEY_WRAP_KWP
    return named if int(named) in kek.calls.offered else Mechanism.AES_KEY_WRAP_PAD


def _require_extractable(key: Key) -> None:
    """Refuse what the token should refuse as well: softokn wraps whatever it is given."""
    if not RULES[key.usage].extractable:
        raise DeviceFailed(
            Control.KEY_USAGE,
            f"A {key.usage.value} key may not leave the token. It was not wrapped.",
        )


def _wrapped(kek: Key, key: Key, mechanism: Mechanism) -> bytes:
    _require_extractable(key)
    with calling(f"wrapping a {key.usage.value} key"):
        return kek.calls.wrap(kek.handle, key.handle, int(mechanism))


def unwrapped(
    by: NativeKey,
    usage: Usage,
    algorithm: Algorithm,
    blob: bytes,
    mechanism: Mechanism,
    label: str = "",
) -> Key:
    """Unwrap a blob by a key or a private key into a key of a usage, whose attributes are right."""
    with calling(f"unwrapping a {usage.value} key"):
        native = by.unwrap_key(
            ObjectClass.SECRET_KEY,
            algorithm.type,
            blob,
            mechanism=mechanism,
            template=template(usage, label),
        )
    confirm(native, RULES[usage], usage.value)
    return Key.of(usage, algorithm, native)
