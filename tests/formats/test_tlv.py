"""BER-TLV."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.tlv import Tlv, encode_length, find, read_all, read_dol, tlv

TAGS = st.sampled_from([0x5A, 0x57, 0x9F26, 0x9F36, 0x5F24, 0x70, 0xA5, 0xBF0C, 0xDF8101, 0x84])
OBJECTS = st.builds(Tlv, TAGS, st.binary(max_size=300))

MALFORMED = {
    "tag alone": "5A",
    "two-byte tag cut": "9F",
    "tag of five bytes": "9F8181818101",
    "tag never ends": "9F818181",
    "value short": "5A0211",
    "no value": "5A01",
    "indefinite length": "7080" + "5A0111" + "0000",
    "length's bytes missing": "5A82",
    "length's bytes cut": "5A8201",
    "length of four bytes": "5A8400000001AA",
    "second object cut": "5A01115F2403",
}

LENGTHS = {0: "00", 0x7F: "7F", 0x80: "8180", 0xFF: "81FF", 0x100: "820100", 0x10000: "83010000"}


@given(st.lists(OBJECTS, max_size=5))
def test_a_sequence_reads_back_as_it_was_written(objects: list[Tlv]) -> None:
    assert list(read_all(b"".join(each.encode() for each in objects))) == objects


@given(st.binary(max_size=60))
def test_any_bytes_are_a_sequence_or_bad_input(raw: bytes) -> None:
    try:
        objects = list(read_all(raw))
    except BadInput:
        return
    assert list(read_all(b"".join(each.encode() for each in objects))) == objects


@given(st.binary(max_size=60), TAGS)
def test_a_search_in_any_bytes_ends_or_is_bad_input(raw: bytes, tag: int) -> None:
    try:
        value = find(raw, tag)
    except BadInput:
        return
    assert value is None or value in raw


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_sequence_is_bad_input(raw: str) -> None:
    with pytest.raises(BadInput) as caught:
        list(read_all(bytes.fromhex(raw)))
    assert caught.value.control is Control.BYTES


@pytest.mark.parametrize(("length", "encoded"), LENGTHS.items(), ids=LENGTHS.values())
def test_a_length_takes_the_fewest_bytes(length: int, encoded: str) -> None:
    assert encode_length(length) == bytes.fromhex(encoded)


def test_a_value_of_several_thousand_bytes_reads_back() -> None:
    assert list(read_all(tlv(0x53, bytes(70_000)))) == [Tlv(0x53, bytes(70_000))]


def test_an_object_is_found_at_any_depth() -> None:
    inner = tlv(0xA5, tlv(0xBF0C, tlv(0x9F4D, b"\x0b\x0a")))
    raw = tlv(0x6F, tlv(0x84, b"\xa0") + inner)
    assert find(raw, 0x9F4D) == b"\x0b\x0a"
    assert find(raw, 0x84) == b"\xa0"
    assert find(raw, 0x50) is None


def test_the_first_object_of_a_tag_is_found() -> None:
    assert find(tlv(0x5A, b"\x01") + tlv(0x5A, b"\x02"), 0x5A) == b"\x01"


def test_a_template_has_children_and_a_primitive_is_not_constructed() -> None:
    (template,) = read_all(bytes.fromhex("7006" + "5A0111" + "500141"))
    assert template.constructed
    assert template.children() == [Tlv(0x5A, b"\x11"), Tlv(0x50, b"A")]
    assert not any(child.constructed for child in template.children())


def test_a_data_object_list_gives_tags_and_lengths() -> None:
    assert read_dol(bytes.fromhex("9F02069F03069505")) == [(0x9F02, 6), (0x9F03, 6), (0x95, 5)]


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", ["9F", "9F02", "9F0206" + "95"])
def test_a_data_object_list_that_is_cut_is_bad_input(raw: str) -> None:
    with pytest.raises(BadInput):
        read_dol(bytes.fromhex(raw))
