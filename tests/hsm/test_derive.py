"""Derivations inside the token, compared by check value with software."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kif.formats import emv
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.derive import derive, derive_2tdea
from kif.hsm.form import kcv_of
from kif.hsm.key import Algorithm, Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import imported, imported_aes, nothing_left
from tests.hsm.software import aes_ecb, aes_kcv, option_a, tdes_kcv
from tests.vectors import load

OPTION_A = [each for each in load("EMV-MK") if each["id"].startswith("EMV-A-")]
SESSION = [each for each in load("EMV-SK-AC") if each["id"] == "CSK-1"]
PANS = st.from_regex(r"[1-9][0-9]{11,18}", fullmatch=True)
PSNS = st.from_regex(r"[0-9]{2}", fullmatch=True)


def tdes_master(token: Token, value: bytes, usage: Usage = Usage.MASTER_DERIVATION) -> Key:
    return imported(token, usage, Algorithm.TDES_2, value)


def kcv_then_destroyed(key: Key) -> bytes:
    with released(key):
        return kcv_of(key).value


@pytest.mark.control("KIF-HSM-06")
@pytest.mark.parametrize("vector", OPTION_A, ids=lambda vector: str(vector["id"]))
def test_option_a_gives_the_published_key(token: Token, vector: dict[str, Any]) -> None:
    given_, expect = vector["inputs"], vector["expect"]
    master = tdes_master(token, bytes.fromhex(given_["imk"]))
    with released(master):
        key = derive_2tdea(master, emv.option_a(given_["pan"], given_["psn"]), Usage.PUBLIC_BLOCK)
        kcv = kcv_then_destroyed(key)
    assert kcv == tdes_kcv(bytes.fromhex(expect["icc_mk"]))
    assert kcv.hex().upper().startswith(expect.get("kcv", ""))


@pytest.mark.parametrize("vector", SESSION, ids=lambda vector: str(vector["id"]))
def test_the_common_session_key_is_the_published_one(token: Token, vector: dict[str, Any]) -> None:
    master = tdes_master(token, bytes.fromhex(vector["inputs"]["mk"]), Usage.CARD_DERIVATION)
    diversifier = bytes.fromhex(vector["inputs"]["R"])
    with released(master):
        data = emv.session_key_data(diversifier)
        derived = kcv_then_destroyed(derive_2tdea(master, data, Usage.PUBLIC_BLOCK))
    assert derived == tdes_kcv(bytes.fromhex(vector["expect"]["sk"]))


@settings(deadline=None, max_examples=30)
@given(value=st.binary(min_size=16, max_size=16), pan=PANS, psn=PSNS)
def test_option_a_agrees_with_software_for_any_master(
    token: Token, value: bytes, pan: str, psn: str
) -> None:
    master = tdes_master(token, value)
    with released(master):
        kcv = kcv_then_destroyed(derive_2tdea(master, emv.option_a(pan, psn), Usage.PUBLIC_BLOCK))
    assert kcv == tdes_kcv(option_a(value, pan, psn))


@pytest.mark.parametrize("size", [16, 24, 32])
def test_an_aes_key_is_the_encryption_of_the_blocks_cut_to_its_length(
    token: Token, size: int
) -> None:
    value, blocks = bytes(range(size)), bytes(range(100, 132))
    master = imported_aes(token, Usage.MASTER_DERIVATION, value)
    with released(master):
        for algorithm in (Algorithm.AES_128, Algorithm.AES_192, Algorithm.AES_256):
            key = derive(master, blocks, algorithm, Usage.PUBLIC_BLOCK)
            expected = aes_ecb(value, blocks)[: algorithm.size]
            assert kcv_then_destroyed(key) == aes_kcv(expected)


def test_every_other_card_atc_or_master_has_another_key(token: Token) -> None:
    masters = [tdes_master(token, bytes([1 + 2 * n]) * 8 + bytes(range(8))) for n in range(3)]
    with nothing_left(token):
        derived = [
            kcv_then_destroyed(derive_2tdea(master, emv.option_a(pan, psn), Usage.PUBLIC_BLOCK))
            for master in masters
            for pan in ("4000000000000002", "4000000000000010", "4000000000000028")
            for psn in ("00", "01")
        ]
        card = derive_2tdea(
            masters[0], emv.option_a("4000000000000002", "00"), Usage.CARD_DERIVATION
        )
        with released(card):
            derived += [
                kcv_then_destroyed(
                    derive_2tdea(
                        card, emv.session_key_data(bytes((0, atc)) + bytes(6)), Usage.PUBLIC_BLOCK
                    )
                )
                for atc in range(6)
            ]
    for master in masters:
        master.destroy()
    assert len(set(derived)) == 3 * 3 * 2 + 6


@pytest.mark.control("KIF-HSM-07")
def test_a_derivation_that_the_token_refuses_is_a_sentence_that_says_what_it_did(
    token: Token,
) -> None:
    master = imported_aes(token, Usage.MASTER_DERIVATION, bytes(16))
    refusal = pytest.raises(DeviceFailed, match="refused while deriving a public-block key")
    with released(master), nothing_left(token), refusal as caught:
        derive(master, bytes(15), Algorithm.AES_128, Usage.PUBLIC_BLOCK)
    assert caught.value.control is Control.TOKEN_CALL
