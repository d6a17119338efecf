"""XOR components combined inside the token (split knowledge; PCI PIN 6-1, ANSI X9.24-1).

A component is cut into pieces of 8 bytes. The first custodian's become objects ``00*8 || piece``;
each further custodian's are xored into them inside (:mod:`kif.hsm.pieces`). The host sees one
component at a time and never their sum. A DES key is given odd parity by a last mask, because some
tokens ask for it; which parity the sum has follows from the parities of the components.
"""

from __future__ import annotations

from collections.abc import Sequence

from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.kcv import Kcv
from kif.formats.secret import Secret
from kif.formats.weak import odd_parity, weak_des_cryptograms, zero_aes_cryptogram
from kif.hsm.clear import imported
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.form import CheckValues, Wrapping, has_left, kcv_of
from kif.hsm.key import Algorithm, Cipher, Key, all_or_none, generate, released
from kif.hsm.mac import MacKey
from kif.hsm.pieces import PIECE, Known, Piece, key_of_pieces, wrapping
from kif.hsm.token import Token
from kif.hsm.usage import Usage


class Combination:
    """One key on its way in. Enter each custodian's component once, then ``form`` the key."""

    def __init__(self, token: Token, algorithm: Algorithm) -> None:
        self._token = token
        self._algorithm = algorithm
        self._combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
        self._pieces: list[Key] = []
        self._parity = bytes(algorithm.size)
        """For each byte of the sum, 1 when it has an odd number of ones."""

    def enter(self, component: Secret) -> None:
        """Fold one custodian's component in. Raises ``BadInput`` (COMPONENT) by its length."""
        if len(component) != self._algorithm.size:
            raise BadInput(
                Control.COMPONENT,
                f"The component has {len(component)} bytes; a component of {self._algorithm.value} "
                f"has {self._algorithm.size}. It was not entered; read it from the sheet again.",
            )
        pieces = _cut(component.reveal())
        ones = bytes(byte.bit_count() % 2 for byte in component.reveal())
        self._parity = xor(self._parity, ones)
        with all_or_none() as made:
            if not self._pieces:
                self._pieces = [made(_import_piece(self._token, piece)) for piece in pieces]
                return
            old = zip(self._pieces, pieces, strict=True)
            folded = [made(self._fold(piece, new)) for piece, new in old]
        self._discard()
        self._pieces = folded

    def check_values(self, usage: Usage = Usage.MASTER_DERIVATION) -> CheckValues:
        """Return the check values of the key as combined so far."""
        return self._wrapping(usage).values()

    def form(self, label: str, usage: Usage = Usage.MASTER_DERIVATION) -> Key:
        """Make the master key in the token."""
        return self._wrapping(usage).form(self._token, label)

    def session_key(self, usage: Usage) -> Key:
        """Make a key of the session from what was combined so far."""
        return self._made(self._parts(), self._algorithm, usage)

    def mac_key(self) -> MacKey:
        """Make a 2TDEA key for the retail MAC: itself, and its left half twice."""
        with all_or_none() as made:
            return MacKey(
                made(self.session_key(Usage.PUBLIC_BLOCK)), made(self._doubled(self._parts()[0]))
            )

    def require_strong(self) -> None:
        """Require a key that may be used. Raises ``Refused`` (KEY_WEAK).

        A DES part that is weak or semi-weak, two parts that are the same (which makes 3DES single
        DES), and a key of zeros are told by what they encrypt, inside the token.
        """
        if self._algorithm.cipher is Cipher.AES:
            if self._zero_block(self.session_key(Usage.PUBLIC_BLOCK)) == zero_aes_cryptogram(
                self._algorithm.size
            ):
                raise _weak("are all the same, so that they combine to a key of zeros")
            return
        blocks = [self._zero_block(self._doubled(part)) for part in self._parts()]
        if set(blocks) & weak_des_cryptograms():
            raise _weak("combine to a key with a weak or semi-weak DES part")
        if len(set(blocks)) < len(blocks):
            raise _weak("combine to a key with two equal parts, which is single DES")

    def close(self) -> None:
        """Destroy the accumulators and the combiner."""
        self._discard()
        self._combiner.destroy()

    def _discard(self) -> None:
        for piece in self._pieces:
            piece.destroy()
        self._pieces = []

    def _wrapping(self, usage: Usage) -> Wrapping:
        parts, combiner = self._parts(), self._combiner
        left = wrapping(combiner, parts[:1] * 2) if has_left(usage) else b""
        return Wrapping(usage, self._algorithm, combiner, wrapping(combiner, parts), left)

    def _parts(self) -> list[Piece]:
        mask = bytes(self._algorithm.size)
        if self._algorithm.cipher is Cipher.TDEA:
            mask = bytes(1 - odd for odd in self._parity)
        pieces = zip(self._pieces, _cut(mask), strict=False)
        return [Piece(piece, mask=part) for piece, part in pieces]

    def _made(self, parts: Sequence[Piece | Known], algorithm: Algorithm, usage: Usage) -> Key:
        return key_of_pieces(self._token, self._combiner, parts, algorithm, usage)

    def _doubled(self, part: Piece) -> Key:
        """Make a single DES key, as 2TDEA with both halves the same."""
        return self._made([part] * 2, Algorithm.TDES_2, Usage.PUBLIC_BLOCK)

    def _zero_block(self, key: Key) -> bytes:
        with released(key):
            return encrypt_blocks(key, bytes(key.algorithm.cipher.block))

    def _fold(self, accumulator: Key, piece: bytes) -> Key:
        parts: list[Piece | Known] = [Known(bytes(PIECE)), Piece(accumulator, mask=piece)]
        return self._made(parts, Algorithm.AES_128, Usage.COMPONENT_PIECE)


def draw_component(token: Token, algorithm: Algorithm) -> Secret:
    """Draw a component in the token: random, of odd parity for TDEA (FIPS 46-3)."""
    drawn = token.random(algorithm.size)
    return Secret(odd_parity(drawn) if algorithm.cipher is Cipher.TDEA else drawn)


def component_kcv(token: Token, algorithm: Algorithm, component: Secret) -> Kcv:
    """Return the check value of one component by itself, as printed on its sheet."""
    if len(component) != algorithm.size:
        raise BadInput(
            Control.COMPONENT,
            f"The component has {len(component)} bytes; one of {algorithm.value} has "
            f"{algorithm.size}. Nothing was entered.",
        )
    twin = imported(token, Usage.PUBLIC_BLOCK, algorithm, component)
    with released(twin):
        return kcv_of(twin)


def _weak(why: str) -> Refused:
    return Refused(
        Control.KEY_WEAK,
        f"The components {why}. Nothing was formed: have new components drawn at random.",
    )


def _cut(component: bytes) -> list[bytes]:
    return [component[at : at + PIECE] for at in range(0, len(component), PIECE)]


def _import_piece(token: Token, piece: bytes) -> Key:
    value = Secret(bytes(PIECE) + piece)
    return imported(token, Usage.COMPONENT_PIECE, Algorithm.AES_128, value)
