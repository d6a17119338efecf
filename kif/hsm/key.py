"""Key handles: made by the usage table, read back, destroyed when they are done with."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error

from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.hsm.calls import Calls, calls_of
from kif.hsm.library import calling, failure
from kif.hsm.native import NativeKey
from kif.hsm.sessionkey import SessionKey
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Rule, Usage


class Cipher(StrEnum):
    """The block cipher of a key, its block in bytes, and its mechanisms by number.

    The attributes are plain ones, because every call reads them.
    """

    AES = "AES"
    TDEA = "TDEA"

    block: int
    ecb: int
    cbc: int
    cmac: int
    ecb_data: int


class Algorithm(StrEnum):
    """A key's algorithm in the names of the trade: cipher, bytes of a key, security strength.

    The strength is in bits (NIST SP 800-57 part 1, table 2).
    """

    __hash__ = str.__hash__  # an enumeration's own is slower, and every derivation looks one up

    TDES_2 = "2TDEA"
    TDES_3 = "3TDEA"
    AES_128 = "AES-128"
    AES_192 = "AES-192"
    AES_256 = "AES-256"

    cipher: Cipher
    size: int
    type: KeyType
    strength: int

    @classmethod
    def of(cls, cipher: Cipher, size: int) -> Algorithm:
        """Return the algorithm of a cipher with keys of ``size`` bytes. Raises ``BadInput``."""
        for each in cls:
            if each.cipher is cipher and each.size == size:
                return each
        raise BadInput(Control.BYTES, f"There is no {cipher.value} key of {size} bytes.")


_CIPHERS = {
    Cipher.AES: (
        16,
        Mechanism.AES_ECB,
        Mechanism.AES_CBC,
        Mechanism.AES_CMAC,
        Mechanism.AES_ECB_ENCRYPT_DATA,
    ),
    Cipher.TDEA: (
        8,
        Mechanism.DES3_ECB,
        Mechanism.DES3_CBC,
        Mechanism.DES3_CMAC,
        Mechanism.DES3_ECB_ENCRYPT_DATA,
    ),
}
for _cipher, (_block, *_mechanisms) in _CIPHERS.items():
    _cipher.block = _block
    _cipher.ecb, _cipher.cbc, _cipher.cmac, _cipher.ecb_data = map(int, _mechanisms)

_ALGORITHMS = {
    Algorithm.TDES_2: (Cipher.TDEA, 16, KeyType.DES2, 80),
    Algorithm.TDES_3: (Cipher.TDEA, 24, KeyType.DES3, 112),
    Algorithm.AES_128: (Cipher.AES, 16, KeyType.AES, 128),
    Algorithm.AES_192: (Cipher.AES, 24, KeyType.AES, 192),
    Algorithm.AES_256: (Cipher.AES, 32, KeyType.AES, 256),
}
for _algorithm, _row in _ALGORITHMS.items():
    _algorithm.cipher, _algorithm.size, _algorithm.type, _algorithm.strength = _row


class Key:
    """A secret key inside the token: what the host holds is this handle.

    ``calls`` are those of its session. It is a plain class, because a card has seventeen of them.
    """

    __slots__ = ("_native", "algorithm", "calls", "handle", "usage")

    def __init__(self, usage: Usage, algorithm: Algorithm, calls: Calls, handle: int) -> None:
        self.usage, self.algorithm = usage, algorithm
        self.calls, self.handle = calls, handle
        self._native: NativeKey | None = None

    @classmethod
    def of(cls, usage: Usage, algorithm: Algorithm, native: NativeKey) -> Key:
        """Return the key that a native object is."""
        key = cls(usage, algorithm, calls_of(native), native.handle or 0)
        key._native = native
        return key

    @property
    def native(self) -> NativeKey:
        """The native object; only kif.hsm touches it."""
        return self._native or SessionKey(self.calls, self.handle, self.algorithm.type)

    def __repr__(self) -> str:
        return f"Key({self.usage.value}, {self.algorithm.value})"

    def destroy(self) -> None:
        """Destroy the object in the token."""
        try:
            self.calls.destroy(self.handle)
        except PKCS11Error as exc:
            raise failure(exc, f"destroying a {self.usage.value} key") from exc


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
    # Some tokens don't have these two. What is not there can't be true.
    known = dict.fromkeys(_OPTIONAL, False) | found
    return [name.name for name, value in wanted.items() if known.get(name) != value]


_OPTIONAL = (Attribute.COPYABLE, Attribute.WRAP_WITH_TRUSTED)


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
    return Key.of(usage, algorithm, native)


def find(token: Token, usage: Usage, algorithm: Algorithm, label: str) -> Key:
    """Return a token key by its label, after reading its attributes back."""
    native = token.find(label, ObjectClass.SECRET_KEY)
    recognise(native, RULES[usage], label, algorithm)
    return Key.of(usage, algorithm, native)


class all_or_none:  # noqa: N801 - reads as contextlib's own
    """Give a function that takes each key as it is made; when the block fails, all are destroyed.

    >>> with all_or_none() as made:
    ...     return made(derive(…)), made(derive(…))
    """

    __slots__ = ("_keys",)

    def __enter__(self) -> Callable[[Key], Key]:
        self._keys: list[Key] = []
        return self._made

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        if exc is not None:
            for key in reversed(self._keys):
                key.destroy()

    def _made(self, key: Key) -> Key:
        self._keys.append(key)
        return key


class released:  # noqa: N801 - reads as contextlib's own
    """Destroy session keys when the block ends, however it ends."""

    __slots__ = ("_keys",)

    def __init__(self, *keys: Key) -> None:
        self._keys = keys

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for key in self._keys:
            key.destroy()
