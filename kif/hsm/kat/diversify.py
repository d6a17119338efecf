"""AN10922 and GP-DIV: diversified keys, and static keys of cards."""

from __future__ import annotations

from collections.abc import Callable

from kif.formats import cmac, diversification
from kif.formats.scp03 import StaticKey
from kif.hsm import scp02
from kif.hsm.an10922 import diversified
from kif.hsm.cmac import CmacPair, kdf3, key_of_messages
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.form import kcv_of
from kif.hsm.kat.outcome import Leading, Output, Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Skip, Vector
from kif.hsm.key import Algorithm, Cipher, Key
from kif.hsm.usage import Usage

_KEYS = {"enc": StaticKey.ENC, "mac": StaticKey.MAC, "dek": StaticKey.DEK}


def an10922(stand: Stand, vector: Vector) -> Outputs:
    """Derive a key by AN10922; its intermediate values are compared where they are no key."""
    cipher = Cipher.TDEA if vector.says("DES") or vector.says("TDEA") else Cipher.AES
    pair = stand.pair(vector.hex("master_key"), cipher)
    data = vector.hex("div_input")
    key = stand.kept(diversified(stand.token, pair, data, Usage.PUBLIC_BLOCK))
    return {"diversified": key, **_intermediate(stand, vector, pair, data)}


def static_keys(stand: Stand, vector: Vector) -> Outputs:
    """Derive a card's three static keys by KDF3, VISA2 or the EMV form."""
    kdd = vector.hex("kdd")
    derived = _static(stand, vector, kdd)
    found: dict[str, Output] = {}
    for name, which in _KEYS.items():
        found[name] = key = stand.kept(derived(which))
        found[f"kcv_{name}"] = Leading(kcv_of(key).value.hex())
    return found


def counter_kdf(stand: Stand, vector: Vector) -> Outputs:
    """Derive a key by SP 800-108 in counter mode with AES-CMAC."""
    pair = stand.pair(vector.hex("key"), Cipher.AES)
    size = int(vector.text("bits")) // 8
    messages = diversification.counter_kdf_messages(
        vector.hex("label"), vector.hex("context"), 8 * size
    )
    key = key_of_messages(pair, messages, Algorithm.of(Cipher.AES, size), Usage.PUBLIC_BLOCK)
    return {"derived": stand.kept(key)}


def _static(stand: Stand, vector: Vector, kdd: bytes) -> Callable[[StaticKey], Key]:
    value = vector.hex("master_key")
    if vector.says("KDF3"):
        master = stand.master(value, Cipher.AES)
        return lambda which: kdf3(master, which, kdd, Usage.PUBLIC_BLOCK)
    how = next((each for each in scp02.Diversification if vector.says(each.value)), None)
    if how is None:
        raise Skip("Its title names no form of static key diversification (KDF3, VISA2, EMV).")
    deriving = stand.key(value, Cipher.TDEA, Usage.CARD_DERIVATION)
    return lambda which: scp02.static_key(deriving, how, which, kdd, Usage.PUBLIC_BLOCK)


def _intermediate(stand: Stand, vector: Vector, pair: CmacPair, data: bytes) -> Outputs:
    """Return CMAC's subkeys, the padded messages, and each block of the new key as a key."""
    algorithm = pair.deriving.algorithm
    block = algorithm.cipher.block
    k1, k2 = cmac.subkeys(encrypt_blocks(pair.public, bytes(block)))
    found: dict[str, Output] = {"K1": k1.hex(), "K2": k2.hex()}
    if algorithm.cipher is Cipher.TDEA:
        return found
    for message in diversification.an10922_messages("AES", algorithm.size, data):
        name = f"{message[0]:02x}"
        found[f"padded_{name}"] = (message + b"\x80").ljust(2 * block, b"\0")[: 2 * block].hex()
        part = key_of_messages(pair, [message], Algorithm.AES_128, Usage.PUBLIC_BLOCK, 2 * block)
        found[f"cmac_{name}"] = stand.kept(part)
    return found
