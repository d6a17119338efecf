"""PANs: check digit, BIN, hash total."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.pan import bin_of, check_digit_is_right, hash_total, with_check_digit

digits = st.text(alphabet="0123456789", min_size=11, max_size=18)


@pytest.mark.parametrize("pan", ["4111111111111111", "5500005555555559", "340000000000009"])
def test_well_known_test_numbers_are_right(pan: str) -> None:
    assert check_digit_is_right(pan)


@pytest.mark.control("KIF-GW-09")
@given(digits, st.integers(1, 9))
def test_only_one_digit_is_the_check_digit(body: str, more: int) -> None:
    right = with_check_digit(body)
    assert check_digit_is_right(right)
    assert not check_digit_is_right(body + str((int(right[-1]) + more) % 10))


@pytest.mark.parametrize(
    ("pan", "expected"), [("4111111111111111", "41111111"), ("340000000000009", "340000")]
)
def test_a_bin_has_eight_digits_from_sixteen_on(pan: str, expected: str) -> None:
    assert bin_of(pan) == expected


def test_a_hash_total_is_a_sum_of_sixteen_digits() -> None:
    assert hash_total([]) == "0" * 16
    assert hash_total(["9999999999999999", "2"]) == "0000000000000001"
    assert hash_total(["1", "2"]) == hash_total(["2", "1"])
