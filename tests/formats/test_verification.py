"""Verification values: what they are computed from, and how they are read off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psec import cvv as psec_cvv
from psec import pin as psec_pin

from kif.formats import verification
from kif.formats.cmac import xor
from kif.formats.error import BadInput
from tests.hsm.software import tdes_ecb

KEYS = st.binary(min_size=16, max_size=16)
PANS = st.from_regex(r"[0-9]{12,19}", fullmatch=True)
FULL = st.from_regex(r"[0-9]{16}", fullmatch=True)
PAN = "4123456789012345"


@given(KEYS, PANS, st.from_regex(r"[0-9]{4}", fullmatch=True), st.sampled_from(["101", "999"]))
def test_a_cvv_is_what_psec_computes(key: bytes, pan: str, expiry: str, code: str) -> None:
    first, second = verification.cvv_blocks(pan, expiry, code)
    left = tdes_ecb(key[:8] * 2, first)
    value = verification.cvv_of(tdes_ecb(key, xor(left, second)))
    assert value == psec_cvv.generate_cvv(key, pan, expiry, code)


@given(KEYS, FULL, st.from_regex(r"[0-9]{4}", fullmatch=True), st.sampled_from("0123456"))
def test_a_pvv_is_what_psec_computes(key: bytes, pan: str, pin: str, index: str) -> None:
    value = verification.pvv_of(tdes_ecb(key, verification.pvv_block(pan, index, pin)))
    assert value == psec_pin.generate_visa_pvv(key, index, pin, pan)


@given(KEYS, FULL, st.from_regex(r"[0-9]{4,12}", fullmatch=True))
def test_an_offset_takes_the_natural_pin_to_the_chosen_one(
    key: bytes, pan: str, chosen: str
) -> None:
    table = "1234567890123456"
    block = verification.ibm3624_block(pan, 0, 16, "F")
    cryptogram = tdes_ecb(key, block)
    natural = verification.ibm3624_pin(cryptogram, table, "0" * len(chosen))
    offset = verification.ibm3624_offset(natural, chosen)
    assert verification.ibm3624_pin(cryptogram, table, offset) == chosen
    assert psec_pin.generate_ibm3624_pin(key, table, offset, pan, 0, 16, "F") == chosen


def test_letters_come_after_digits_and_count_from_zero() -> None:
    assert verification.cvv_of(bytes.fromhex("ABCDEF1ABCDEF2AB")) == "120"
    assert verification.pvv_of(bytes.fromhex("FFFFFFFFFFFFFF7A")) == "7555"


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: verification.cvv_blocks("1" * 11, "8701", "101"), "A PAN has 12 to 19"),
        (lambda: verification.cvv_blocks(PAN, "870", "101"), "An expiry date has 4"),
        (lambda: verification.cvv_blocks(PAN, "8701", "10A"), "A service code has 3"),
        (lambda: verification.pvv_block(PAN, "A", "1234"), "A PVV key index has 1"),
        (lambda: verification.pvv_block(PAN, "1", "123"), "A PIN for a PVV has 4"),
        (lambda: verification.ibm3624_block(PAN, 2, 15, "F"), "is not in a PAN of 16"),
        (lambda: verification.ibm3624_block(PAN, -1, 4, "F"), "is not in a PAN of 16"),
        (lambda: verification.ibm3624_block(PAN, 0, 16, "G"), "its pad is not one"),
        (lambda: verification.ibm3624_pin(bytes(8), "12345", "0000"), "A decimalisation table"),
        (lambda: verification.ibm3624_pin(bytes(8), "1" * 16, "000"), "An offset has 4 to 12"),
        (lambda: verification.cvc3_block(b"", bytes(4), bytes(2)), "A CVC3 takes"),
    ],
)
def test_what_is_no_input_says_so(call: object, why: str) -> None:
    assert callable(call)
    with pytest.raises(BadInput, match=why):
        call()
