"""EMV cryptograms with keys in the token (EMV 4.3 Book 2, 8.1, 8.2, 9.2, 9.3 and annex A1)."""

import hmac
from enum import StrEnum

from kif.formats import emv
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.secret import Secret
from kif.hsm.crypt import encrypt_blocks, encrypt_chain
from kif.hsm.derive import derive, derive_2tdea
from kif.hsm.key import Algorithm, Cipher, Key, released
from kif.hsm.mac import MacKey, derived_mac_key
from kif.hsm.usage import Usage

_APPROVED_CODE = b"00"
_APPROVED_UPDATE = bytes.fromhex("00800000")
"""CSU: the issuer approves online transaction (byte 2, bit 8; Book 3, annex C10)."""


def verify_cryptogram(
    issuer_master: Key, diversification: bytes, atc: bytes, data: bytes, cryptogram: bytes
) -> None:
    """Verify an ARQC or TC under option A or B and the common session key (``CheckFailed``).

    ``diversification`` has the 16 bytes of the option (:func:`kif.formats.emv.option_a`); ``data``
    is what the chip MACed, not yet padded; ``atc`` two bytes; ``cryptogram`` eight.
    """
    icc_master = derive_2tdea(issuer_master, diversification, Usage.CARD_DERIVATION)
    with released(icc_master):
        expected = application_cryptogram(icc_master, atc, data)
    if not hmac.compare_digest(expected, cryptogram):
        raise CheckFailed(
            Control.CHIP_CRYPTOGRAM,
            "The chip's cryptogram is not what its derived key gives. The card is not good.",
        )


def issuer_authentication(
    issuer_master: Key, diversification: bytes, atc: bytes, arqc: bytes, method: int
) -> bytes:
    """Return issuer authentication data (tag 91) that approves: by ARPC method 1 or 2 (8.2).

    Method 1: ARPC (8 bytes) and response code 00. Method 2: ARPC (4) and CSU (4), which approves.
    """
    icc_master = derive_2tdea(issuer_master, diversification, Usage.CARD_DERIVATION)
    session = emv.session_key_data(emv.of_atc(atc))
    with released(icc_master), derived_mac_key(icc_master, session) as key:
        if method == 1:
            return arpc_method_1(key, arqc, _APPROVED_CODE) + _APPROVED_CODE
        return arpc_method_2(key, arqc, _APPROVED_UPDATE) + _APPROVED_UPDATE


def application_cryptogram(icc_master: Key, atc: bytes, data: bytes) -> bytes:
    """Return the 8-byte application cryptogram over data, which is padded here."""
    with derived_mac_key(icc_master, emv.session_key_data(emv.of_atc(atc))) as session:
        return session.mac(emv.mac_padded(data))


def icc_master_key(issuer_master: Key, pan: str, sequence_number: str, usage: Usage) -> Key:
    """Derive an ICC master key: option B from a 2TDEA master, option C from AES (A1.4).

    Option B is option A for every PAN of at most 16 digits.
    """
    algorithm = issuer_master.algorithm
    if algorithm.cipher is Cipher.TDEA:
        return derive_2tdea(issuer_master, emv.option_b(pan, sequence_number), usage)
    data = emv.option_c(pan, sequence_number, algorithm.size)
    return derive(issuer_master, data, algorithm, usage)


def common_session_key(icc_master: Key, diversifier: bytes, usage: Usage) -> Key:
    """Derive the common session key (A1.3.1): 8 bytes of diversifier for 2TDEA, 16 for AES.

    For an application cryptogram it is ATC and zeros, for secure messaging the cryptogram.
    """
    algorithm = icc_master.algorithm
    if algorithm is Algorithm.TDES_2:
        return derive_2tdea(icc_master, emv.session_key_data(diversifier), usage)
    data = emv.aes_session_key_data(diversifier, algorithm.size)
    return derive(icc_master, data, algorithm, usage)


def arpc_method_1(key: MacKey, arqc: bytes, response_code: bytes) -> bytes:
    """Return the 8-byte ARPC over ARQC and authorisation response code (8.2.1)."""
    return key.block(emv.arpc_block(arqc, response_code))


def arpc_method_2(
    key: MacKey, arqc: bytes, status_update: bytes, proprietary: bytes = b""
) -> bytes:
    """Return the 4-byte ARPC over ARQC, card status update and proprietary data (8.2.2)."""
    return key.mac(emv.mac_padded(emv.arpc_data(arqc, status_update, proprietary)))[:4]


def script_mac(key: MacKey, message: bytes) -> bytes:
    """Return the 8-byte MAC of an issuer script command (9.2.3).

    ``message`` is header and data as the application has them: with ATC and cryptogram after the
    header where the card wants these.
    """
    return key.mac(emv.mac_padded(message))


class ScriptPadding(StrEnum):
    """How a script's data is padded before it is encrypted."""

    EMV = "EMV"
    """80 00… always, CBC (9.3.1.1, format 1)."""
    IF_NEEDED = "Mastercard"
    """80 00… unless the data is whole blocks, CBC (M/Chip)."""
    VIS = "Visa"
    """The length before it, 80 00… after it, ECB (VIS)."""


def encrypt_script_data(key: Key, data: Secret, padding: ScriptPadding) -> bytes:
    """Return the data of an issuer script, encrypted under the session key for confidentiality."""
    clear = data.reveal()
    if padding is ScriptPadding.VIS:
        return encrypt_blocks(key, emv.mac_padded(bytes((len(clear),)) + clear))
    whole = padding is ScriptPadding.IF_NEEDED and len(clear) % emv.DES_BLOCK == 0
    return encrypt_chain(key, clear if whole else emv.mac_padded(clear))
