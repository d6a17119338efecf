"""Key handles: made by the usage table, read back, destroyed when they are done with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.hsm.library import calling
from kif.hsm.native import NativeKey
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Rule, Usage


class Cipher(StrEnum):
    """The block cipher of a key."""

    AES = "AES"
    TDEA = "TDEA"

    @property
    def block(self) -> int:
        """The bytes of a block."""
        return 16 if self is Cipher.AES else 8


class Algorithm(StrEnum):
    """A key's algorithm and length, in the names of the trade."""

    TDES_2 = "2TDEA"
    TDES_3 = "3TDEA"
    AES_128 = "AES-128"
    AES_192 = "AES-192"
    AES_256 = "AES-256"

    @property
    def size(self) -> int:
        """The key's length in bytes."""
        return _SIZES[self.value]

    @property
    def cipher(self) -> Cipher:
        """The block cipher."""
        return Cipher.AES if self.value.startswith("AES") else Cipher.TDEA

    @property
    def strength(self) -> int:
        """The security strength in bits (NIST SP 800-57 part 1, table 2)."""
        return {"2TDEA": 80, "3TDEA": 112}.get(self.value, 8 * self.size)

    @property
    def type(self) -> KeyType:
        """The PKCS#11 key type."""
        return {"2TDEA": KeyType.DES2, "3TDEA": KeyType.DES3}.get(self.value, KeyType.AES)

    @classmethod
    def of(cls, cipher: Cipher, size: int) -> Algorithm:
        """Return the algorithm of a cipher with keys of ``size`` bytes. Raises ``BadInput``."""
        for each in cls:
            if each.cipher is cipher and each.size == size:
                return each
        raise BadInput(Control.BYTES, f"There is no {cipher.value} key of {size} bytes.")


_SIZES = {"2TDEA": 16, "3TDEA": 24, "AES-128": 16, "AES-192": 24, "AES-256": 32}


@dataclass(frozen=True)
class Key:
    """A secret key inside the token: what the host holds is this handle."""

    usage: Usage
    algorithm: Algorithm
    native: NativeKey
    """The python-pkcs11 object; only kif.hsm touches it."""

    def __repr__(self) -> str:
        return f"Key({self.usage.value}, {self.algorithm.value})"

    def destroy(self) -> None:
        """Destroy the object in the token."""
        with calling(f"destroying a {self.usage.value} key"):
            self.native.destroy()


def template(usage: Usage, label: str = "") -> dict[Attribute, Any]:
    """Return the creation template of a usage; the label is also the key's id."""
    attributes: dict[Attribute, Any] = dict(RULES[usage].attributes())
    if not RULES[usage].wrap_with_trusted:
        # Absent means false; some tokens refuse to see it named on a key that can't be wrapped.
        del attributes[Attribute.WRAP_WITH_TRUSTED]
    named = {Attribute.LABEL: label, Attribute.ID: label.encode()} if label else {}
    return named | attributes


def confirm(native: NativeKey, rule: Rule, what: str) -> None:
    """Read every attribute back. Raises ``DeviceFailed`` (KEY_USAGE) and destroys a wrong key."""
    with calling(f"reading back the attributes of a {what} key"):
        try:
            wrong = _differing(native, rule)
        except BaseException:
            native.destroy()
            raise
        if wrong:
            native.destroy()
            raise DeviceFailed(
                Control.KEY_USAGE,
                f"The token made a {what} key with other attributes than asked: {', '.join(wrong)}."
                " The key was destroyed.",
            )


def recognise(
    native: NativeKey, rule: Rule, label: str, algorithm: Algorithm | None = None
) -> None:
    """Compare a key that was found with its usage. Raises ``DeviceFailed`` (KEY_USAGE).

    The key is left alone: it may be somebody's, or evidence.
    """
    wrong = drifted(native, rule, label, algorithm)
    if wrong:
        raise DeviceFailed(
            Control.KEY_USAGE,
            f"The token's key '{label}' is not of its usage: it differs in {', '.join(wrong)}. "
            "Do not use it; ask the custodians.",
        )


def drifted(
    native: NativeKey, rule: Rule, label: str, algorithm: Algorithm | None = None
) -> list[str]:
    """Return the names of the attributes in which a key is not of its usage and algorithm."""
    with calling(f"reading the attributes of {label}"):
        wrong = _differing(native, rule)
        return wrong if algorithm is None else wrong + _other_algorithm(native, algorithm)


def _differing(native: NativeKey, rule: Rule) -> list[str]:
    wanted = rule.attributes()
    found = native.get_attributes(list(wanted))
    return [name.name for name, value in wanted.items() if found.get(name) != value]


def _other_algorithm(native: NativeKey, algorithm: Algorithm) -> list[str]:
    if native.key_type is not algorithm.type:
        return ["KEY_TYPE"]
    if algorithm.cipher is Cipher.TDEA:
        return []
    # SoftHSM leaves VALUE_LEN zero on a key that it unwrapped.
    return [] if native[Attribute.VALUE_LEN] in (0, algorithm.size) else ["VALUE_LEN"]


def generate(token: Token, usage: Usage, algorithm: Algorithm, label: str = "") -> Key:
    """Generate a secret key in the token."""
    with calling(f"generating a {usage.value} key"):
        native = token.session.generate_key(
            algorithm.type,
            None if algorithm.cipher is Cipher.TDEA else algorithm.size * 8,
            template=template(usage, label),
        )
    confirm(native, RULES[usage], usage.value)
    return Key(usage, algorithm, native)


def find(token: Token, usage: Usage, algorithm: Algorithm, label: str) -> Key:
    """Return a token key by its label, after reading its attributes back."""
    native = token.find(label, ObjectClass.SECRET_KEY)
    recognise(native, RULES[usage], label, algorithm)
    return Key(usage, algorithm, native)


def encrypt_blocks(key: Key, blocks: bytes) -> bytes:
    """Encrypt whole blocks by ECB under a key that may ENCRYPT."""
    with calling(f"encrypting under a {key.usage.value} key"):
        return key.native.encrypt(blocks, mechanism=_ECB[key.algorithm.cipher])


def decrypt_blocks(key: Key, blocks: bytes) -> bytes:
    """Decrypt whole blocks by ECB under a key that may DECRYPT."""
    with calling(f"decrypting under a {key.usage.value} key"):
        return key.native.decrypt(blocks, mechanism=_ECB[key.algorithm.cipher])


def encrypt_chain(key: Key, blocks: bytes) -> bytes:
    """Encrypt whole blocks by CBC with a zero IV under a key that may ENCRYPT."""
    zero = bytes(key.algorithm.cipher.block)
    with calling(f"encrypting under a {key.usage.value} key"):
        return key.native.encrypt(
            blocks, mechanism=_CBC[key.algorithm.cipher], mechanism_param=zero
        )


_ECB = {Cipher.AES: Mechanism.AES_ECB, Cipher.TDEA: Mechanism.DES3_ECB}
_CBC = {Cipher.AES: Mechanism.AES_CBC, Cipher.TDEA: Mechanism.DES3_CBC}


@contextmanager
def all_or_none() -> Iterator[Callable[[Key], Key]]:
    """Give a function that takes each key as it is made; when the block fails, all are destroyed.

    >>> with all_or_none() as made:
    ...     return made(derive(…)), made(derive(…))
    """
    keys: list[Key] = []

    def made(key: Key) -> Key:
        keys.append(key)
        return key

    try:
        yield made
    except BaseException:
        for key in reversed(keys):
            key.destroy()
        raise


@contextmanager
def released(*keys: Key) -> Iterator[None]:
    """Destroy session keys when the block ends, however it ends."""
    try:
        yield
    finally:
        for key in keys:
            key.destroy()
