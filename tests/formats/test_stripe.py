"""Tracks of a magnetic stripe: what they say, and how each character is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.stripe import Account, Stripe, decoded, encoded

ACCOUNT = Account("9999990000000014", "TEST/CARDHOLDER AA", "2802", "201", "11234561")


def test_both_tracks_say_what_the_standard_has_on_them() -> None:
    """ISO/IEC 7813: format B with two field separators; track 2 with one."""
    made = ACCOUNT.stripe()
    assert made.track_1 == "%B9999990000000014^TEST/CARDHOLDER AA^280220111234561?"
    assert made.track_2 == ";9999990000000014=280220111234561?"
    assert "9999" not in repr(made) + repr(ACCOUNT)


def test_characters_are_written_as_the_standard_codes_them() -> None:
    """ISO/IEC 7811-2, tables 4 and 5: sentinels, separators and digits, with their parity bit."""
    assert encoded(";5=?")[:4] == bytes((0b01011, 0b10101, 0b01101, 0b11111))
    assert encoded("%B^?")[:4] == bytes((0b1000101, 0b1100010, 0b0111110, 0b0011111))


def test_the_check_character_makes_each_column_even() -> None:
    for track, bits in zip(ACCOUNT.stripe().encoded(), (6, 4), strict=True):
        columns = [sum(byte >> place & 1 for byte in track) for place in range(bits)]
        assert all(count % 2 == 0 for count in columns)
        assert all(byte.bit_count() % 2 == 1 for byte in track)


@given(st.text("0123456789", min_size=1, max_size=13))
def test_what_is_written_is_read(own: str) -> None:
    made = Account("9999990000000014", "A/B", "2802", "201", own).stripe()
    assert Stripe(*(decoded(at, raw) for at, raw in enumerate(made.encoded(), start=1))) == made


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("number", [1, 2])
def test_a_bit_that_is_wrong_is_found_wherever_it_is(number: int) -> None:
    raw = ACCOUNT.stripe().encoded()[number - 1]
    for at in range(len(raw)):
        for bit in range(8):
            damaged = bytearray(raw)
            damaged[at] ^= 1 << bit
            with pytest.raises(BadInput) as caught:
                decoded(number, bytes(damaged))
            assert caught.value.control is Control.BYTES


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", [b"", b"\x0b", encoded(";5=?")[1:], encoded(";5=?")[:-1]])
def test_a_track_that_is_not_whole_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInput):
        decoded(2, raw)


@pytest.mark.control("KIF-GW-08")
@pytest.mark.parametrize(
    ("account", "told"),
    [
        (Account("9" * 16, "MÜLLER/A", "2802", "201", "1"), "does not go onto track 1"),
        (Account("9" * 16, "A^B", "2802", "201", "1"), "does not go onto track 1"),
        (Account("9" * 16, "A/B", "2802", "201", "1" * 14), "Track 2 would have 40 characters"),
        (Account("9" * 16, "A" * 26, "2802", "201", "1" * 25), "Track 1 would have 79"),
    ],
)
def test_what_has_no_room_is_said(account: Account, told: str) -> None:
    with pytest.raises(BadInput, match=told) as caught:
        account.stripe()
    assert caught.value.control is Control.RECORD


def test_a_character_that_a_track_can_not_have_is_not_written() -> None:
    with pytest.raises(BadInput, match="can't have"):
        encoded(";A?")
