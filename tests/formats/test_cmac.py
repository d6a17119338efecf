"""The keyless parts of AES-CMAC, against published values and against cryptography."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.cmac import split, subkeys, xor
from tests.hsm.software import aes_cbc, aes_ecb, cmac
from tests.vectors import load


def by_parts(key: bytes, message: bytes) -> bytes:
    """CMAC as the token computes it: chaining value, then one last block."""
    head, last = split(message, aes_ecb(key, bytes(16)))
    chain = aes_cbc(key, bytes(16), head)[-16:] if head else bytes(16)
    return aes_ecb(key, xor(chain, last))


def test_the_subkeys_are_those_of_rfc_4493() -> None:
    k1, k2 = subkeys(bytes.fromhex("7DF76B0C1AB899B33E42F047B91B546F"))
    assert k1.hex().upper() == "FBEED618357133667C85E08F7236A8DE"
    assert k2.hex().upper() == "F7DDAC306AE266CCF90BC11EE46D513B"


def test_a_zero_block_has_zero_subkeys() -> None:
    assert subkeys(bytes(16)) == (bytes(16), bytes(16))


@pytest.mark.parametrize("vector", load("AES-CMAC"), ids=lambda vector: str(vector["id"]))
def test_the_parts_make_the_published_cmac(vector: dict[str, Any]) -> None:
    key, message = (bytes.fromhex(vector["inputs"][name]) for name in ("key", "msg"))
    assert by_parts(key, message).hex().upper() == vector["expect"]["cmac"]


@given(st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32), st.binary())
def test_the_parts_make_the_cmac_of_any_message(key: bytes, message: bytes) -> None:
    assert by_parts(key, message) == cmac(key, message)


@given(st.binary(max_size=100))
def test_the_last_block_is_one_block_and_the_head_whole_blocks(message: bytes) -> None:
    head, last = split(message, bytes(16))
    assert len(last) == 16
    assert len(head) % 16 == 0
    assert message.startswith(head)


def test_strings_of_different_lengths_have_no_xor() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        xor(b"\x01", b"\x01\x02")
