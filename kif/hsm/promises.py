"""Whether a token keeps what its attributes promise: it is tried to break each, on test keys.

A mechanism list says what a token can do; what it refuses shows only when it is tried. A session's
holder tries the known attacks on the interface: wrap what may not leave, use a key for what it is
not for, read it, change it, copy it into something weaker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error

from kif.formats.error import DeviceFailed
from kif.formats.secret import Secret
from kif.hsm.clear import imported
from kif.hsm.derive import derive
from kif.hsm.key import Algorithm, Key, released
from kif.hsm.library import LOCK
from kif.hsm.structs import Prepared
from kif.hsm.token import Token
from kif.hsm.usage import Usage

_VALUE = Secret(bytes(range(32)))
_BLOCK = bytes(16)
_ECB, _CMAC, _WRAP = map(int, (Mechanism.AES_ECB, Mechanism.AES_CMAC, Mechanism.AES_KEY_WRAP))


@dataclass(frozen=True)
class Promise:
    """What a token promises by an attribute, whether it keeps it, and what it means if not."""

    what: str
    kept: bool
    means: str


def tried(token: Token) -> list[Promise]:
    """Try every promise on a token that may be spoiled.

    SoftHSM keeps half of the object that it refuses to make TRUSTED; nothing else stays.
    """
    with ExitStack() as stack:

        def key(usage: Usage) -> Key:
            made = imported(token, usage, Algorithm.AES_256, _VALUE)
            stack.enter_context(released(made))
            return made

        return list(_all(token, key))


def _all(token: Token, key: Callable[[Usage], Key]) -> Iterator[Promise]:
    wrapping, deriving = key(Usage.TRANSPORT_OUT), key(Usage.CARD_DERIVATION)
    encrypting, leaving = key(Usage.PUBLIC_BLOCK), key(Usage.CARD_DELIVERY)
    template = Prepared(_WRAP)
    yield Promise(
        "a key that is not EXTRACTABLE is not wrapped",
        _refused(lambda: wrapping.calls.wrap(wrapping.handle, deriving.handle, _WRAP)),
        "whoever has a session can wrap any key out under a key that may WRAP",
    )
    yield Promise(
        "a SENSITIVE key's value is not read, extractable or not",
        all(_unreadable(each) for each in (deriving, leaving)),
        "whoever has a session reads keys",
    )
    uses: dict[str, Callable[[], object]] = {
        "ENCRYPT": lambda: wrapping.calls.encrypt(wrapping.handle, _ECB, _BLOCK),
        "DECRYPT": lambda: wrapping.calls.decrypt(wrapping.handle, _ECB, _BLOCK),
        "SIGN": lambda: wrapping.calls.sign(wrapping.handle, _CMAC, _BLOCK),
        "WRAP": lambda: encrypting.calls.wrap(encrypting.handle, leaving.handle, _WRAP),
        "UNWRAP": lambda: _unwrap(wrapping, leaving, template),
        "DERIVE": lambda: derive(wrapping, _BLOCK, Algorithm.AES_128, Usage.PUBLIC_BLOCK).destroy(),
    }
    for right, use in uses.items():
        yield Promise(
            f"a key without {right} is not used for it",
            _refused(use),
            "usages are not separated by this token",
        )
    yield Promise(
        "a key that is not MODIFIABLE gets no other right",
        _refused(lambda: _change(deriving)),
        "whoever has a session gives a key more rights",
    )
    yield Promise(
        "a copy is not weaker than its key",
        _refused(lambda: _copy(deriving)),
        "whoever has a session copies a key into one with more rights",
    )
    unwrapping = key(Usage.TRANSPORT_IN)
    yield Promise(
        "no key is conjured from bytes that nobody wrapped",
        _refused(lambda: _conjure(unwrapping, template)),
        "whoever has a session makes keys that are related to each other",
    )
    yield Promise(
        "no key is wrapped by ECB, block by block",
        _refused(lambda: wrapping.calls.wrap(wrapping.handle, leaving.handle, _ECB)),
        "blocks of wrapped keys can be exchanged",
    )
    yield Promise(
        "a user makes no TRUSTED key",
        _refused(lambda: _trust(token)),
        "whoever has a session wraps masters under a key of his own",
    )
    yield from _known(deriving)


def _known(key: Key) -> Iterator[Promise]:
    """Tell whether the token has the attributes that the usage table can do without."""
    for attribute, means in (
        (
            Attribute.WRAP_WITH_TRUSTED,
            "a master that is extractable for backup can be wrapped under any key that may WRAP",
        ),
        (Attribute.COPYABLE, "what may be copied is the token's alone to say"),
    ):
        there = not _refused(partial(key.native.__getitem__, attribute))
        yield Promise(f"it has the attribute {attribute.name}", there, means)


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (PKCS11Error, DeviceFailed):
        return True
    return False


def _unreadable(key: Key) -> bool:
    return Attribute.VALUE not in key.native.get_attributes([Attribute.VALUE, Attribute.SENSITIVE])


def _unwrap(wrapping: Key, leaving: Key, how: Prepared) -> None:
    blob = wrapping.calls.wrap(wrapping.handle, leaving.handle, _WRAP)
    attributes = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.TOKEN: False,
    }
    made = wrapping.calls.unwrap(wrapping.handle, blob, how, attributes)
    wrapping.calls.destroy(made)


def _conjure(unwrapping: Key, how: Prepared) -> None:
    attributes = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.TOKEN: False,
    }
    made = unwrapping.calls.unwrap(unwrapping.handle, bytes(range(24)), how, attributes)
    unwrapping.calls.destroy(made)


def _trust(token: Token) -> None:
    attributes = {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.VALUE: _VALUE.reveal(),
        Attribute.TOKEN: False,
        Attribute.WRAP: True,
        Attribute.TRUSTED: True,
    }
    with LOCK:
        token.session.create_object(attributes).destroy()


def _change(key: Key) -> None:
    with LOCK:
        key.native[Attribute.ENCRYPT] = True


def _copy(key: Key) -> None:
    weaker = {Attribute.ENCRYPT: True, Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
    with LOCK:
        key.native.copy(weaker).destroy()  # type: ignore[attr-defined]
