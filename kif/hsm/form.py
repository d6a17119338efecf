"""Forming a master key: from nothing, or from a wrapping made inside the token.

A master may only DERIVE, so it can't be encrypted with afterwards. What is public of it (its check
value, and its ``L`` for CMAC) is computed at the ceremony, by short-lived twins of other
usages, unwrapped from the same wrapping and destroyed. The check value of a key *derived* from it
can be computed at any time: by that a master is recognised at each opening. Keys about PINs are
formed and kept like masters, and encrypt: they are recognised by their own check value. A card
verification key is two objects, because single DES under its left half needs that twice; it is
recognised by a MAC that takes both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pkcs11 import Attribute, ObjectClass

from kif.formats import cmac
from kif.formats.control import Control
from kif.formats.emv import DES_BLOCK
from kif.formats.error import Refused
from kif.formats.kcv import Kcv, KcvMethod
from kif.hsm.cmac import CmacMaster
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.derive import derive, derive_2tdea
from kif.hsm.key import Algorithm, Cipher, Key, all_or_none, find, generate, released
from kif.hsm.mac import MacKey
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage
from kif.hsm.wrap import unwrap_rfc3394, wrap_rfc3394

_CONSTANT = hashlib.sha256(b"kif derived check value").digest()


@dataclass(frozen=True)
class Formed:
    """A master that now stands in the token, and its check values."""

    key: Key
    values: CheckValues


@dataclass(frozen=True)
class CheckValues:
    """A master's own check value, and that by which it is recognised where it stands."""

    kcv: Kcv
    derived: Kcv


@dataclass(frozen=True)
class Wrapping:
    """A key that is in the token under an ephemeral combiner (RFC 3394)."""

    usage: Usage
    algorithm: Algorithm
    combiner: Key
    blob: bytes
    left: bytes = b""
    """Where it ``has_left``: its left half twice."""

    def __post_init__(self) -> None:
        """Raise ``Refused`` (KEY_USAGE) for a key that needs its left half and came without."""
        if has_left(self.usage) and not self.left:
            raise Refused(
                Control.KEY_USAGE,
                f"A {self.usage.value} key stands with its left half beside it, and came without. "
                "No key was made.",
            )

    def opened(self, usage: Usage) -> Key:
        """Make a key of the session of it."""
        return unwrap_rfc3394(self.combiner, usage, self.algorithm, self.blob)

    def values(self) -> CheckValues:
        """Return the check values that it will have."""
        with ExitStack() as stack:
            twin = self.opened(Usage.PUBLIC_BLOCK)
            stack.enter_context(released(twin))
            if has_left(self.usage):
                left = unwrap_rfc3394(self.combiner, Usage.PUBLIC_BLOCK, self.algorithm, self.left)
                stack.enter_context(released(left))
                return CheckValues(kcv_of(twin), _kcv_of_both(MacKey(twin, left)))
            if _encrypts(self.usage):
                return CheckValues(kcv_of(twin), kcv_of(twin))
            deriving = self.opened(Usage.CARD_DERIVATION)
            stack.enter_context(released(deriving))
            return CheckValues(kcv_of(twin), derived_check_value(deriving))

    def form(self, token: Token, label: str) -> Key:
        """Make the token object; keep a master's ``L``, and its left half beside a key with one."""
        if has_left(self.usage):
            made = (self.usage, self.algorithm, self.left, _left_label(label))
            unwrap_rfc3394(self.combiner, *made)
        elif not _encrypts(self.usage):
            with released(twin := self.opened(Usage.PUBLIC_BLOCK)):
                zero = encrypt_blocks(twin, bytes(self.algorithm.cipher.block))
                token.keep_public(_l_label(label), zero)
        return unwrap_rfc3394(self.combiner, self.usage, self.algorithm, self.blob, label)


def generate_master(
    token: Token, label: str, algorithm: Algorithm, usage: Usage = Usage.MASTER_DERIVATION
) -> Formed:
    """Generate a master key inside the token."""
    with drawn_master(token, algorithm, usage) as drawn:
        return Formed(drawn.form(label), drawn.values)


@dataclass(frozen=True)
class Drawn:
    """A master that was drawn inside the token, or came into it, and does not stand there yet."""

    values: CheckValues
    _token: Token
    _wrapping: Wrapping

    def form(self, label: str) -> Key:
        """Make the token object."""
        return self._wrapping.form(self._token, label)


@contextmanager
def drawn_master(
    token: Token, algorithm: Algorithm, usage: Usage = Usage.MASTER_DERIVATION
) -> Iterator[Drawn]:
    """Draw a master key; what it is made of is destroyed on exit."""
    with ExitStack() as stack:
        if has_left(usage):
            seed, left = _drawn_with_left(token, algorithm)
            stack.enter_context(released(seed, left))
            yield stack.enter_context(master_of(token, seed, usage, left))
        else:
            seed = generate(token, Usage.COMPONENT_PIECE, algorithm)
            stack.enter_context(released(seed))
            yield stack.enter_context(master_of(token, seed, usage))


def _drawn_with_left(token: Token, algorithm: Algorithm) -> tuple[Key, Key]:
    """Draw a key and its left half twice: one block derives a half, so that it can be repeated."""
    data = token.random(algorithm.size)
    parent = generate(token, Usage.CARD_DERIVATION, algorithm)
    with released(parent), all_or_none() as made:
        return (
            made(derive_2tdea(parent, data, Usage.COMPONENT_PIECE)),
            made(derive_2tdea(parent, data[:DES_BLOCK] * 2, Usage.COMPONENT_PIECE)),
        )


@contextmanager
def master_of(
    token: Token,
    piece: Key,
    usage: Usage = Usage.MASTER_DERIVATION,
    left: Key | None = None,
) -> Iterator[Drawn]:
    """Give what a master is made of that came into the token as a ``component-piece``.

    ``left`` is its left half twice, of a key that ``has_left``.
    """
    combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
    with released(combiner):
        blob = wrap_rfc3394(combiner, piece)
        beside = b"" if left is None else wrap_rfc3394(combiner, left)
        wrapping = Wrapping(usage, piece.algorithm, combiner, blob, beside)
        yield Drawn(wrapping.values(), token, wrapping)


def standing_check_value(token: Token, label: str, usage: Usage, algorithm: Algorithm) -> Kcv:
    """Return that by which a key is recognised: its own check value, where it encrypts."""
    if has_left(usage):
        return _kcv_of_both(find_with_left(token, label, usage, algorithm))
    key = find(token, usage, algorithm, label)
    return kcv_of(key) if _encrypts(usage) else derived_check_value(key)


def derived_check_value(master: Key) -> Kcv:
    """Return the check value of the key that a master derives over a constant."""
    data = (
        _CONSTANT[: master.algorithm.size] if master.algorithm.cipher is Cipher.TDEA else _CONSTANT
    )
    key = derive(master, data, master.algorithm, Usage.PUBLIC_BLOCK)
    with released(key):
        kcv = kcv_of(key)
    return Kcv(kcv.method.derived, kcv.value)


def destroy_master(token: Token, label: str) -> None:
    """Destroy a master and what stands beside it; what is not there is no error."""
    token.destroy_all(label, ObjectClass.SECRET_KEY)
    token.destroy_all(_left_label(label), ObjectClass.SECRET_KEY)
    token.destroy_all(_l_label(label), ObjectClass.DATA)


def kcv_of(key: Key, method: KcvMethod | None = None) -> Kcv:
    """Return a key's check value: unless told, ``des-zero`` for TDEA and ``gp-aes-01`` for AES."""
    tdea = key.algorithm.cipher is Cipher.TDEA
    method = method or (KcvMethod.DES_ZERO if tdea else KcvMethod.GP_AES_01)
    block = method.block
    if method is KcvMethod.AES_CMAC_ZERO:
        block = cmac.split(block, encrypt_blocks(key, bytes(cmac.BLOCK)))[1]
    return Kcv.from_cryptogram(method, encrypt_blocks(key, block))


def find_master(token: Token, label: str, algorithm: Algorithm) -> Key:
    """Return a master of the token. Raises ``DeviceFailed`` (KEY_FOUND, KEY_USAGE)."""
    return find(token, Usage.MASTER_DERIVATION, algorithm, label)


def find_cmac_master(token: Token, label: str, algorithm: Algorithm) -> CmacMaster:
    """Return a master with its ``L``."""
    return CmacMaster(find_master(token, label, algorithm), token.public_value(_l_label(label)))


def find_with_left(token: Token, label: str, usage: Usage, algorithm: Algorithm) -> MacKey:
    """Return a key of the token that ``has_left``. Raises ``DeviceFailed`` as ``find`` does."""
    whole, left = (find(token, usage, algorithm, name) for name in object_labels(label, usage))
    return MacKey(whole, left)


def object_labels(label: str, usage: Usage) -> tuple[str, ...]:
    """Return the labels of a key's secret objects: its own first."""
    return (label, _left_label(label)) if has_left(usage) else (label,)


def has_left(usage: Usage) -> bool:
    """Whether its left half stands in the token as well, twice: for single DES under it."""
    return usage is Usage.CARD_VERIFICATION


def _kcv_of_both(key: MacKey) -> Kcv:
    return Kcv.from_cryptogram(KcvMethod.RETAIL_MAC_ZERO, key.mac(bytes(2 * DES_BLOCK)))


def _encrypts(usage: Usage) -> bool:
    return Attribute.ENCRYPT in RULES[usage].rights


def _left_label(label: str) -> str:
    return f"{label} left"


def _l_label(label: str) -> str:
    return f"{label} L"
