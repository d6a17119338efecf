"""PUT KEY: what is written is read, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.apdu import Command
from kif.formats.error import BadInput
from kif.formats.putkey import KeyField, put_key, put_key_answer, read_put_key

FIELDS = tuple(KeyField(16, bytes((n,)) * 16, bytes((n,)) * 3) for n in (1, 2, 3))
SENT = put_key(1, 0x30, FIELDS)


def test_the_command_is_that_of_the_standard() -> None:
    """Amendment D, 7.2: version; 88, length, size, cryptogram, 03, check value; three times."""
    assert SENT.header.hex().upper() == "80D80181"
    assert SENT.data.hex().upper().startswith("30" + "881110" + "01" * 16 + "03010101" + "881110")
    assert len(SENT.data) == 1 + 3 * (2 + 1 + 16 + 1 + 3)
    assert put_key_answer(0x30, FIELDS).hex() == "30" + "010101" + "020202" + "030303"


@given(st.integers(1, 0x7F), st.sampled_from((16, 32)), st.binary(min_size=105, max_size=105))
def test_what_is_written_is_read(version: int, size: int, drawn: bytes) -> None:
    fields = tuple(
        KeyField(size, drawn[at : at + size], drawn[at + size : at + size + 3])
        for at in range(0, 3 * 35, 35)
    )
    assert read_put_key(put_key(0, version, fields)) == (version, fields)


CASES: dict[str, Command] = {
    "nothing": SENT.with_data(b""),
    "version 0": SENT.with_data(b"\x00" + SENT.data[1:]),
    "version 80": SENT.with_data(b"\x80" + SENT.data[1:]),
    "a byte too few": SENT.with_data(SENT.data[:-1]),
    "a byte too many": SENT.with_data(SENT.data + b"\x00"),
    "two keys": put_key(1, 2, FIELDS[:2]),
    "four keys": put_key(1, 2, (*FIELDS, FIELDS[0])),
    "another type of key": SENT.with_data(SENT.data.replace(b"\x88\x11", b"\x80\x11", 1)),
    "a longer check value": SENT.with_data(SENT.data.replace(b"\x03\x01\x01", b"\x04\x01\x01", 1)),
    "one key by its number": replace(SENT, p2=0x01),
}


@pytest.mark.parametrize("case", CASES)
def test_anything_else_is_refused(case: str) -> None:
    with pytest.raises(BadInput, match="not PUT KEY with three such keys"):
        read_put_key(CASES[case])
