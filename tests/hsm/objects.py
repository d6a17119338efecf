"""Objects of the throw-away token: known values brought in, objects counted and removed."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pkcs11 import Attribute, ObjectClass

from kif.hsm.cmac import CmacMaster
from kif.hsm.key import Algorithm, Key, confirm, template
from kif.hsm.library import calling
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage
from tests.hsm.software import aes_ecb

AES_OF_SIZE = {16: Algorithm.AES_128, 24: Algorithm.AES_192, 32: Algorithm.AES_256}


def imported(token: Token, usage: Usage, algorithm: Algorithm, value: bytes) -> Key:
    """Bring a known value in as a session key with exactly the attributes of its usage."""
    attributes: dict[Attribute, Any] = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: algorithm.type,
        Attribute.VALUE: value,
        **template(usage),
        Attribute.TOKEN: False,
    }
    with calling("bringing a test key in"):
        native = token.session.create_object(attributes)
    if not RULES[usage].token:
        confirm(native, RULES[usage], usage.value)
    return Key.of(usage, algorithm, native)


def imported_aes(token: Token, usage: Usage, value: bytes) -> Key:
    """Bring an AES key in, its algorithm by its length."""
    return imported(token, usage, AES_OF_SIZE[len(value)], value)


def imported_cmac_master(token: Token, value: bytes) -> CmacMaster:
    """Bring an AES master in, with its ``L`` from software."""
    master = imported_aes(token, Usage.MASTER_DERIVATION, value)
    return CmacMaster(master, aes_ecb(value, bytes(16)))


def count(token: Token) -> int:
    """Return how many objects the token shows, session objects among them."""
    with calling("counting objects"):
        return len(list(token.session.get_objects()))


@contextlib.contextmanager
def nothing_left(token: Token) -> Iterator[None]:
    """Assert that the block leaves as many objects as it found."""
    before = count(token)
    yield
    assert count(token) == before
