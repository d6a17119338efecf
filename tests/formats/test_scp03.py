"""SCP03 messages; keys are software's here."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats import scp03
from kif.formats.error import BadInput
from tests.hsm.software import cmac
from tests.vectors import load

VECTORS = [each for each in load("SCP03") if "S16" not in each["id"]]
LONG = [each for each in load("SCP03") if "S16" in each["id"]]
ANSWERED = [each for each in VECTORS if "init_update" in each["inputs"]]
PSEUDO_RANDOM = [each for each in VECTORS if "card_challenge_pseudo_random" in each["expect"]]


def name(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def answer(vector: dict[str, Any]) -> bytes:
    """INITIALIZE UPDATE's answer without status word: some sources print it."""
    raw = bytes.fromhex(vector["inputs"]["init_update_rsp"])
    return raw[:-2] if raw.endswith(b"\x90\x00") and len(raw) in (31, 34, 47, 50) else raw


@pytest.mark.parametrize("vector", ANSWERED, ids=name)
def test_initialize_update_is_the_published_command(vector: dict[str, Any]) -> None:
    published = bytes.fromhex(vector["inputs"]["init_update"])
    assert scp03.initialize_update(published[2], published[5:13]) == published


@pytest.mark.parametrize("vector", ANSWERED, ids=name)
def test_its_answer_reads_into_its_fields(vector: dict[str, Any]) -> None:
    raw = answer(vector)
    read = scp03.InitializeUpdateResponse.decode(raw)
    assert read.card_cryptogram.hex().upper() == vector["expect"]["card_cryptogram"]
    fields = read.diversification_data, read.key_version, read.i, read.card_challenge
    assert fields == (raw[:10], raw[10], raw[12], raw[13:21])
    assert read.sequence_counter == raw[29:32]


def test_an_answer_without_sequence_counter_has_none() -> None:
    read = scp03.InitializeUpdateResponse.decode(answer(ANSWERED[0])[:29])
    assert read.sequence_counter is None


@pytest.mark.parametrize("vector", LONG, ids=name)
def test_an_answer_in_s16_mode_has_a_challenge_and_a_cryptogram_of_16_bytes(
    vector: dict[str, Any],
) -> None:
    decoded = scp03.InitializeUpdateResponse.decode(answer(vector))
    assert decoded.card_cryptogram.hex().upper() == vector["expect"]["card_cryptogram"]
    assert (len(decoded.card_challenge), decoded.sequence_counter) == (16, b"\x00\x08\x2a")


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("size", [0, 1, 11, 28, 30, 31, 33])
def test_an_answer_of_another_length_is_bad_input(size: int) -> None:
    with pytest.raises(BadInput, match=f"gave {size} bytes"):
        scp03.InitializeUpdateResponse.decode((b"\x03" * 40)[:size])


@pytest.mark.control("KIF-FMT-01")
def test_an_answer_in_scp02_is_bad_input() -> None:
    raw = bytearray(answer(ANSWERED[0]))
    raw[11] = 0x02
    with pytest.raises(BadInput, match="with 03 as protocol"):
        scp03.InitializeUpdateResponse.decode(bytes(raw))


@pytest.mark.parametrize("vector", PSEUDO_RANDOM, ids=name)
def test_a_pseudo_random_card_challenge_follows_from_counter_and_aid(
    vector: dict[str, Any],
) -> None:
    inputs = vector["inputs"]
    counter = inputs["seq"] if "seq" in inputs else answer(vector)[29:].hex()
    context = bytes.fromhex(counter + inputs["invoking_aid"])
    (message,) = scp03.derivation_messages(scp03.Constant.CARD_CHALLENGE, context, 64)
    key = bytes.fromhex(inputs.get("key_enc") or inputs["key"])
    expected = vector["expect"]["card_challenge_pseudo_random"]
    assert cmac(key, message)[:8].hex().upper() == expected


@pytest.mark.parametrize(("bits", "blocks"), [(64, 1), (128, 1), (192, 2), (256, 2)])
def test_there_is_one_message_for_each_16_bytes(bits: int, blocks: int) -> None:
    session = scp03.derivation_messages(scp03.Constant.S_ENC, bytes(16), bits)
    static = scp03.kdf3_messages(scp03.StaticKey.ENC, bytes(10), bits)
    assert [each[15] for each in session] == [each[0] for each in static]
    assert len(session) == len(static) == blocks


@given(st.binary(max_size=64))
def test_padding_comes_off_as_it_went_on(data: bytes) -> None:
    padded = scp03.pad(data)
    assert len(padded) % 16 == 0
    assert 0 < len(padded) - len(data) <= 16
    assert scp03.unpad(padded) == data


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("data", [b"", bytes(16), b"\x01" * 16, b"\x80" + b"\x01" * 15])
def test_data_without_padding_is_bad_input(data: bytes) -> None:
    with pytest.raises(BadInput, match="does not end with 80 00"):
        scp03.unpad(data)


def test_a_block_of_padding_too_many_comes_off_as_well() -> None:
    assert scp03.unpad(b"\x01\x80" + bytes(30)) == b"\x01"


def test_the_iv_of_an_answer_differs_in_its_first_byte() -> None:
    assert scp03.encryption_iv_block(0x0102).hex() == "00" * 14 + "0102"
    assert scp03.encryption_iv_block(0x0102, response=True).hex() == "80" + "00" * 13 + "0102"


@pytest.mark.parametrize("i", [0x00, 0x60, 0x70])
def test_what_a_parameter_says(i: int) -> None:
    options = scp03.Options(i)
    assert (options.possible, options.size) == (True, 8)
    assert options.pseudo_random is (i == 0x70)
    assert options.levels == ((0, 1, 3) if not i else (0, 1, 3, 0x11, 0x13, 0x33))
    assert scp03.Options(i | 1).size == 16


@pytest.mark.parametrize("i", [0x40, 0x50, 0x80, 0x78, 0x74, 0x72])
def test_there_is_no_such_parameter(i: int) -> None:
    assert not scp03.Options(i).possible


def test_r_mac_may_be_there_without_r_enc() -> None:
    assert scp03.Options(0x30).levels == (0, 1, 3, 0x11, 0x13)


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("level", [0x01, 0x03, 0x11, 0x13, 0x33])
def test_the_most_plain_data_fits_a_short_command_once_protected(level: int, size: int) -> None:
    data = bytes(scp03.most_plain_data(level, size))
    sizes = [len(scp03.pad(each) if level & 2 else each) + size for each in (data, data + b"\x00")]
    assert sizes[0] <= 255 < sizes[1]
