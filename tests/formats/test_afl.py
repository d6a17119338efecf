"""The application file locator."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.afl import located, locator
from kif.formats.error import BadInput

FILES = st.dictionaries(st.integers(1, 30), st.tuples(st.integers(1, 20), st.integers(0, 5)))


@given(FILES)
def test_what_is_located_is_what_was_listed(files: dict[int, tuple[int, int]]) -> None:
    places = [
        (sfi, number)
        for sfi, (first, more) in files.items()
        for number in range(first, first + more + 1)
    ]
    assert located(locator(places)) == places


def test_a_known_locator() -> None:
    assert locator([(1, 1), (2, 1), (2, 2)]).hex() == "0801010010010200"
    assert located(b"") == []


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", ["080101", "00010100", "F8010100", "08000100", "08020100"])
def test_what_is_no_locator_is_refused(raw: str) -> None:
    with pytest.raises(BadInput, match="An AFL"):
        located(bytes.fromhex(raw))
