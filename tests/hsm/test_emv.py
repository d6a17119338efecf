"""EMV cryptograms, against published ones and against pyemv."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyemv import ac, kd

from kif.formats import emv
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.hsm.derive import derive_2tdea
from kif.hsm.emv import application_cryptogram, verify_cryptogram
from kif.hsm.key import Algorithm, Key, released
from kif.hsm.mac import derived_mac_key
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import imported, nothing_left
from tests.vectors import load

BY_ID = {each["id"]: each for each in load("EMV-SK-AC")}
# Option B is option A for a PAN of 16 digits: AC-4 is one of those.
BY_OPTION_A = [BY_ID[each] for each in ("AC-1", "AC-3", "AC-4", "AC-9")]
BY_ICC_KEY = [BY_ID["AC-5"]]
CVN18 = BY_ID["CVN18-1"]
WRONG: dict[str, dict[str, Any]] = {
    "bit of the ARQC": {"arqc": bytes.fromhex("7A788EA6B8A3E732")},
    "ARQC cut": {"arqc": bytes.fromhex("7A788EA6B8A3E7")},
    "no ARQC": {"arqc": b""},
    "next ATC": {"atc": b"\x00\x1d"},
    "other PAN": {"diversification": emv.option_a("1234567890123464", "00")},
    "other sequence number": {"diversification": emv.option_a("1234567890123456", "01")},
    "other amount": {"data": b"\x01" + bytes.fromhex(CVN18["inputs"]["ac_data"])[1:]},
    "data and its padding": {"data": bytes.fromhex(CVN18["inputs"]["ac_data"] + "80")},
}


def master(token: Token, value: str, usage: Usage = Usage.MASTER_DERIVATION) -> Key:
    return imported(token, usage, Algorithm.TDES_2, bytes.fromhex(value))


def cvn18() -> dict[str, Any]:
    given_, expect = CVN18["inputs"], CVN18["expect"]
    return {
        "diversification": emv.option_a(given_["pan"], given_["psn"]),
        "atc": bytes.fromhex(given_["atc"]),
        "data": bytes.fromhex(given_["ac_data"]),
        "arqc": bytes.fromhex(expect["arqc"]),
    }


@pytest.mark.control("KIF-QC-02")
def test_the_published_arqc_verifies(token: Token) -> None:
    key = master(token, CVN18["inputs"]["iss_mk_ac"])
    with released(key), nothing_left(token):
        verify_cryptogram(key, *cvn18().values())


@pytest.mark.control("KIF-QC-02")
@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_an_arqc_over_anything_else_is_refused(token: Token, change: dict[str, Any]) -> None:
    key = master(token, CVN18["inputs"]["iss_mk_ac"])
    refusal = pytest.raises(CheckFailed, match="The card is not good")
    with released(key), nothing_left(token), refusal as caught:
        verify_cryptogram(key, *(cvn18() | change).values())
    assert caught.value.control is Control.CHIP_CRYPTOGRAM
    assert "7A788EA6" not in str(caught.value).upper()


@pytest.mark.control("KIF-QC-02")
def test_an_arqc_under_another_master_is_refused(token: Token) -> None:
    key = master(token, CVN18["inputs"]["iss_mk_smi"])
    with released(key), nothing_left(token), pytest.raises(CheckFailed):
        verify_cryptogram(key, *cvn18().values())


def cryptogram(icc_master: Key, vector: dict[str, Any]) -> str:
    derivation = emv.session_key_data(bytes.fromhex(vector["inputs"]["R"]))
    padded = emv.mac_padded(bytes.fromhex(vector["inputs"]["ac_data"]))
    with derived_mac_key(icc_master, derivation) as key:
        return key.mac(padded).hex().upper()


@pytest.mark.parametrize("vector", BY_OPTION_A, ids=lambda vector: str(vector["id"]))
def test_a_cryptogram_by_option_a_is_the_published_one(
    token: Token, vector: dict[str, Any]
) -> None:
    given_ = vector["inputs"]
    issuer = master(token, given_["imk"])
    icc = derive_2tdea(issuer, emv.option_a(given_["pan"], given_["psn"]), Usage.CARD_DERIVATION)
    with released(issuer, icc):
        assert cryptogram(icc, vector) == vector["expect"]["arqc"]


@pytest.mark.parametrize("vector", BY_ICC_KEY, ids=lambda vector: str(vector["id"]))
def test_a_cryptogram_under_a_cards_key_is_the_published_one(
    token: Token, vector: dict[str, Any]
) -> None:
    icc = master(token, vector["expect"]["icc_mk"], Usage.CARD_DERIVATION)
    with released(icc):
        assert cryptogram(icc, vector) == vector["expect"]["arqc"]


# pyemv calls cryptography's TripleDES by its former name.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(deadline=None, max_examples=40)
@given(
    value=st.binary(min_size=16, max_size=16),
    atc=st.binary(min_size=2, max_size=2),
    data=st.binary(max_size=100),
)
def test_a_cryptogram_agrees_with_pyemv_for_any_key_and_data(
    token: Token, value: bytes, atc: bytes, data: bytes
) -> None:
    icc = imported(token, Usage.CARD_DERIVATION, Algorithm.TDES_2, value)
    with released(icc):
        ours = application_cryptogram(icc, atc, data)
    session = kd.derive_common_sk(value, atc + bytes(6))
    assert ours == ac.generate_ac(session, data, ac.PaddingType.EMV)
