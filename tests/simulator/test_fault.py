"""Faults by their text."""

import pytest

from kif.formats.error import BadInput
from kif.simulator.fault import CardGone, Fault, Faults


def test_a_fault_is_read() -> None:
    assert Fault.parse("vanish@3:5") == Fault("vanish", 3, 5)
    assert Fault.parse("bad-rmac@12") == Fault("bad-rmac", 12, None)


@pytest.mark.control("KIF-CLI-01")
@pytest.mark.parametrize(
    "text", ["", "vanish", "vanish@3", "vanish@0:1", "bad-rmac@1:2", "hope@1", "refuse@x:1"]
)
def test_other_text_is_a_sentence(text: str) -> None:
    with pytest.raises(BadInput, match="is no fault"):
        Fault.parse(text)


def test_a_card_vanishes_at_its_command_and_not_before() -> None:
    faults = Faults.of_card([Fault.parse("vanish@2:3"), Fault.parse("refuse@1:1")], 2)
    assert faults.strike() is None
    assert faults.strike() is None
    with pytest.raises(CardGone):
        faults.strike()
