"""CVV-PVV and PIN-BLOCK: verification values, PINs and PIN blocks."""

from __future__ import annotations

import re

from kif.formats import emv, pinblock, verification
from kif.formats.secret import Secret
from kif.hsm import pin
from kif.hsm.kat.outcome import Leading, Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Skip, Vector
from kif.hsm.key import Cipher
from kif.hsm.mac import MacKey, derived_mac_key
from kif.hsm.usage import Usage


def verification_value(stand: Stand, vector: Vector) -> Outputs:
    """Compute a CVV, iCVV, CVV2, dynamic CVC3, PVV, or PIN (IBM 3624): what the inputs are for."""
    given = vector.inputs
    if "cvk" in given:
        return _cvv(vector, stand.mac_key(vector.hex("cvk")))
    if "imk_cvc3" in given:
        return _cvc3(stand, vector)
    if "pvki" in given:
        key = stand.key(vector.hex("pvk"), Cipher.TDEA, Usage.PUBLIC_BLOCK)
        value = pin.pvv(key, vector.text("pan"), vector.text("pvki"), _pin(vector))
        return {"pvv": value}
    if "table" in given:
        return _ibm3624(stand, vector)
    raise Skip("Its inputs are for no verification value that kif computes.")


def block(stand: Stand, vector: Vector) -> Outputs:
    """Make a PIN block of format 0 to 4."""
    found = re.search(r"format ([0-4])\b", vector.title)
    if found is None:
        raise Skip("Its title names no PIN block format from 0 to 4.")
    number = found[1]
    if vector.says("decrypt"):
        return _opened(stand, vector, number)
    secret, pan = _pin(vector), vector.inputs.get("pan", "")
    if number == "4":
        key = stand.key(vector.hex("pin_key"), Cipher.AES, Usage.PIN_ENCRYPTION)
        sealed = pin.encrypted_format_4(key, secret, pan, vector.hex("random"))
        return {"block": sealed.hex()}
    nonce = bytes.fromhex(vector.inputs.get("nonce", "0123456789ABCDEF"))
    made = {
        "0": lambda: pinblock.format_0(secret, pan),
        "1": lambda: pinblock.format_1(secret, nonce),
        "2": lambda: pinblock.format_2(secret),
        "3": lambda: pinblock.format_3(secret, pan, nonce),
    }[number]()
    text = made.reveal().hex()
    if number == "1":
        text = _with_published_fill(vector, text, len(secret))
    given_back = pinblock.pin_of(made, pan).reveal().decode()
    return {"block": text, "block_prefix": Leading(text), "pin": given_back}


def _opened(stand: Stand, vector: Vector, number: str) -> Outputs:
    if number != "4":
        raise Skip("kif decrypts PIN blocks of format 4 alone.")
    key = stand.key(vector.hex("key"), Cipher.AES, Usage.PIN_DECRYPTION)
    found = pin.opened_format_4(key, vector.hex("block"), vector.text("pan"))
    return {"pin": found.reveal().decode()}


def _cvv(vector: Vector, key: MacKey) -> Outputs:
    pan, expiry = vector.text("pan"), vector.text("expiry")
    codes = {
        "cvv": vector.inputs.get("service_code", verification.CVV2_SERVICE_CODE),
        "icvv": verification.ICVV_SERVICE_CODE,
        "cvv2_yymm": verification.CVV2_SERVICE_CODE,
    }
    found = {name: pin.cvv(key, pan, expiry, code) for name, code in codes.items()}
    turned = expiry[2:] + expiry[:2]
    found["cvv2_mmyy"] = pin.cvv(key, pan, turned, verification.CVV2_SERVICE_CODE)
    return found


def _cvc3(stand: Stand, vector: Vector) -> Outputs:
    issuer = stand.key(vector.hex("imk_cvc3"), Cipher.TDEA, Usage.CARD_DERIVATION)
    card = emv.option_a(vector.text("pan"), vector.text("psn"))
    with derived_mac_key(issuer, card) as key:
        track = vector.hex("track")
        return {"cvc3_last3": pin.cvc3(key, track, vector.hex("un"), vector.hex("atc"))}


def _ibm3624(stand: Stand, vector: Vector) -> Outputs:
    key = stand.key(vector.hex("pvk"), Cipher.TDEA, Usage.PIN_GENERATION)
    data = verification.ibm3624_block(
        vector.text("pan"), int(vector.text("start")), int(vector.text("length")),
        vector.text("pad"),
    )  # fmt: skip
    found = pin.ibm3624_pin(key, data, vector.text("table"), vector.text("offset"))
    return {"pin": found.reveal().decode()}


def _with_published_fill(vector: Vector, made: str, digits: int) -> str:
    """Return a block of format 1 with the fill of the published one: fills are random."""
    return made[: 2 + digits] + vector.expect.get("block", made)[2 + digits :]


def _pin(vector: Vector) -> Secret:
    return Secret(vector.text("pin").encode())
