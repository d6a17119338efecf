"""EMV derivation data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats import emv
from kif.formats.control import Control
from kif.formats.error import BadInput

MALFORMED = {
    "no PAN": ("", "00"),
    "PAN of 11 digits": ("12345678901", "00"),
    "PAN of 20 digits": ("1" * 20, "00"),
    "letter in the PAN": ("12345678901234F", "00"),
    "space in the PAN": ("1234 5678 9012 3456", "00"),
    "digits of another script": ("١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦", "00"),
    "no sequence number": ("1234567890123456", ""),
    "sequence number of one digit": ("1234567890123456", "1"),
    "sequence number of three digits": ("1234567890123456", "001"),
    "sequence number in hex": ("1234567890123456", "0A"),
    "card of zeros": ("000000000000", "00"),
}


@pytest.mark.parametrize(
    ("pan", "y"),
    [
        ("123456789012", "0012345678901245"),
        ("12345678901234", "1234567890123445"),
        ("12345678901234567", "4567890123456745"),
        ("1234567890123456789", "6789012345678945"),
    ],
)
def test_option_a_takes_the_rightmost_16_digits_of_pan_and_psn(pan: str, y: str) -> None:
    data = emv.option_a(pan, "45")
    assert data[:8].hex() == y
    assert bytes(a ^ b for a, b in zip(data[:8], data[8:], strict=True)) == b"\xff" * 8


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize(("pan", "psn"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_pan_or_psn_is_bad_input_that_does_not_show_it(pan: str, psn: str) -> None:
    with pytest.raises(BadInput) as caught:
        emv.option_a(pan, psn)
    assert caught.value.control is Control.BYTES
    assert not pan or pan not in str(caught.value)


def test_the_session_key_data_replaces_the_third_byte() -> None:
    data = emv.session_key_data(bytes.fromhex("001C000000000000"))
    assert data.hex().upper() == "001CF00000000000" + "001C0F0000000000"


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("size", [0, 2, 7, 9, 15, 17])
def test_a_diversifier_of_another_length_is_bad_input(size: int) -> None:
    with pytest.raises(BadInput, match=f"8 bytes, not {size}"):
        emv.session_key_data(bytes(size))


@given(st.binary(max_size=100))
def test_mac_padding_fills_to_whole_blocks_with_at_least_a_byte(data: bytes) -> None:
    padded = emv.mac_padded(data)
    assert len(padded) % 8 == 0
    assert padded.rstrip(b"\x00") == data + b"\x80"
    assert len(padded) - len(data) <= 8
