"""Track 2 equivalent data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.error import BadInput
from kif.formats.track2 import Track2

digits = "0123456789"


@given(
    st.text(alphabet=digits, min_size=12, max_size=19),
    st.text(alphabet=digits, min_size=4, max_size=4),
    st.text(alphabet=digits, min_size=3, max_size=3),
    st.text(alphabet=digits, max_size=8),
)
def test_a_track_comes_back(pan: str, expiry: str, service: str, data: str) -> None:
    track = Track2(pan, expiry, service, data)
    assert Track2.decode(track.encode()) == track


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        (Track2("4111111111111111", "3112", "201", "0"), "4111111111111111D31122010F"[:26]),
        (Track2("411111111111111", "3112", "201", ""), "411111111111111D3112201F"),
    ],
)
def test_it_is_padded_to_whole_bytes(track: Track2, expected: str) -> None:
    text = track.encode().hex().upper()
    assert text.rstrip("F") == expected.rstrip("F")
    assert len(text) % 2 == 0


@pytest.mark.parametrize(
    ("track", "words"),
    [
        (Track2("41111", "3112", "201", ""), "PAN"),
        (Track2("4111111111111111", "312", "201", ""), "expiry"),
        (Track2("4111111111111111", "3112", "2O1", ""), "service code"),
        (Track2("4111111111111111", "3112", "201", "x"), "discretionary data"),
        (Track2("4111111111111111111", "3112", "201", "1" * 11), "discretionary data"),
    ],
)
def test_a_field_of_the_wrong_form_is_named_without_its_value(track: Track2, words: str) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        track.encode()
    assert "4111" not in str(refused.value)
    assert "4111" not in repr(track)


@pytest.mark.parametrize("raw", ["", "4111", "D311220100", "41D1", "411111111111D31A2201"])
def test_other_bytes_are_refused(raw: str) -> None:
    with pytest.raises(BadInput):
        Track2.decode(bytes.fromhex(raw))
