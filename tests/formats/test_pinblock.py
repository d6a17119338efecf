"""PIN blocks, against psec, and what is no PIN block."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from psec import pinblock as psec
from pyemv import sm

from kif.formats import pinblock
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.secret import Secret

PINS = st.from_regex(r"[0-9]{4,12}", fullmatch=True)
PANS = st.from_regex(r"[0-9]{13,19}", fullmatch=True)
NONCES = st.binary(min_size=8, max_size=8)
NO_PINS = [b"", b"123", b"1234567890123", b"12a4", b" 1234", "१२३४".encode(), b"\xff\xff\xff\xff"]
NO_PANS = ["", "12345678901", "1" * 20, "123456789012F", "१२३४५६७८९०१२"]


def secret(pin: str) -> Secret:
    return Secret(pin.encode())


def shown(pin: Secret) -> str:
    return pin.reveal().decode()


@given(PINS, PANS)
def test_format_0_is_what_psec_makes_and_gives_the_pin_back(pin: str, pan: str) -> None:
    block = pinblock.format_0(secret(pin), pan)
    assert block.reveal() == psec.encode_pinblock_iso_0(pin, pan)
    assert shown(pinblock.pin_of(block, pan)) == pin


@given(PINS)
def test_format_2_is_what_psec_makes_and_gives_the_pin_back(pin: str) -> None:
    block = pinblock.format_2(secret(pin))
    assert block.reveal() == psec.encode_pinblock_iso_2(pin)
    assert shown(pinblock.pin_of(block)) == pin


@given(PINS, PANS, NONCES)
def test_format_3_decodes_in_psec_and_here(pin: str, pan: str, nonce: bytes) -> None:
    block = pinblock.format_3(secret(pin), pan, nonce)
    assert psec.decode_pinblock_iso_3(block.reveal(), pan) == pin
    assert shown(pinblock.pin_of(block, pan)) == pin


@given(PINS, NONCES)
def test_format_1_gives_the_pin_back(pin: str, nonce: bytes) -> None:
    block = pinblock.format_1(secret(pin), nonce)
    assert block.reveal().hex().upper().startswith(f"1{len(pin):X}{pin}")
    assert shown(pinblock.pin_of(block)) == pin


@given(PINS, PANS, NONCES)
def test_the_fields_of_format_4_are_what_psec_makes(pin: str, pan: str, nonce: bytes) -> None:
    field = pinblock.format_4(secret(pin), nonce)
    assert field.reveal()[:8] == psec.encode_pin_field_iso_4(pin)[:8]
    assert field.reveal()[8:] == nonce
    assert pinblock.format_4_pan(pan) == psec.encode_pan_field_iso_4(pan)
    assert shown(pinblock.pin_of_format_4(field)) == pin


def test_the_fill_of_formats_1_and_3_follows_the_nonce() -> None:
    one, other = bytes(8), b"\xff" * 8
    pin, pan = secret("1234"), "4111111111111111"
    assert pinblock.format_1(pin, one).reveal() != pinblock.format_1(pin, other).reveal()
    assert pinblock.format_3(pin, pan, one).reveal() != pinblock.format_3(pin, pan, other).reveal()


@given(PINS, PINS, st.binary(min_size=16, max_size=16))
def test_the_block_of_vis_is_what_pyemv_makes(pin: str, current: str, key: bytes) -> None:
    part = Secret(key[4:8])
    assert pinblock.vis(secret(pin), part).reveal() == sm.format_vis_pin_block(key, pin)
    changed = pinblock.vis(secret(pin), part, secret(current))
    assert changed.reveal() == sm.format_vis_pin_block(key, pin, current)


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("value", NO_PINS, ids=repr)
def test_what_is_no_pin_is_in_no_block_and_in_no_sentence(value: bytes) -> None:
    pin, nonce = Secret(value), bytes(8)
    makes: list[Callable[[], Secret]] = [
        lambda: pinblock.format_0(pin, "4111111111111111"),
        lambda: pinblock.format_1(pin, nonce),
        lambda: pinblock.format_2(pin),
        lambda: pinblock.format_3(pin, "4111111111111111", nonce),
        lambda: pinblock.format_4(pin, nonce),
        lambda: pinblock.vis(pin, Secret(bytes(4))),
        lambda: pinblock.vis(secret("1234"), Secret(bytes(4)), pin),
    ]
    for make in makes:
        with pytest.raises(BadInput, match="A PIN has 4 to 12 digits") as caught:
            make()
        assert caught.value.control is Control.BYTES


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("pan", NO_PANS)
def test_what_is_no_pan_makes_no_block(pan: str) -> None:
    makes: list[Callable[[], object]] = [
        lambda: pinblock.format_0(secret("1234"), pan),
        lambda: pinblock.format_3(secret("1234"), pan, bytes(8)),
        lambda: pinblock.format_4_pan(pan),
    ]
    for make in makes:
        with pytest.raises(BadInput, match="A PAN has 12 to 19 digits"):
            make()


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("size", [0, 7, 9])
def test_a_nonce_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(BadInput, match=f"8 bytes, not {size}"):
        pinblock.format_1(secret("1234"), bytes(size))
    with pytest.raises(BadInput, match=f"8 random bytes, not {size}"):
        pinblock.format_4(secret("1234"), bytes(size))


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize(
    "block",
    [
        "",
        "241234FFFFFFFF",
        "231234FFFFFFFFFF",
        "2D1234567890123F",
        "24123AFFFFFFFFFF",
        "241234FFFFFFFFF0",
        "541234FFFFFFFFFF",
    ],
)
def test_what_is_no_pin_block_gives_no_pin(block: str) -> None:
    with pytest.raises(BadInput, match="not a PIN block for this PAN") as caught:
        pinblock.pin_of(Secret(bytes.fromhex(block)), "4111111111111111")
    assert "1234" not in str(caught.value)


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize(
    "field", ["34", "43", "4D", "4C12345678901", "441234AAAAAAAAAB", "44123AAAAAAAAAAA"]
)
def test_what_is_no_field_of_format_4_gives_no_pin(field: str) -> None:
    whole = bytes.fromhex(field.ljust(16, "A") + "00" * 8)
    with pytest.raises(BadInput, match="not a PIN block"):
        pinblock.pin_of_format_4(Secret(whole))


@given(PINS, PANS, PANS)
def test_another_pan_gives_another_pin_or_none(pin: str, pan: str, other: str) -> None:
    block = pinblock.format_0(secret(pin), pan)
    assume(pan[-13:-1] != other[-13:-1])
    with contextlib.suppress(BadInput):
        assert shown(pinblock.pin_of(block, other)) != pin
