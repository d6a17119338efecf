"""Messages and blocks that keys are derived over."""

import pytest

from kif.formats import diversification
from kif.formats.error import BadInput
from kif.formats.scp03 import StaticKey

KDD = bytes(range(10))


def test_counter_mode_has_a_message_for_each_block() -> None:
    messages = diversification.counter_kdf_messages(b"label", b"context", 256)
    assert [message[:1] for message in messages] == [b"\x01", b"\x02"]
    assert {message[1:] for message in messages} == {b"label\x00context\x00\x00\x01\x00"}
    assert len(diversification.counter_kdf_messages(b"", b"", 192)) == 2
    assert len(diversification.counter_kdf_messages(b"", b"", 128, block=8)) == 2


def test_static_key_blocks_differ_by_half_and_by_key() -> None:
    assert diversification.visa2_blocks(StaticKey.ENC, KDD).hex() == (
        "000104050607f001" + "0001040506070f01"
    )
    assert diversification.emv_static_blocks(StaticKey.DEK, KDD).hex() == (
        "040506070809f003" + "0405060708090f03"
    )


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize(("cipher", "size", "longest"), [("AES", 16, 31), ("TDEA", 24, 15)])
def test_a_diversifier_that_is_empty_or_too_long_is_refused(
    cipher: str, size: int, longest: int
) -> None:
    assert diversification.an10922_messages(cipher, size, bytes(longest))
    for wrong in (b"", bytes(longest + 1)):
        with pytest.raises(BadInput, match=f"1 to {longest} bytes .* not {len(wrong)}"):
            diversification.an10922_messages(cipher, size, wrong)


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("size", [0, 9, 11])
def test_diversification_data_of_another_length_is_refused(size: int) -> None:
    for blocks in (diversification.visa2_blocks, diversification.emv_static_blocks):
        with pytest.raises(BadInput, match=f"10 bytes, not {size}"):
            blocks(StaticKey.MAC, bytes(size))


@pytest.mark.control("KIF-FMT-01")
def test_scp02_takes_two_bytes_each() -> None:
    assert diversification.scp02_session_block(b"\x01\x82", b"\x00\x01").hex() == (
        "01820001" + "00" * 12
    )
    for constant, sequence in ((b"\x01", b"\x00\x00"), (b"\x01\x82", b"\x00")):
        with pytest.raises(BadInput, match="of 2 bytes"):
            diversification.scp02_session_block(constant, sequence)
