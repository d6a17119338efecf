"""Histories that do not add up, whoever signed them."""

from pathlib import Path

import pytest

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.ledger.event import Event, Kind
from tests.ledger.history import closed, event, flat, made, received
from tests.ledger.stored import GROUPS, filled, verified


def suspect(number: int) -> Event:
    return event(Kind.CARD_SUSPECT, batch="b", number=number)


def test_a_whole_batch_balances(tmp_path: Path) -> None:
    batch = verified(filled(tmp_path / "db", GROUPS)).batches["b"]
    assert (batch.received, batch.done, batch.good, batch.suspect) == (3, {1, 2}, {1, 2}, {3})


def test_two_batches_side_by_side_balance_each(tmp_path: Path) -> None:
    events = flat(
        received(2),
        received(1, "c"),
        made(1),
        made(1, batch="c"),
        closed(1, 0, 0, "c"),
        suspect(2),
        closed(1, 1, 0),
    )
    batches = verified(filled(tmp_path / "db", [events])).batches
    assert {name: len(batch.good) for name, batch in batches.items()} == {"b": 1, "c": 1}


def test_a_batch_that_nobody_began_is_left_over(tmp_path: Path) -> None:
    assert verified(filled(tmp_path / "db", [[received(5), closed(0, 0, 5)]])).size == 2


UNBALANCED = {
    "a batch twice": (flat(received(1), received(1)), "a second time"),
    "a batch that never came": (made(1), "never received"),
    "a job twice": (flat(received(1), made(1), made(1, serial="other")), "same card job twice"),
    "a chip twice": (
        flat(received(2), made(1, serial="chip"), made(2, serial="chip")),
        "chip chip twice",
    ),
    "done without leave": (flat(received(1), made(1)[1:]), "nobody authorised"),
    "done twice": (flat(received(1), made(1)[:2], made(1)[1]), "ends an injection twice"),
    "passed without being made": (flat(received(1), made(1)[2]), "was not made"),
    "passed twice": (flat(received(1), made(1), made(1)[2]), "the same card twice"),
    "passed and suspect": (
        flat(received(1), made(1), suspect(1)),
        "is settled",
    ),
    "suspect and then passed": (
        flat(received(1), made(1)[:2], suspect(1), made(1)[2]),
        "was not made",
    ),
    "suspect and then done": (
        flat(received(1), made(1)[0], suspect(1), made(1)[1]),
        "ends an injection twice",
    ),
    "suspect twice": (flat(received(1), suspect(1), suspect(1)), "is settled"),
    "card number 0": (flat(received(1), made(0)), "names card 0"),
    "another batch's card": (flat(received(1), made(1, batch="c")), "batch c, which was never"),
    "a card without its number": (
        flat(received(1), event(Kind.CARD_SUSPECT, batch="b")),
        "has no number 'number'",
    ),
    "a number that is text": (
        flat(received(1), event(Kind.CARD_SUSPECT, batch="b", number="1")),
        "has no number 'number'",
    ),
    "a batch without a count": ([event(Kind.BATCH_RECEIVED, batch="b")], "has no number 'count'"),
    "a batch without a name": ([event(Kind.BATCH_RECEIVED, count=1)], "has no 'batch'"),
    "an injection without its chip": (
        flat(received(1), event(Kind.INJECTION_AUTHORISED, batch="b", number=1)),
        "has no 'card_serial'",
    ),
    "more at the end than there was": (flat(received(1), closed(0, 0, 2)), "2 of 1 cards"),
    "a card too many": (flat(received(1), made(2)), "names card 2"),
    "a wrong count at the end": (flat(received(1), made(1), closed(0, 1, 0)), "they are"),
    "a card lost at the end": (flat(received(2), made(1), closed(1, 0, 0)), "1 of 2 cards"),
}


@pytest.mark.control("KIF-LOG-03")
@pytest.mark.parametrize("case", UNBALANCED)
def test_a_history_that_does_not_balance_is_found(tmp_path: Path, case: str) -> None:
    events, words = UNBALANCED[case]
    with pytest.raises(CheckFailed, match=words) as failed:
        verified(filled(tmp_path / "db", [events]))
    assert failed.value.control is Control.LEDGER_RUN_BALANCE
    assert failed.value.sentence.startswith("Entry ")
