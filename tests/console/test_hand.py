"""A reader that is fed by hand."""

import sys

import pytest

from kif.console.hand import HandTransport
from kif.formats.error import BadInput
from tests.cli.terminal import Terminal

PROGRAM = """
from kif.console.hand import HandTransport
hand = HandTransport()
print("fed", hand.feed())
hand.stack(True)
print("stacked good")
hand.stack(False)
print("stacked reject")
print("fed", hand.feed())
"""


def test_the_operator_is_told_where_each_card_goes() -> None:
    operator = Terminal([sys.executable, "-c", PROGRAM])
    operator.answer("next blank card", "")
    operator.expect("fed True")
    operator.answer("onto the good stack", "")
    operator.expect("stacked good")
    operator.answer("into the reject box", "")
    operator.expect("stacked reject")
    operator.answer("next blank card", "q")
    operator.expect("fed False")
    assert operator.process.wait(10) == 0


@pytest.mark.control("KIF-CLI-01")
def test_without_a_terminal_a_machine_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(BadInput, match="--transport"):
        HandTransport()
