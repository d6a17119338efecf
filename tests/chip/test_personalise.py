"""The relay: what it sends, when it stops, and who decides."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from kif.chip.personalise import personalise
from kif.formats.control import Control
from kif.formats.error import DeviceFailed, KifError, LedgerUnavailable
from kif.formats.link import CardLink
from kif.formats.state import JobState
from kif.oracle.messages import Claim, Done, JobRef, JobView, Lease, Segment

OK, BAD = b"\x90\x00", b"\x6a\x80"
JOB = JobRef("b", 1)
FIRST, SECOND = Segment(1, (b"select", b"update")), Segment(2, (b"auth", b"install", b"store"))
CLAIM = Claim(Lease(JOB, "station-1", datetime(2026, 1, 1, tzinfo=UTC)), FIRST)


class Desk:
    """The chip's desk: two segments, then done. ``failing`` is raised for that segment."""

    def __init__(self, failing: KifError | None = None, at: int = 0) -> None:
        self.failing, self.at = failing, at
        self.answered: list[tuple[int, list[bytes]]] = []
        self.given_up: list[tuple[Control, str]] = []

    def claim(self, batch: str, station: str, request: str) -> Claim | JobView | None:
        return CLAIM

    def next(self, lease: Lease, number: int, responses: Sequence[bytes]) -> Segment | Done:
        assert lease == CLAIM.lease
        if self.failing and number == self.at:
            raise self.failing
        self.answered.append((number, list(responses)))
        if responses[-1:] == [BAD]:
            return view(JobState.SUSPECT)
        return SECOND if number == 1 else view(JobState.PERSONALISED)

    def give_up(self, lease: Lease, control: Control, sentence: str) -> Done:
        self.given_up.append((control, sentence))
        return view(JobState.SUSPECT)


def view(state: JobState) -> Done:
    return Done(JobView(JOB, "b", 1, "9", "p", state, None, None))


class Link(CardLink):
    """A card that gives these answers, then is gone."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.sent: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        if not self.answers:
            raise DeviceFailed(Control.CARD_PRESENT, "The card is gone.")
        return self.answers.pop(0)


def test_a_card_gets_every_command_in_order() -> None:
    desk, link = Desk(), Link(OK, OK, OK, OK, OK)
    assert personalise(CLAIM, link, desk) == view(JobState.PERSONALISED)
    assert link.sent == [*FIRST.commands, *SECOND.commands]
    assert desk.answered == [(1, [OK, OK]), (2, [OK, OK, OK])]


@pytest.mark.control("KIF-CHIP-03")
@pytest.mark.parametrize("answers", range(5))
def test_a_card_that_vanishes_at_any_command_is_given_up(answers: int) -> None:
    desk, link = Desk(), Link(*[OK] * answers)
    assert personalise(CLAIM, link, desk) == view(JobState.SUSPECT)
    assert desk.given_up == [("KIF-CHIP-03", "The card is gone.")]
    assert len(desk.answered) == (answers > 1)


@pytest.mark.control("KIF-CHIP-04")
@pytest.mark.parametrize("bad", [BAD, b"\x61\x05", b"\x90", b"\x90\x00\x90"])
@pytest.mark.parametrize("good", range(5))
def test_sending_stops_at_the_first_answer_that_is_not_9000(good: int, bad: bytes) -> None:
    desk, link = Desk(), Link(*[OK] * good, bad)
    personalise(CLAIM, link, Desk() if bad == BAD else desk)
    assert len(link.sent) == good + 1 or bad != BAD
    if bad != BAD:
        assert desk.answered[(good > 1)][1][-1] == bad


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnavailable(Control.LEDGER_WRITABLE, "Full."),
        DeviceFailed(Control.TOKEN_PRESENT, "Gone."),
        DeviceFailed(Control.TOKEN_CALL, "Refused."),
    ],
)
@pytest.mark.parametrize("at", [1, 2])
def test_what_the_oracle_can_not_do_is_not_the_cards_fault(error: KifError, at: int) -> None:
    desk = Desk(error, at)
    with pytest.raises(type(error)):
        personalise(CLAIM, Link(*[OK] * 5), desk)
    assert not desk.given_up
