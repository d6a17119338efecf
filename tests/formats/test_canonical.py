"""Canonical JSON."""

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput

NAMES = st.text(st.characters(max_codepoint=127))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)

MALFORMED = {
    "nothing": b"",
    "no JSON": b"{",
    "a blank": b'{"a": 1}',
    "a line end": b"1\n",
    "other order": b'{"b":1,"a":2}',
    "a name twice": b'{"a":1,"a":1}',
    "a number in another form": b"1.0",
    "not a number": b"NaN",
    "infinity": b"1e999",
    "a number that loses digits": b"9007199254740993",
    "an escape that is not needed": b'"\\u0041"',
    "half a surrogate pair": b'"\\ud800"',
    "a byte order mark": b"\xef\xbb\xbf1",
    "UTF-16": '{"a":1}'.encode("utf-16-le"),
    "no UTF-8": b'"\xff"',
    "two values": b"1 2",
    "nested without end": b"[" * 100_000,
    "nested too deep": b"[" * 100_000 + b"]" * 100_000,
}


@given(VALUES)
def test_a_value_reads_back_as_it_was_written(value: Any) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(VALUES)
def test_it_is_what_an_independent_library_writes(value: Any) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


def test_names_are_sorted_and_nothing_is_blank() -> None:
    assert canonical.encode({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_any_other_form_is_bad_input(raw: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        canonical.decode(raw)
    assert caught.value.control is Control.BYTES
