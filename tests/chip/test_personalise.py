"""The relay: what it sends, when it stops, and whose fault is whose."""

from collections.abc import Sequence

import pytest

from kif.chip.personalise import personalise
from kif.formats.control import Control
from kif.formats.error import DeviceFailed, KifError, LedgerUnavailable
from kif.formats.state import JobState
from kif.oracle.interface import Claim, JobRef, JobView, Segment

OK, BAD = b"\x90\x00", b"\x6a\x80"
JOB = JobRef("b", 1)
CLAIM = Claim(JOB, (b"select", b"update"))
SEGMENT = (b"auth", b"install", b"store")


class Desk:
    """The chip's desk; ``failing`` is what one of its verbs raises."""

    def __init__(self, **failing: KifError) -> None:
        self.failing = failing
        self.responses: Sequence[bytes] = ()
        self.suspected: list[tuple[Control, str]] = []

    def claim(self, batch: str, station: str) -> Claim | JobView | None:
        return CLAIM

    def open(self, job: JobRef, response: bytes) -> Segment:
        if "open" in self.failing:
            raise self.failing["open"]
        return Segment(job, SEGMENT)

    def finish(self, job: JobRef, responses: Sequence[bytes]) -> JobView:
        self.responses = responses
        if "finish" in self.failing:
            raise self.failing["finish"]
        return view(JobState.PERSONALISED)

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        self.suspected.append((control, sentence))
        return view(JobState.SUSPECT)


def view(state: JobState) -> JobView:
    return JobView(JOB, "b", 1, "9", "p", state, None, None)


class Link:
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
    assert personalise(CLAIM, link, desk).state is JobState.PERSONALISED
    assert link.sent == [*CLAIM.commands, *SEGMENT]
    assert list(desk.responses) == [OK, OK, OK]


@pytest.mark.control("KIF-CHIP-03")
@pytest.mark.parametrize("answers", range(5))
def test_a_card_that_vanishes_at_any_command_is_suspect(answers: int) -> None:
    desk, link = Desk(), Link(*[OK] * answers)
    assert personalise(CLAIM, link, desk).state is JobState.SUSPECT
    assert desk.suspected == [("KIF-CHIP-03", "The card is gone.")]
    assert not desk.responses


@pytest.mark.control("KIF-CHIP-04")
@pytest.mark.parametrize("first", [0, 1])
def test_a_card_that_refuses_at_the_start_gets_no_key(first: int) -> None:
    desk, link = Desk(), Link(*[OK] * first, BAD)
    assert personalise(CLAIM, link, desk).state is JobState.SUSPECT
    assert "No key was sent" in desk.suspected[0][1]


def test_sending_stops_at_the_first_refusal() -> None:
    desk, link = Desk(), Link(OK, OK, OK, BAD)
    personalise(CLAIM, link, desk)
    assert link.sent[-1] == b"install"
    assert list(desk.responses) == [OK, BAD]


def test_an_answer_without_status_is_the_cards_fault() -> None:
    desk = Desk()
    assert personalise(CLAIM, Link(OK, b"\x90"), desk).state is JobState.SUSPECT


@pytest.mark.parametrize(
    "control",
    [Control.CARD_CRYPTOGRAM, Control.CARD_STATUS, Control.CARD_RESPONSE_MAC, Control.CARD_ONCE],
)
@pytest.mark.parametrize("verb", ["open", "finish"])
def test_what_the_card_does_wrong_makes_it_suspect(control: Control, verb: str) -> None:
    desk = Desk(**{verb: DeviceFailed(control, "Wrong.")})
    assert personalise(CLAIM, Link(*[OK] * 5), desk).state is JobState.SUSPECT
    assert desk.suspected == [(control.value, "Wrong.")]


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnavailable(Control.LEDGER_WRITABLE, "Full."),
        DeviceFailed(Control.TOKEN_PRESENT, "Gone."),
        DeviceFailed(Control.TOKEN_CALL, "Refused."),
    ],
)
@pytest.mark.parametrize("verb", ["open", "finish"])
def test_what_the_oracle_can_not_do_is_not_the_cards_fault(error: KifError, verb: str) -> None:
    desk = Desk(**{verb: error})
    with pytest.raises(type(error)):
        personalise(CLAIM, Link(*[OK] * 5), desk)
    assert not desk.suspected
