"""A key's value on the host: for what a token can't do inside, and only where it is permitted."""

from __future__ import annotations

from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from pkcs11 import Attribute, ObjectClass

from kif.formats.secret import Secret
from kif.hsm.boundary import host_boundary
from kif.hsm.key import Algorithm, Key, confirm, released, template
from kif.hsm.library import calling
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage
from kif.hsm.wrap import wrap_rfc3394

_SIZE = 32


def clear_value(token: Token, key: Key, reason: str) -> Secret:
    """Return the value of a key that may be wrapped out.

    Raises ``Refused`` (KEY_BOUNDARY) unless ``reason`` is permitted. It leaves the token wrapped by
    RFC 3394 under a random key that lives for this one call.
    """
    with host_boundary(reason):
        value = token.random(_SIZE)
        kek = imported(token, Usage.CARD_TRANSPORT, Algorithm.AES_256, Secret(value))
        with released(kek):
            return Secret(aes_key_unwrap(value, wrap_rfc3394(kek, key)))


def imported(token: Token, usage: Usage, algorithm: Algorithm, value: Secret) -> Key:
    """Make a session key of a value that the host knows (C_CreateObject)."""
    attributes = template(usage) | {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: algorithm.type,
        Attribute.VALUE: value.reveal(),
    }
    with calling(f"importing a {usage.value} key"):
        native = token.session.create_object(attributes)
    confirm(native, RULES[usage], usage.value)
    return Key.of(usage, algorithm, native)
