"""AES-CMAC as a key: KDF3 and SCP03 session keys."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kif.formats.scp03 import Constant, StaticKey
from kif.hsm.cmac import CmacPair, kdf3, kdf3_pair, session_keys
from kif.hsm.form import kcv_of
from kif.hsm.key import Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm import software
from tests.hsm.objects import imported_aes, imported_cmac_master, nothing_left
from tests.vectors import load

KDF3 = [each for each in load("GP-DIV") if each["id"].startswith("DIV-KDF3-")]
SESSIONS = [each for each in load("SCP03") if "s_enc" in each["expect"] and "S16" not in each["id"]]
KEYS = {"enc": StaticKey.ENC, "mac": StaticKey.MAC, "dek": StaticKey.DEK}


def kcv_then_destroyed(key: Key) -> bytes:
    with released(key):
        return kcv_of(key).value


@pytest.mark.control("KIF-HSM-06")
@pytest.mark.parametrize("which", KEYS)
@pytest.mark.parametrize("vector", KDF3, ids=lambda vector: str(vector["id"]))
def test_kdf3_gives_the_published_key(token: Token, vector: dict[str, Any], which: str) -> None:
    master = imported_cmac_master(token, bytes.fromhex(vector["inputs"]["master_key"]))
    kdd = bytes.fromhex(vector["inputs"]["kdd"])
    with released(master.key), nothing_left(token):
        kcv = kcv_then_destroyed(kdf3(master, KEYS[which], kdd, Usage.PUBLIC_BLOCK))
    assert kcv.hex().upper() == vector["expect"][f"kcv_{which}"]


@settings(deadline=None, max_examples=20)
@given(kdd=st.binary(min_size=10, max_size=10), seed=st.binary(min_size=32, max_size=32))
@pytest.mark.parametrize("size", [16, 24, 32])
def test_kdf3_agrees_with_software_for_any_master(
    token: Token, size: int, kdd: bytes, seed: bytes
) -> None:
    value = seed[:size]
    master = imported_cmac_master(token, value)
    with released(master.key):
        for which in StaticKey:
            kcv = kcv_then_destroyed(kdf3(master, which, kdd, Usage.PUBLIC_BLOCK))
            assert kcv == software.aes_kcv(software.kdf3(value, which, kdd))


def test_a_pair_is_one_value_as_two_keys_that_each_do_one_thing(token: Token) -> None:
    value = bytes(range(16))
    master = imported_cmac_master(token, value)
    with released(master.key), nothing_left(token):
        pair = kdf3_pair(master, StaticKey.ENC, bytes(10))
        with released(*pair):
            assert (pair.deriving.usage, pair.public.usage) == (
                Usage.CARD_DERIVATION,
                Usage.PUBLIC_BLOCK,
            )
            static = software.kdf3(value, StaticKey.ENC, bytes(10))
            assert kcv_of(pair.public).value == software.aes_kcv(static)


@pytest.mark.parametrize("vector", SESSIONS, ids=lambda vector: str(vector["id"]))
def test_session_keys_are_the_published_ones(token: Token, vector: dict[str, Any]) -> None:
    static = {name: bytes.fromhex(vector["inputs"][f"key_{name}"]) for name in ("enc", "mac")}
    expect = vector["expect"]
    enc = _session_kcvs(token, static["enc"], [Constant.S_ENC], _context(vector))
    mac = _session_kcvs(token, static["mac"], [Constant.S_MAC, Constant.S_RMAC], _context(vector))
    assert enc | mac == {
        Constant.S_ENC: software.aes_kcv(bytes.fromhex(expect["s_enc"])),
        Constant.S_MAC: software.aes_kcv(bytes.fromhex(expect["s_mac"])),
        Constant.S_RMAC: software.aes_kcv(bytes.fromhex(expect["s_rmac"])),
    }


def _context(vector: dict[str, Any]) -> bytes:
    inputs = vector["inputs"]
    if "host_challenge" in inputs:
        return bytes.fromhex(inputs["host_challenge"] + inputs["card_challenge"])
    return bytes.fromhex(inputs["init_update"][10:26] + inputs["init_update_rsp"][26:42])


def _session_kcvs(
    token: Token, value: bytes, wanted: list[Constant], context: bytes
) -> dict[Constant, bytes]:
    pair = CmacPair(
        imported_aes(token, Usage.CARD_DERIVATION, value),
        imported_aes(token, Usage.PUBLIC_BLOCK, value),
    )
    with released(*pair), nothing_left(token):
        keys = session_keys(pair, dict.fromkeys(wanted, Usage.PUBLIC_BLOCK), context)
        return {constant: kcv_then_destroyed(key) for constant, key in keys.items()}
