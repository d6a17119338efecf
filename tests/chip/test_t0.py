"""Commands and answers over T=0, against the simulated card that speaks it."""

import pytest

from kif.chip.t0 import get_response, tpdu, with_le
from kif.simulator.card import Card
from kif.simulator.t0 import ByteCard

SELECT = bytes.fromhex("00A4040008A00000015100000000")


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        ("80CA9F36", "80CA9F3600"),
        ("80CA9F3605", "80CA9F3605"),
        ("80CA9F3600", "80CA9F3600"),
        ("8050010002AABB", "8050010002AABB"),
        ("8050010002AABB00", "8050010002AABB"),
    ],
)
def test_a_command_has_a_length_and_never_two(command: str, sent: str) -> None:
    assert tpdu(bytes.fromhex(command)).hex().upper() == sent


def test_le_is_the_one_the_card_named() -> None:
    assert with_le(bytes.fromhex("00B2010C00"), 0x1D).hex().upper() == "00B2010C1D"
    assert with_le(bytes.fromhex("8050010002AABB00"), 0).hex().upper() == "8050010002AABB00"
    assert get_response(0x1D).hex().upper() == "00C000001D"
    assert get_response(0).hex().upper() == "00C0000000"


def test_the_simulated_card_gives_its_answer_in_two_steps() -> None:
    card, whole = ByteCard(Card()), Card().apdu(SELECT)
    assert card.apdu(SELECT) == b"\x67\x00"
    announced = card.apdu(tpdu(SELECT))
    assert announced == bytes((0x61, len(whole) - 2))
    assert card.apdu(get_response(2)) == bytes((0x6C, len(whole) - 2))
    assert card.apdu(get_response(announced[1])) == whole
    assert card.apdu(get_response(announced[1])) == b"\x69\x85"
