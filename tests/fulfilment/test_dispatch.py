"""The dispatch list."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from kif.formats.error import BadInput, Refused
from kif.formats.state import BatchState, JobState
from kif.fulfilment.dispatch import dispatch_batch
from kif.oracle.messages import BatchView, JobRef, JobView

STATES = [JobState.GOOD, JobState.SUSPECT, JobState.DISPATCHED, JobState.PREPARED]


class Desk:
    """Fulfilment's desk."""

    def __init__(self, state: BatchState = BatchState.RELEASED) -> None:
        self.state, self.cards, self.digest = state, list(STATES), ""

    def batch(self, batch: str) -> BatchView:
        return BatchView(batch, "a bank", "F-1", "p", 4, self.state, (), {})

    def jobs(self, batch: str) -> Sequence[JobView]:
        return [
            JobView(JobRef(batch, n), batch, n, "9", f"pseudonym-{n}", state, f"serial-{n}", None)
            for n, state in enumerate(self.cards, start=1)
        ]

    def dispatched(self, batch: str, count: int, list_digest: str) -> BatchView:
        assert count == 1  # the second good card has left before
        self.digest = list_digest
        self.cards = [JobState.DISPATCHED if s is JobState.GOOD else s for s in self.cards]
        return self.batch(batch)


def numbers(path: Path) -> list[int]:
    return [card["number"] for card in json.loads(path.read_bytes())["cards"]]


def test_the_list_has_the_cards_that_leave_and_its_digest_is_recorded(tmp_path: Path) -> None:
    desk = Desk()
    path = dispatch_batch("b", desk, tmp_path / "out")
    assert desk.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert numbers(path) == [1]
    assert path.name == f"a bank-b-{desk.digest[:8]}.json"


def test_a_list_never_takes_the_place_of_another(tmp_path: Path) -> None:
    desk = Desk()
    first = dispatch_batch("b", desk, tmp_path)
    desk.cards[3] = JobState.GOOD
    second = dispatch_batch("b", desk, tmp_path)
    assert (numbers(first), numbers(second)) == ([1], [4])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_list_that_was_not_recorded_is_the_same_again(tmp_path: Path) -> None:
    paths = {dispatch_batch("b", Desk(), tmp_path) for _ in range(2)}
    assert [*tmp_path.iterdir()] == [*paths]


@pytest.mark.control("KIF-ORA-04")
@pytest.mark.parametrize("state", [each for each in BatchState if each is not BatchState.RELEASED])
def test_only_of_a_released_batch_is_a_list_written(tmp_path: Path, state: BatchState) -> None:
    with pytest.raises(Refused, match=f"is {state.value}; cards of a released batch"):
        dispatch_batch("b", Desk(state), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.control("KIF-ORA-04")
def test_an_empty_list_is_not_written(tmp_path: Path) -> None:
    desk = Desk()
    dispatch_batch("b", desk, tmp_path / "first")
    with pytest.raises(Refused, match="no good card that is here; 2 were dispatched before"):
        dispatch_batch("b", desk, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_list_that_can_not_be_written_dispatches_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    desk = Desk()
    with pytest.raises(BadInput, match=r"can't be written to .*file.* Nothing left"):
        dispatch_batch("b", desk, tmp_path / "file" / "out")
    assert not desk.digest
