"""XOR components combined inside the token (split knowledge; PCI PIN 6-1, ANSI X9.24-1).

A component is cut into pieces of 8 bytes. An accumulator is a token object ``00*8 || piece`` with
no rights. To fold the next custodian's piece ``m`` into it, RFC 3394 is built step by step under an
ephemeral combiner that cannot decrypt: round 0 of the block is C_WrapKey(AES-CBC) of the object
with ``IV = A || m``, which yields ``E(A || piece xor m)``, because CBC xors the IV in. Every later
round works on ciphertext. The host sees one component at a time and never their sum.
"""

from __future__ import annotations

from collections.abc import Callable

from pkcs11 import Attribute, Mechanism, ObjectClass

from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.kcv import Kcv
from kif.formats.secret import Secret
from kif.hsm.form import CheckValues, check_values, form_master, kcv_of
from kif.hsm.key import (
    Algorithm,
    Key,
    all_or_none,
    confirm,
    encrypt_blocks,
    generate,
    released,
    template,
    unwrap_rfc3394,
)
from kif.hsm.library import calling
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage

_PIECE = 8
_INITIAL = b"\xa6" * _PIECE
_Round0 = Callable[[bytes], bytes]
"""Encrypts ``A || R`` of one block, given A: eight bytes in, sixteen out."""


class Combination:
    """One key on its way in. Enter each custodian's component once, then ``form`` the key."""

    def __init__(self, token: Token, algorithm: Algorithm) -> None:
        self._token = token
        self._algorithm = algorithm
        self._combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
        self._pieces: list[Key] = []

    def enter(self, component: Secret) -> None:
        """Fold one custodian's component in. Raises ``BadInput`` (COMPONENT) by its length."""
        if len(component) != self._algorithm.size:
            raise BadInput(
                Control.COMPONENT,
                f"The component has {len(component)} bytes; a component of {self._algorithm.value} "
                f"has {self._algorithm.size}. It was not entered; read it from the sheet again.",
            )
        pieces = _cut(component.reveal())
        with all_or_none() as made:
            if not self._pieces:
                self._pieces = [made(_import_piece(self._token, piece)) for piece in pieces]
                return
            old = zip(self._pieces, pieces, strict=True)
            folded = [made(self._fold(piece, new)) for piece, new in old]
        self._discard()
        self._pieces = folded

    def check_values(self) -> CheckValues:
        """Return the check values of the key as combined so far."""
        return check_values(self._token, self._algorithm, self._combiner, self._wrapped())

    def form(self, label: str) -> Key:
        """Make the master key in the token."""
        return form_master(self._token, label, self._algorithm, self._combiner, self._wrapped())

    def close(self) -> None:
        """Destroy the accumulators and the combiner."""
        self._discard()
        self._combiner.destroy()

    def _discard(self) -> None:
        for piece in self._pieces:
            piece.destroy()
        self._pieces = []

    def _wrapped(self) -> bytes:
        return _rfc3394(self._combiner, [_inside(self._combiner, p) for p in self._pieces])

    def _fold(self, accumulator: Key, piece: bytes) -> Key:
        rounds = [
            _outside(self._combiner, bytes(_PIECE)),
            _inside(self._combiner, accumulator, piece),
        ]
        blob = _rfc3394(self._combiner, rounds)
        return unwrap_rfc3394(
            self._token, self._combiner, Usage.COMPONENT_PIECE, Algorithm.AES_128, blob
        )


def component_kcv(token: Token, algorithm: Algorithm, component: Secret) -> Kcv:
    """Return the check value of one component by itself, as printed on its sheet."""
    if len(component) != algorithm.size:
        raise BadInput(
            Control.COMPONENT,
            f"The component has {len(component)} bytes; one of {algorithm.value} has "
            f"{algorithm.size}. Nothing was entered.",
        )
    twin = _import(token, Usage.PUBLIC_BLOCK, algorithm, component.reveal())
    with released(twin):
        return kcv_of(twin)


def _rfc3394(combiner: Key, round0: list[_Round0]) -> bytes:
    """Wrap by RFC 3394, 2.2.1: six rounds over the blocks, the first by ``round0`` of each."""
    a = _INITIAL
    blocks: list[bytes] = []
    for step, first in enumerate(round0, start=1):
        a, block = _split(first(a), step)
        blocks.append(block)
    size = len(blocks)
    for step in range(size + 1, 6 * size + 1):
        at = (step - 1) % size
        a, blocks[at] = _split(encrypt_blocks(combiner, a + blocks[at]), step)
    return a + b"".join(blocks)


def _split(cryptogram: bytes, step: int) -> tuple[bytes, bytes]:
    return xor(cryptogram[:_PIECE], step.to_bytes(_PIECE, "big")), cryptogram[_PIECE:]


def _inside(combiner: Key, piece: Key, mask: bytes = bytes(_PIECE)) -> _Round0:
    def round0(a: bytes) -> bytes:
        with calling("combining a component"):
            return combiner.native.wrap_key(
                piece.native, mechanism=Mechanism.AES_CBC, mechanism_param=a + mask
            )

    return round0


def _outside(combiner: Key, known: bytes) -> _Round0:
    return lambda a: encrypt_blocks(combiner, a + known)


def _cut(component: bytes) -> list[bytes]:
    return [component[at : at + _PIECE] for at in range(0, len(component), _PIECE)]


def _import_piece(token: Token, piece: bytes) -> Key:
    return _import(token, Usage.COMPONENT_PIECE, Algorithm.AES_128, bytes(_PIECE) + piece)


def _import(token: Token, usage: Usage, algorithm: Algorithm, value: bytes) -> Key:
    attributes = template(usage) | {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: algorithm.type,
        Attribute.VALUE: value,
    }
    with calling("entering a component"):
        native = token.session.create_object(attributes)
    confirm(native, RULES[usage], usage.value)
    return Key(usage, algorithm, native)
