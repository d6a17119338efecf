"""Forming a master key: from nothing, or from a wrapping made inside the token.

A master may only DERIVE, so it can't be encrypted with afterwards. What is public of it (its check
value, and its ``L`` for CMAC) is computed at the ceremony, by short-lived twins of other
usages, unwrapped from the same wrapping and destroyed. The check value of a key *derived* from it
can be computed at any time: by that a master is recognised at each opening. Keys about PINs are
formed and kept like masters, and encrypt: they are recognised by their own check value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pkcs11 import Attribute, ObjectClass

from kif.formats import cmac
from kif.formats.kcv import Kcv, KcvMethod
from kif.hsm.cmac import CmacMaster
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.derive import derive
from kif.hsm.key import Algorithm, Cipher, Key, find, generate, released
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
    """A master's own check value, and that of a key which is derived from it."""

    kcv: Kcv
    derived: Kcv


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
    _usage: Usage
    _algorithm: Algorithm
    _combiner: Key
    _blob: bytes

    def form(self, label: str) -> Key:
        """Make the token object."""
        made = (self._usage, self._algorithm, self._combiner, self._blob)
        return form_master(self._token, label, *made)


@contextmanager
def drawn_master(
    token: Token, algorithm: Algorithm, usage: Usage = Usage.MASTER_DERIVATION
) -> Iterator[Drawn]:
    """Draw a master key; what it is made of is destroyed on exit."""
    seed = generate(token, Usage.COMPONENT_PIECE, algorithm)
    with released(seed), master_of(token, seed, usage) as drawn:
        yield drawn


@contextmanager
def master_of(token: Token, piece: Key, usage: Usage = Usage.MASTER_DERIVATION) -> Iterator[Drawn]:
    """Give what a master is made of that came into the token as a ``component-piece``."""
    combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
    with released(combiner):
        blob = wrap_rfc3394(combiner, piece)
        values = check_values(usage, piece.algorithm, combiner, blob)
        yield Drawn(values, token, usage, piece.algorithm, combiner, blob)


def check_values(usage: Usage, algorithm: Algorithm, combiner: Key, blob: bytes) -> CheckValues:
    """Return the check values of a key that is still wrapped under the combiner."""
    with ExitStack() as stack:
        twin = unwrap_rfc3394(combiner, Usage.PUBLIC_BLOCK, algorithm, blob)
        stack.enter_context(released(twin))
        if _encrypts(usage):
            return CheckValues(kcv_of(twin), kcv_of(twin))
        deriving = unwrap_rfc3394(combiner, Usage.CARD_DERIVATION, algorithm, blob)
        stack.enter_context(released(deriving))
        return CheckValues(kcv_of(twin), derived_check_value(deriving))


def standing_check_value(key: Key) -> Kcv:
    """Return by what a key that stands in the token is recognised: its own, where it encrypts."""
    return kcv_of(key) if _encrypts(key.usage) else derived_check_value(key)


def derived_check_value(master: Key) -> Kcv:
    """Return the check value of the key that a master derives over a constant."""
    data = (
        _CONSTANT[: master.algorithm.size] if master.algorithm.cipher is Cipher.TDEA else _CONSTANT
    )
    key = derive(master, data, master.algorithm, Usage.PUBLIC_BLOCK)
    with released(key):
        kcv = kcv_of(key)
    return Kcv(kcv.method.derived, kcv.value)


def form_master(
    token: Token, label: str, usage: Usage, algorithm: Algorithm, combiner: Key, blob: bytes
) -> Key:
    """Make the token object from an RFC 3394 wrapping under the combiner; keep a master's ``L``."""
    if _encrypts(usage):
        return unwrap_rfc3394(combiner, usage, algorithm, blob, label)
    twin = unwrap_rfc3394(combiner, Usage.PUBLIC_BLOCK, algorithm, blob)
    with released(twin):
        token.keep_public(_l_label(label), encrypt_blocks(twin, bytes(algorithm.cipher.block)))
    return unwrap_rfc3394(combiner, usage, algorithm, blob, label)


def destroy_master(token: Token, label: str) -> None:
    """Destroy a master and what is public of it; what is not there is no error."""
    token.destroy_all(label, ObjectClass.SECRET_KEY)
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


def _encrypts(usage: Usage) -> bool:
    return Attribute.ENCRYPT in RULES[usage].rights


def _l_label(label: str) -> str:
    return f"{label} L"
