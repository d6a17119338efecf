"""The BER reader: strict, linear, bounded."""

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from kif.formats import ber
from kif.formats.error import BadInput

INDEFINITE = bytes.fromhex("3080 2480 0402 6162 0401 63 0000 020105 0000".replace(" ", ""))


def test_a_definite_sequence_is_read() -> None:
    whole = ber.read(bytes.fromhex("30080201050403616263"))
    number, text = whole.expect(ber.SEQUENCE).children()
    assert (number.integer(), text.octets()) == (5, b"abc")


def test_an_indefinite_sequence_and_a_string_in_pieces_are_read() -> None:
    text, number = ber.read(INDEFINITE).children()
    assert (text.octets(), number.integer()) == (b"abc", 5)
    assert bytes(ber.read(INDEFINITE).raw) == INDEFINITE


@pytest.mark.parametrize("oid", ["1.2.840.113549.1.7.3", "2.16.840.1.101.3.4.1.42", "2.999.3"])
def test_object_identifiers_agree_with_another_implementation(oid: str) -> None:
    encoded = core.ObjectIdentifier(oid).dump()
    assert ber.read(encoded).oid() == oid


@given(st.integers(-(2**70), 2**70))
def test_integers_agree_with_another_implementation(value: int) -> None:
    assert ber.read(core.Integer(value).dump()).integer() == value


BAD = {
    "nothing": b"",
    "half a head": b"\x30",
    "a byte too few": bytes.fromhex("3003020105")[:-1],
    "a byte too many": bytes.fromhex("300302010500"),
    "a length of nine bytes": b"\x30\x89" + bytes(9),
    "a length that is cut off": b"\x30\x82\x01",
    "an endless element without an end": bytes.fromhex("3080020105"),
    "a primitive without a length": bytes.fromhex("0480610000"),
    "more parts than anyone needs": b"\x30\x84\x00\x04\x00\x00" + b"\x05\x00" * 131072,
    "a high tag": bytes.fromhex("1f8101020105"),
}


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("case", BAD)
def test_broken_encodings_are_refused(case: str) -> None:
    with pytest.raises(BadInput, match="BER encoding is broken"):
        ber.read(BAD[case]).children()


NUMBERS = {
    "an empty integer": b"\x02\x00",
    "an integer of 4,000 bytes": b"\x02\x82\x0f\xa0" + b"\x7f" * 4000,
    "an empty identifier": b"\x06\x00",
    "an identifier of 4,000 bytes": b"\x06\x82\x0f\xa0" + b"\x81" * 3999 + b"\x01",
    "an identifier that is cut off": b"\x06\x03\x2a\x03\x81",
}


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("case", NUMBERS)
def test_numbers_that_nobody_needs_are_refused(case: str) -> None:
    element = ber.read(NUMBERS[case])
    with pytest.raises(BadInput, match="BER encoding is broken"):
        element.integer() if element.tag == ber.INTEGER else element.oid()


@pytest.mark.parametrize("raw", [b"\x30\x80" * 5000, b"\x24\x80" * 100_000 + b"\x00\x00" * 100_000])
def test_nesting_is_bounded(raw: bytes) -> None:
    with pytest.raises(BadInput):
        ber.read(raw)


def walk(element: ber.Element) -> None:
    if element.tag in (ber.INTEGER, ber.OID):
        element.integer() if element.tag == ber.INTEGER else element.oid()
    if element.tag & 0x20:
        for child in element.children():
            walk(child)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_read_or_be_refused(raw: bytes) -> None:
    try:
        walk(ber.read(raw))
    except BadInput:
        return


@given(st.integers(0, len(INDEFINITE) - 1), st.integers(0, 255))
def test_no_altered_byte_does_either(place: int, value: int) -> None:
    try:
        walk(ber.read(INDEFINITE[:place] + bytes((value,)) + INDEFINITE[place + 1 :]))
    except BadInput:
        return
