"""What Visa's VIS does with a card's keys and EMV does not: session keys by xor, a PIN block."""

from __future__ import annotations

from contextlib import ExitStack

from kif.formats import emv, pinblock
from kif.formats.secret import Secret
from kif.hsm.clear import clear_value
from kif.hsm.cmac import CmacMaster
from kif.hsm.derive import derive
from kif.hsm.key import Algorithm, Key, all_or_none, generate, released
from kif.hsm.mac import MacKey
from kif.hsm.pieces import Piece, key_of_pieces
from kif.hsm.token import Token
from kif.hsm.usage import Usage

PIN_BLOCK_ON_HOST = "visa-pin-block"
"""Why four bytes of a card's key are clear on the host: VIS xors them into a PIN block."""


def session_key(
    token: Token, issuer_master: CmacMaster, diversification: bytes, atc: bytes, usage: Usage
) -> MacKey:
    """Return the secure messaging session key of a card: its master key xored with the ATC.

    Inside the token: each half of the card's key is derived behind the issuer master's ``L``, which
    is public, and so is a piece that the ATC can be xored into (:mod:`kif.hsm.pieces`).
    """
    zero = issuer_master.encrypted_zero
    with ExitStack() as stack:
        combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
        stack.enter_context(released(combiner))
        halves: list[Piece] = []
        for at, mask in zip((0, emv.DES_BLOCK), emv.visa_session_masks(atc), strict=True):
            data = bytes(len(zero)) + diversification[at : at + emv.DES_BLOCK]
            half = derive(issuer_master.key, data, Algorithm.AES_128, Usage.COMPONENT_PIECE)
            stack.enter_context(released(half))
            halves.append(Piece(half, zero, mask))
        left = [halves[0]] * 2
        with all_or_none() as made:
            return MacKey(
                made(key_of_pieces(token, combiner, halves, Algorithm.TDES_2, usage)),
                made(key_of_pieces(token, combiner, left, Algorithm.TDES_2, usage)),
            )


def pin_block(token: Token, ac_master: Key, pin: Secret, current: Secret | None = None) -> Secret:
    """Return the PIN block of VIS for a card whose key for cryptograms is given, extractable.

    Raises ``Refused`` (KEY_BOUNDARY) unless ``visa-pin-block`` is permitted: bytes 5 to 8 of the
    card's key are clear on the host.
    """
    value = clear_value(token, ac_master, PIN_BLOCK_ON_HOST).reveal()
    return pinblock.vis(pin, Secret(value[4:8]), current)
