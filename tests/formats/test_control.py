"""Controls: one id, one requirement."""

import re

import pytest

from kif.formats.control import Control


def test_no_id_is_given_twice() -> None:
    assert len({control.value for control in Control}) == len(Control.__members__)


@pytest.mark.parametrize("control", Control)
def test_every_control_has_an_id_of_its_room(control: Control) -> None:
    assert re.fullmatch(r"KIF-[A-Z]{2,5}-\d{2}", control.value)


@pytest.mark.parametrize("control", Control)
def test_every_control_has_a_requirement_in_one_sentence(control: Control) -> None:
    assert re.fullmatch(r"\S.*[^.]\.", control.requirement)


def test_no_requirement_is_stated_twice() -> None:
    assert len({control.requirement for control in Control}) == len(Control)
