"""EMV cryptograms with keys in the token (EMV 4.3 Book 2, 8.1 and annex A1.2.1).

Single DES is gone from current libraries, so ISO/IEC 9797-1 algorithm 3 is computed with 2TDEA:
under a key ``KL || KL`` a 2TDEA block is a single-DES block. All blocks but the last go through CBC
under that twin; the last, xored with the chain, through ECB under the whole key.
"""

import hmac

from pkcs11 import Mechanism

from kif.formats import emv
from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.hsm.derive import derive_2tdea
from kif.hsm.key import Key, all_or_none, encrypt_blocks, released
from kif.hsm.library import calling
from kif.hsm.usage import Usage

_BLOCK = emv.DES_BLOCK


def verify_arqc(
    issuer_master: Key, diversification: bytes, atc: bytes, data: bytes, arqc: bytes
) -> None:
    """Verify an ARQC under option A or B and the common session key. Raises ``CheckFailed``.

    ``diversification`` has the 16 bytes of the option (:func:`kif.formats.emv.option_a`); ``data``
    is what the chip MACed, not yet padded; ``atc`` two bytes; ``arqc`` eight.
    """
    icc_master = derive_2tdea(issuer_master, diversification, Usage.CARD_DERIVATION)
    with released(icc_master):
        expected = application_cryptogram(icc_master, atc, data)
    if not hmac.compare_digest(expected, arqc):
        raise CheckFailed(
            Control.CHIP_CRYPTOGRAM,
            "The chip's ARQC is not the one that its derived key gives. The card is not good.",
        )


def application_cryptogram(icc_master: Key, atc: bytes, data: bytes) -> bytes:
    """Return the 8-byte application cryptogram over data, which is padded here."""
    return retail_mac(icc_master, emv.session_key_data(atc + bytes(6)), emv.mac_padded(data))


def retail_mac(parent: Key, derivation: bytes, padded: bytes) -> bytes:
    """Return the algorithm 3 MAC over whole blocks with the key that ``derivation`` gives.

    ``derivation`` is 16 bytes: its first half gives KL, so that the half twice gives ``KL || KL``.
    """
    with all_or_none() as made:
        whole = made(derive_2tdea(parent, derivation, Usage.PUBLIC_BLOCK))
        left = made(derive_2tdea(parent, derivation[:_BLOCK] * 2, Usage.PUBLIC_BLOCK))
    with released(whole, left):
        chain = _cbc(left, padded[:-_BLOCK])[-_BLOCK:] if len(padded) > _BLOCK else bytes(_BLOCK)
        return encrypt_blocks(whole, xor(chain, padded[-_BLOCK:]))


def _cbc(key: Key, blocks: bytes) -> bytes:
    with calling("computing a MAC"):
        return key.native.encrypt(
            blocks, mechanism=Mechanism.DES3_CBC, mechanism_param=bytes(_BLOCK)
        )
