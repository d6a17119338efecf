"""Command and response APDUs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.error import BadInput

BYTE = st.integers(0, 255)
LE = st.none() | st.integers(1, 256) | st.integers(257, 65536)
COMMANDS = st.builds(Command, BYTE, BYTE, BYTE, BYTE, st.binary(max_size=700), LE)

KNOWN = {
    "case 1": ("80F22002", Command(0x80, 0xF2, 0x20, 0x02)),
    "case 2": ("80CA006605", Command(0x80, 0xCA, 0x00, 0x66, le=5)),
    "case 2, any length": ("80CA006600", Command(0x80, 0xCA, 0x00, 0x66, le=256)),
    "case 3": ("80E2800002AABB", Command(0x80, 0xE2, 0x80, 0x00, b"\xaa\xbb")),
    "case 4": ("00A40400024F0000", Command(0x00, 0xA4, 0x04, 0x00, b"\x4f\x00", 256)),
    "case 2 extended": ("00B00000000200", Command(0x00, 0xB0, 0x00, 0x00, le=512)),
    "case 2 extended, any length": ("00B00000000000", Command(0, 0xB0, 0, 0, le=65536)),
    "case 4 extended": ("00B1000000000254000200", Command(0, 0xB1, 0, 0, b"\x54\x00", 512)),
}

MALFORMED = {
    "nothing": "",
    "half a header": "80F220",
    "data shorter than Lc": "80E2800002AA",
    "data longer than Lc and Le": "80E2800001AABBCC",
    "Lc zero, then Le": "80E280000000",
    "extended Lc zero, then Le": "80E28000000000" + "0100",
    "extended data short": "80E28000000004AABBCC",
    "extended data and half a Le": "80E28000000002AABB00",
    "extended data too long": "80E28000000002AABB000000",
}


@given(COMMANDS)
def test_a_command_reads_back_as_it_was_written(command: Command) -> None:
    assert Command.decode(command.encode()) == command


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_bad_input(raw: bytes) -> None:
    try:
        command = Command.decode(raw)
    except BadInput:
        return
    assert Command.decode(command.encode()) == command


@pytest.mark.parametrize(("raw", "command"), KNOWN.values(), ids=KNOWN)
def test_the_cases_of_iso_7816_4_read_and_write(raw: str, command: Command) -> None:
    assert Command.decode(bytes.fromhex(raw)) == command
    assert command.encode() == bytes.fromhex(raw)


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_command_is_bad_input(raw: str) -> None:
    with pytest.raises(BadInput, match="A command APDU") as caught:
        Command.decode(bytes.fromhex(raw))
    assert caught.value.control is Control.BYTES


def test_other_data_leaves_the_rest_of_a_command() -> None:
    command = Command(0x80, 0xE2, 1, 2, b"\x01", 256)
    assert command.with_data(b"\x02\x03") == Command(0x80, 0xE2, 1, 2, b"\x02\x03", 256)


@given(st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_a_response_reads_back_as_it_was_written(data: bytes, sw: int) -> None:
    response = Response(data, sw)
    assert Response.decode(response.encode()) == response
    assert response.ok == (sw == 0x9000)


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("raw", [b"", b"\x90"])
def test_a_response_without_a_status_word_is_bad_input(raw: bytes) -> None:
    with pytest.raises(BadInput, match=f"has {len(raw)} bytes, not at least 2"):
        Response.decode(raw)
