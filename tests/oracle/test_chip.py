"""The three round trips, with a simulated card at the end of a wire of one function call."""

import pytest

from kif.chip.personalise import personalise
from kif.formats.apdu import Response
from kif.formats.control import Control
from kif.formats.error import DeviceFailed, KifError, Refused
from kif.formats.state import JobState
from kif.hsm.token import Token
from kif.ledger.event import Entry
from kif.oracle.interface import BatchView, Claim, JobRef, JobView
from kif.oracle.local import LocalOracle
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.simulator.fault import Fault, Faults
from tests.hsm.objects import count
from tests.site import TestSite, released_batch


class Wire:
    """A card without a reader."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def transmit(self, command: bytes) -> bytes:
        return self.card.apdu(command)


def card(*faults: str) -> Card:
    return Card(Faults.of_card([Fault.parse(each) for each in faults], 1))


@pytest.fixture
def batch(site: TestSite, oracle: LocalOracle) -> BatchView:
    """A released batch of three, of this test's own."""
    number = len(oracle.supervision.batches())
    return released_batch(site, oracle, f"I-{number}", 3, first=number * 100 + 1)


def make(oracle: LocalOracle, batch: BatchView, chip: Card) -> JobView:
    claim = oracle.chip.claim(batch.id, "station-1")
    assert isinstance(claim, Claim)
    return personalise(claim, Wire(chip), oracle.chip)


def entries(oracle: LocalOracle, batch: BatchView) -> list[Entry]:
    with oracle.gateway.desk.record.reading() as (_, tx):
        found = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
    return [entry for entry in found if getattr(entry.event, "batch", None) == batch.id]


def token(oracle: LocalOracle) -> Token:
    return oracle.gateway.desk.keys.token


def test_a_card_is_personalised_printed_and_good(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card()
    job = make(oracle, batch, chip)
    assert (job.state, job.card_serial) == (JobState.PERSONALISED, chip.serial.hex().upper())
    assert chip.application.personalised
    oracle.graphics.printed(job.id)
    job = check_chip(job.id, Wire(chip), oracle.quality, bytes)
    assert job.state is JobState.GOOD
    kinds = [entry.event.kind for entry in entries(oracle, batch)][-5:]
    assert kinds == [
        "job-claimed",
        "injection-authorised",
        "injection-done",
        "card-printed",
        "card-verified",
    ]


@pytest.mark.control("KIF-HSM-04")
def test_every_event_says_that_no_key_left_the_hsm(oracle: LocalOracle, batch: BatchView) -> None:
    make(oracle, batch, card())
    assert {entry.boundary.value for entry in entries(oracle, batch)} == {"hsm"}


@pytest.mark.control("KIF-ORA-03", "KIF-ORA-07")
def test_clear_data_goes_only_to_the_stage_whose_turn_it_is(
    oracle: LocalOracle, batch: BatchView
) -> None:
    """Printing while it is personalised, quality control while it is printed; else nobody."""

    def given(job: JobRef) -> list[bool]:
        found = []
        for verb in (oracle.preparation.record, oracle.graphics.script, oracle.quality.script):
            try:
                verb(job)
                found.append(True)
            except Refused:
                found.append(False)
        return found

    chip, job = card(), JobRef(batch.id, 1)
    assert given(job) == [False, False, False]  # prepared and released
    claim = oracle.chip.claim(batch.id, "station-1")
    assert isinstance(claim, Claim)
    assert given(job) == [False, False, False]
    personalise(claim, Wire(chip), oracle.chip)
    assert given(job) == [False, True, False]
    oracle.graphics.printed(job)
    assert given(job) == [False, False, True]
    check_chip(job, Wire(chip), oracle.quality, bytes)
    assert given(job) == [False, False, False]
    for _ in range(2):
        make(oracle, batch, card("wrong-cryptogram@1"))
    oracle.fulfilment.dispatched(batch.id, 1, "ab" * 32)
    assert given(job) == [False, False, False]
    oracle.supervision.close_batch(batch.id)
    assert given(job) == [False, False, False]


FAULTS = {
    "wrong-cryptogram@1": ("KIF-CHIP-02", "its keys are not ours"),
    "bad-rmac@1": ("KIF-CHIP-05", "R-MAC"),
    "refuse@1:1": ("KIF-CHIP-04", "answered 6A80"),
    "refuse@1:2": ("KIF-CHIP-04", "answered 6A80"),
    "refuse@1:3": ("KIF-CHIP-04", "Command 1 of"),
    "refuse@1:12": ("KIF-CHIP-04", "Command 10 of 10"),
}


@pytest.mark.control("KIF-CHIP-02", "KIF-CHIP-04", "KIF-CHIP-05")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_card_that_fails_is_suspect_and_leaves_no_key_behind(
    oracle: LocalOracle, batch: BatchView, fault: str
) -> None:
    before = count(token(oracle))
    job = make(oracle, batch, card(fault))
    control, words = FAULTS[fault]
    assert job.state is JobState.SUSPECT
    assert job.reason is not None
    assert control in job.reason
    assert words in job.reason
    assert count(token(oracle)) == before
    assert entries(oracle, batch)[-1].event.kind == "card-suspect"
    assert make(oracle, batch, card()).state is JobState.PERSONALISED  # and the next goes on


def test_nothing_leaves_for_a_card_that_does_not_prove_its_keys(
    oracle: LocalOracle, batch: BatchView
) -> None:
    chip = card("wrong-cryptogram@1")
    make(oracle, batch, chip)
    assert chip._faults.commands == 2
    assert "injection-authorised" not in [entry.event.kind for entry in entries(oracle, batch)]


@pytest.mark.control("KIF-QC-02")
def test_a_wrong_arqc_makes_a_suspect(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card("wrong-arqc@1")
    job = make(oracle, batch, chip)
    oracle.graphics.printed(job.id)
    job = check_chip(job.id, Wire(chip), oracle.quality, bytes)
    assert job.state is JobState.SUSPECT
    assert job.reason is not None
    assert "KIF-QC-02" in job.reason


def test_no_card_is_good_without_a_verified_arqc(oracle: LocalOracle, batch: BatchView) -> None:
    job = make(oracle, batch, card())
    oracle.graphics.printed(job.id)
    with pytest.raises(Refused, match="no verified ARQC"):
        oracle.quality.accept(job.id, ["hope"])


@pytest.mark.control("KIF-CHIP-06")
def test_a_chip_is_used_for_one_job(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card()
    make(oracle, batch, chip)
    chip.reset()
    again = make(oracle, batch, chip)
    assert again.state is JobState.SUSPECT
    assert again.reason is not None
    assert "KIF-CHIP-06" in again.reason


@pytest.mark.control("KIF-ORA-03")
def test_a_segment_leaves_once(oracle: LocalOracle, batch: BatchView) -> None:
    claim = oracle.chip.claim(batch.id, "station-1")
    assert isinstance(claim, Claim)
    chip = card()
    answers = [chip.apdu(command) for command in claim.commands]
    oracle.chip.open(claim.job, answers[-1])
    with pytest.raises(Refused, match="has left already"):
        oracle.chip.open(claim.job, answers[-1])
    oracle.chip.suspect(claim.job, Control.CARD_PRESENT, "Taken out.")


def test_answers_for_a_job_that_is_not_claimed_are_refused(
    oracle: LocalOracle, batch: BatchView
) -> None:
    for call in (
        lambda: oracle.chip.open(JobRef(batch.id, 9), b"\x90\x00"),
        lambda: oracle.chip.finish(JobRef(batch.id, 9), []),
    ):
        with pytest.raises(Refused, match="not claimed here"):
            call()


@pytest.mark.parametrize("missing", [1, 5, 10])
@pytest.mark.control("KIF-CHIP-03")
def test_missing_answers_make_no_good_card(
    oracle: LocalOracle, batch: BatchView, missing: int
) -> None:
    claim = oracle.chip.claim(batch.id, "station-1")
    assert isinstance(claim, Claim)
    chip = card()
    response = [chip.apdu(command) for command in claim.commands][-1]
    segment = oracle.chip.open(claim.job, response)
    answers = [chip.apdu(command) for command in segment.commands][:-missing]
    with pytest.raises(DeviceFailed, match=f"answered {10 - missing} of 10"):
        oracle.chip.finish(claim.job, answers)
    job = oracle.chip.suspect(claim.job, Control.CARD_PRESENT, "Taken out.")
    assert job.state is JobState.SUSPECT


def test_more_answers_than_commands_are_refused(oracle: LocalOracle, batch: BatchView) -> None:
    claim = oracle.chip.claim(batch.id, "station-1")
    assert isinstance(claim, Claim)
    chip = card()
    response = [chip.apdu(command) for command in claim.commands][-1]
    segment = oracle.chip.open(claim.job, response)
    answers = [chip.apdu(command) for command in segment.commands]
    with pytest.raises(KifError):
        oracle.chip.finish(claim.job, [*answers, Response(b"", 0x9000).encode()])


@pytest.mark.control("KIF-ORA-04")
def test_no_card_is_made_of_a_batch_that_is_not_released(
    site: TestSite, oracle: LocalOracle
) -> None:
    from tests.site import received_file

    raw = oracle.gateway.admit(received_file("RAW-I", 1, first=80_000))
    with pytest.raises(Refused, match="released batch only"):
        oracle.chip.claim(raw.id, "station-1")


def test_a_batch_ends_when_no_card_is_ready(oracle: LocalOracle, batch: BatchView) -> None:
    for _ in range(3):
        make(oracle, batch, card())
    assert oracle.chip.claim(batch.id, "station-1") is None
