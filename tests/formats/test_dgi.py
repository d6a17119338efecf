"""Data groupings and STORE DATA."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.control import Control
from kif.formats.dgi import Dgi, dgi_size, read_dgis, store_data
from kif.formats.error import BadInput

DGIS = st.builds(Dgi, st.integers(0, 0xFFFF), st.binary(max_size=600))

MALFORMED = {
    "identifier cut": "80",
    "no length": "8000",
    "data short": "800002AA",
    "long length cut": "8000FF01",
    "long data short": "8000FF0003AABB",
    "second grouping cut": "800001AA9000",
}


@given(st.lists(DGIS, max_size=5))
def test_groupings_read_back_as_they_were_written(dgis: list[Dgi]) -> None:
    assert list(read_dgis(b"".join(each.encode() for each in dgis))) == dgis


@pytest.mark.parametrize(
    ("size", "head"), [(0, "00"), (254, "FE"), (255, "FF00FF"), (256, "FF0100")]
)
def test_a_length_up_to_fe_takes_one_byte_and_a_longer_one_three(size: int, head: str) -> None:
    assert Dgi(0x0101, bytes(size)).encode()[: -size or None].hex().upper() == "0101" + head


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_grouping_is_bad_input(raw: str) -> None:
    with pytest.raises(BadInput) as caught:
        list(read_dgis(bytes.fromhex(raw)))
    assert caught.value.control is Control.BYTES


@pytest.mark.control("KIF-FMT-01")
def test_a_grouping_that_no_length_can_say_is_bad_input() -> None:
    with pytest.raises(BadInput, match="DGI 0101 has 65536 bytes"):
        Dgi(0x0101, bytes(0x10000)).encode()


@given(DGIS)
def test_the_size_of_a_grouping_is_known_from_its_head(dgi: Dgi) -> None:
    encoded = dgi.encode()
    head = 3 if len(dgi.data) < 0xFF else 5
    assert dgi_size(encoded[:head]) == dgi_size(encoded + b"more") == len(encoded)
    assert dgi_size(encoded[: head - 1]) is None


@given(st.lists(DGIS, min_size=1, max_size=5), st.integers(16, 247))
def test_store_data_carries_every_grouping_whole_and_in_order(dgis: list[Dgi], block: int) -> None:
    commands = store_data(dgis, block)
    assert list(read_dgis(b"".join(each.data for each in commands))) == dgis
    assert all(0 < len(each.data) <= block for each in commands)
    assert [each.p2 for each in commands] == list(range(len(commands)))


@given(st.lists(DGIS, min_size=1, max_size=5), st.integers(16, 247))
def test_only_the_last_block_is_marked_last(dgis: list[Dgi], block: int) -> None:
    commands = store_data(dgis, block)
    assert [bool(each.p1 & 0x80) for each in commands] == [False] * (len(commands) - 1) + [True]


def test_every_block_of_an_encrypted_grouping_is_marked_encrypted() -> None:
    commands = store_data([Dgi(0x0101, b"\x01"), Dgi(0x8000, bytes(48), encrypted=True)], 40)
    assert [each.p1 for each in commands] == [0x08, 0x68, 0xE8]
    assert {(each.cla, each.ins) for each in commands} == {(0x80, 0xE2)}


def test_a_grouping_begins_a_block_of_its_own() -> None:
    commands = store_data([Dgi(0x0101, b"\x01"), Dgi(0x0102, b"\x02")], 247)
    assert [each.data.hex() for each in commands] == ["01010101", "01020102"]


@pytest.mark.control("KIF-FMT-01")
def test_more_blocks_than_p2_counts_are_bad_input() -> None:
    assert len(store_data([Dgi(0x0101, bytes(11))] * 256, 16)) == 256
    with pytest.raises(BadInput, match="257 blocks; P2 counts up to 256"):
        store_data([Dgi(0x0101, bytes(11))] * 257, 16)
