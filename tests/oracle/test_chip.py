"""The three round trips, with a simulated card at the end of a wire of one function call."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from kif.chip.personalise import personalise
from kif.formats.apdu import Response
from kif.formats.control import Control
from kif.formats.error import DeviceFailed, LedgerUnavailable, Refused
from kif.formats.link import CardLink
from kif.formats.state import JobState
from kif.hsm.token import Token
from kif.ledger.event import Entry
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView, Claim, Done, JobRef, Segment
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.simulator.fault import CardGone, Fault, Faults
from tests.hsm.objects import nothing_left
from tests.site import TestSite, claimed, new_claim, received_file, released_batch


class Wire(CardLink):
    """A card without a reader; one that vanishes is told as a reader tells it."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def transmit(self, command: bytes) -> bytes:
        try:
            return self.card.apdu(command)
        except CardGone:
            raise DeviceFailed(Control.CARD_PRESENT, "The card is gone.") from None


def antenna(chip: Card) -> Callable[[], AbstractContextManager[Wire]]:
    """Return what has a card read over the air for a while, and then at its contacts again."""

    @contextmanager
    def read_over_air() -> Iterator[Wire]:
        chip.reset(contactless=True)
        yield Wire(chip)
        chip.reset()

    return read_over_air


def card(*faults: str) -> Card:
    return Card(Faults.of_card([Fault.parse(each) for each in faults], 1))


@pytest.fixture
def batch(site: TestSite, oracle: LocalOracle) -> BatchView:
    """A released batch of three, of this test's own."""
    number = len(oracle.supervision.batches())
    return released_batch(site, oracle, f"I-{number}", 3, first=number * 100 + 1)


def make(oracle: LocalOracle, batch: BatchView, chip: Card) -> Done:
    return personalise(claimed(oracle, batch.id), Wire(chip), oracle.chip)


def entries(oracle: LocalOracle, batch: BatchView) -> list[Entry]:
    with oracle.gateway.desk.record.reading() as (_, tx):
        found = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
    return [entry for entry in found if getattr(entry.event, "batch", None) == batch.id]


def token(oracle: LocalOracle) -> Token:
    return oracle.gateway.desk.keys.token


def test_a_card_is_personalised_printed_and_good(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card()
    job = make(oracle, batch, chip).view
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
    claim = claimed(oracle, batch.id)
    assert given(job) == [False, False, False]
    personalise(claim, Wire(chip), oracle.chip)
    assert given(job) == [False, True, False]
    oracle.graphics.printed(job)
    assert given(job) == [False, False, True]
    check_chip(job, Wire(chip), oracle.quality, bytes)
    assert given(job) == [False, False, False]
    for _ in range(2):
        make(oracle, batch, card("bad-rmac@1"))
    oracle.fulfilment.dispatched(batch.id, 1, "ab" * 32)
    assert given(job) == [False, False, False]
    oracle.supervision.close_batch(batch.id)
    assert given(job) == [False, False, False]


REJECTED = {
    "wrong-cryptogram@1": ("KIF-CHIP-02", "its keys are not ours"),
    "refuse@1:1": ("KIF-CHIP-04", "SELECT of A000000151000000 was answered 6A80"),
    "refuse@1:2": ("KIF-CHIP-04", "INITIALIZE UPDATE with key version 1 was answered 6A80"),
}
SUSPECT = {
    "bad-rmac@1": ("KIF-CHIP-05", "R-MAC"),
    "refuse@1:3": ("KIF-CHIP-04", "Command 1 of"),
    "refuse@1:12": ("KIF-CHIP-04", "Command 10 of 14"),
    "refuse@1:16": ("KIF-CHIP-04", "Command 14 of 14"),
}


@pytest.mark.control("KIF-CHIP-02", "KIF-CHIP-04")
@pytest.mark.parametrize("fault", REJECTED)
def test_a_blank_that_fails_before_any_key_leaves_is_rejected_and_its_job_is_ready_again(
    oracle: LocalOracle, batch: BatchView, fault: str
) -> None:
    chip = card(fault)
    with nothing_left(token(oracle)):
        done = make(oracle, batch, chip)
    control, words = REJECTED[fault]
    assert done.view.state is JobState.PREPARED
    assert control in (done.rejected or "")
    assert words in (done.rejected or "")
    kinds = [entry.event.kind for entry in entries(oracle, batch)]
    assert kinds[-2:] == ["job-claimed", "card-rejected"]
    assert "injection-authorised" not in kinds
    assert chip._faults.commands <= 2
    assert make(oracle, batch, card()).view.state is JobState.PERSONALISED  # the next goes on
    assert make(oracle, batch, card()).view.number == 2


@pytest.mark.control("KIF-CHIP-04", "KIF-CHIP-05")
@pytest.mark.parametrize("fault", SUSPECT)
def test_a_card_that_fails_after_keys_left_is_suspect(
    oracle: LocalOracle, batch: BatchView, fault: str
) -> None:
    with nothing_left(token(oracle)):
        done = make(oracle, batch, card(fault))
    control, words = SUSPECT[fault]
    assert (done.view.state, done.rejected) == (JobState.SUSPECT, None)
    assert control in (done.view.reason or "")
    assert words in (done.view.reason or "")
    assert entries(oracle, batch)[-1].event.kind == "card-suspect"
    assert make(oracle, batch, card()).view.state is JobState.PERSONALISED  # the next goes on


@pytest.mark.control("KIF-ORA-11")
def test_a_station_whose_blanks_keep_failing_is_stopped_until_two_people_resume_it(
    site: TestSite, oracle: LocalOracle, batch: BatchView
) -> None:
    for _ in range(2):
        make(oracle, batch, card("wrong-cryptogram@1"))
    make(oracle, batch, card())  # one that proves its keys: counted from the beginning again
    for _ in range(3):
        make(oracle, batch, card("wrong-cryptogram@1"))
    with pytest.raises(Refused, match="station-1 is stopped: 3 blanks in a row") as refused:
        claimed(oracle, batch.id)
    assert refused.value.control is Control.STATION
    with pytest.raises(Refused, match="station-2 is not stopped"):
        oracle.stations.resume("station-2", "x")
    oracle.stations.resume("station-1", "Another vendor's blanks were in the hopper.")
    assert make(oracle, batch, card()).view.state is JobState.PERSONALISED


@pytest.mark.control("KIF-QC-02")
def test_a_wrong_arqc_makes_a_suspect(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card("wrong-arqc@1")
    job = make(oracle, batch, chip).view
    oracle.graphics.printed(job.id)
    job = check_chip(job.id, Wire(chip), oracle.quality, bytes)
    assert job.state is JobState.SUSPECT
    assert "KIF-QC-02" in (job.reason or "")


def test_no_card_is_good_without_a_verified_arqc(oracle: LocalOracle, batch: BatchView) -> None:
    job = make(oracle, batch, card()).view
    oracle.graphics.printed(job.id)
    with pytest.raises(Refused, match="no verified cryptograms"):
        oracle.quality.accept(job.id, ["hope"])


@pytest.mark.control("KIF-CHIP-06")
def test_a_chip_is_used_for_one_job(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card("keeps-keys@1")  # any other is not opened again by its vendor's
    make(oracle, batch, chip)
    chip.reset()
    again = make(oracle, batch, chip)
    assert again.view.state is JobState.PREPARED
    assert "KIF-CHIP-06" in (again.rejected or "")


def relay(chip: Card, commands: Sequence[bytes]) -> list[bytes]:
    return [chip.apdu(command) for command in commands]


def asked(oracle: LocalOracle, claim: Claim, number: int, answers: Sequence[bytes]) -> Segment:
    answer = oracle.chip.next(claim.lease, number, answers)
    assert isinstance(answer, Segment)
    return answer


@pytest.mark.control("KIF-ORA-03")
def test_a_lost_answer_is_repeated_with_the_same_bytes(
    oracle: LocalOracle, batch: BatchView
) -> None:
    """Claim, segment and end, each asked for three times: one entry each, the same bytes."""
    chip = card()
    claims = [oracle.chip.claim(batch.id, "station-1", "request-1") for _ in range(3)]
    claim = claims[0]
    assert isinstance(claim, Claim)
    assert claims == [claim] * 3
    answers = relay(chip, claim.segment.commands)
    segment = asked(oracle, claim, 1, answers)
    sent = [entry.event.kind for entry in entries(oracle, batch)]
    with nothing_left(token(oracle)):
        for _ in range(3):
            assert asked(oracle, claim, 1, answers).commands == segment.commands
    results = relay(chip, segment.commands)
    done = oracle.chip.next(claim.lease, 2, results)
    assert isinstance(done, Done)
    assert done.view.state is JobState.PERSONALISED
    assert [oracle.chip.next(claim.lease, 2, results) for _ in range(3)] == [done] * 3
    assert oracle.chip.give_up(claim.lease, Control.CARD_PRESENT, "Too late.") == done
    kinds = [entry.event.kind for entry in entries(oracle, batch)]
    assert kinds == [*sent, "injection-done"]
    assert kinds.count("job-claimed") == kinds.count("injection-authorised") == 1


@pytest.mark.control("KIF-ORA-03")
def test_a_rejection_and_a_suspect_are_repeated_too(oracle: LocalOracle, batch: BatchView) -> None:
    claim, chip = claimed(oracle, batch.id), card("wrong-cryptogram@1")
    answers = relay(chip, claim.segment.commands)
    first = oracle.chip.next(claim.lease, 1, answers)
    assert oracle.chip.next(claim.lease, 1, answers) == first
    claim, chip = claimed(oracle, batch.id), card("bad-rmac@1")
    segment = asked(oracle, claim, 1, relay(chip, claim.segment.commands))
    results = relay(chip, segment.commands)
    last = oracle.chip.next(claim.lease, 2, results)
    assert oracle.chip.next(claim.lease, 2, results) == last
    kinds = [entry.event.kind for entry in entries(oracle, batch)]
    assert kinds.count("card-rejected") == kinds.count("card-suspect") == 1


@pytest.mark.control("KIF-ORA-03")
def test_other_answers_to_a_segment_that_was_answered_are_refused(
    oracle: LocalOracle, batch: BatchView
) -> None:
    claim, chip = claimed(oracle, batch.id), card()
    answers = relay(chip, claim.segment.commands)
    asked(oracle, claim, 1, answers)
    for number, given in ((1, relay(card(), claim.segment.commands)), (1, []), (3, []), (0, [])):
        with pytest.raises(Refused):
            oracle.chip.next(claim.lease, number, given)
    oracle.chip.give_up(claim.lease, Control.CARD_PRESENT, "Taken out.")
    with pytest.raises(Refused, match="answered otherwise before"):
        oracle.chip.next(claim.lease, 2, answers)


@pytest.mark.control("KIF-ORA-10")
def test_only_the_station_that_holds_the_lease_is_answered(
    oracle: LocalOracle, batch: BatchView
) -> None:
    claim = claimed(oracle, batch.id)
    for lease in (
        replace(claim.lease, station="station-2"),
        replace(claim.lease, job=JobRef(batch.id, 2)),
        replace(claim.lease, until=claim.lease.until + timedelta(hours=1)),
    ):
        with pytest.raises(Refused, match="claim it first") as refused:
            oracle.chip.next(lease, 1, [])
        assert refused.value.control is Control.LEASE
        with pytest.raises(Refused, match="claim it first"):
            oracle.chip.give_up(lease, Control.CARD_PRESENT, "x")


@pytest.mark.control("KIF-ORA-10")
def test_what_a_station_holds_beyond_its_lease_is_taken_back(
    oracle: LocalOracle, batch: BatchView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claimed job is ready again and goes to whoever asks; a card that got keys is suspect."""
    monkeypatch.setattr("kif.oracle.chip.LEASE", timedelta(seconds=0.3))
    first, second, chip = claimed(oracle, batch.id), claimed(oracle, batch.id), card()
    asked(oracle, second, 1, relay(chip, second.segment.commands))
    time.sleep(0.4)
    with nothing_left(token(oracle)), pytest.raises(Refused, match="ended at") as refused:
        oracle.chip.next(first.lease, 1, relay(card(), first.segment.commands))
    assert refused.value.control is Control.LEASE
    again = claimed(oracle, batch.id)
    assert again.lease.job == first.lease.job
    jobs = {job.number: job for job in oracle.supervision.jobs(batch.id)}
    assert jobs[second.lease.job.number].state is JobState.SUSPECT
    assert "The lease of station-1 ended" in (jobs[second.lease.job.number].reason or "")


@pytest.mark.control("KIF-LOG-01")
def test_a_segment_whose_entry_could_not_be_written_is_asked_for_again(
    oracle: LocalOracle, batch: BatchView, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, chip = claimed(oracle, batch.id), card()
    answers = relay(chip, claim.segment.commands)

    def fail(*_: object, **__: object) -> None:
        raise LedgerUnavailable(Control.LEDGER_WRITABLE, "The disk is full.")

    with monkeypatch.context() as patch, nothing_left(token(oracle)):
        patch.setattr("kif.oracle.chip.moved", fail)
        with pytest.raises(LedgerUnavailable):
            oracle.chip.next(claim.lease, 1, answers)
    segment = asked(oracle, claim, 1, answers)
    done = oracle.chip.next(claim.lease, 2, relay(chip, segment.commands))
    assert isinstance(done, Done)
    assert done.view.state is JobState.PERSONALISED


@pytest.mark.parametrize("missing", [1, 5, 14])
@pytest.mark.control("KIF-CHIP-03")
def test_missing_answers_make_no_good_card(
    oracle: LocalOracle, batch: BatchView, missing: int
) -> None:
    claim, chip = claimed(oracle, batch.id), card()
    segment = asked(oracle, claim, 1, relay(chip, claim.segment.commands))
    done = oracle.chip.next(claim.lease, 2, relay(chip, segment.commands)[:-missing])
    assert isinstance(done, Done)
    assert done.view.state is JobState.SUSPECT
    assert f"answered {14 - missing} of 14" in (done.view.reason or "")


@pytest.mark.control("KIF-CHIP-03")
def test_a_card_that_shows_no_answer_at_all_costs_no_job(
    oracle: LocalOracle, batch: BatchView
) -> None:
    for answers in ([], [b"\x90\x00"]):
        done = oracle.chip.next(claimed(oracle, batch.id).lease, 1, answers)
        assert isinstance(done, Done)
        assert f"answered {len(answers)} of 2" in (done.rejected or "")
    make(oracle, batch, card())
    done = oracle.chip.give_up(
        claimed(oracle, batch.id).lease, Control.CARD_PRESENT, "No card showed."
    )
    assert "No card showed. [KIF-CHIP-03]" in (done.rejected or "")
    make(oracle, batch, card())


def test_more_answers_than_commands_are_refused(oracle: LocalOracle, batch: BatchView) -> None:
    claim, chip = claimed(oracle, batch.id), card()
    segment = asked(oracle, claim, 1, relay(chip, claim.segment.commands))
    answers = relay(chip, segment.commands)
    with pytest.raises(Refused, match="do not belong"):
        oracle.chip.next(claim.lease, 2, [*answers, Response(b"", 0x9000).encode()])


@pytest.mark.control("KIF-ORA-04")
def test_no_card_is_made_of_a_batch_that_is_not_released(
    site: TestSite, oracle: LocalOracle
) -> None:
    raw = oracle.gateway.admit(received_file("RAW-I", 1, first=80_000), again=True)
    with pytest.raises(Refused, match="released batch only"):
        claimed(oracle, raw.id)


def test_a_batch_ends_when_no_card_is_ready(oracle: LocalOracle, batch: BatchView) -> None:
    for _ in range(3):
        make(oracle, batch, card())
    assert new_claim(oracle, batch.id) is None


class OtherDelivery(Wire):
    """A card that says another key version, or other SCP03 options, of itself."""

    def __init__(self, place: int, value: int) -> None:
        super().__init__(card())
        self.place, self.value = place, value

    def transmit(self, command: bytes) -> bytes:
        answer = bytearray(super().transmit(command))
        if command[1] == 0x50:
            answer[self.place] = self.value
        return bytes(answer)


@pytest.mark.control("KIF-CHIP-07")
@pytest.mark.parametrize(("place", "value", "found"), [(10, 2, "2 and .* 70;"), (12, 0x60, "60;")])
def test_a_card_of_another_delivery_is_rejected_before_anything_is_derived(
    oracle: LocalOracle, batch: BatchView, place: int, value: int, found: str
) -> None:
    with nothing_left(token(oracle)):
        wire = OtherDelivery(place, value)
        done = personalise(claimed(oracle, batch.id), wire, oracle.chip)
    assert done.view.state is JobState.PREPARED
    assert re.search(rf"key version .*{found} its profile says 1 and 70", done.rejected or "")
    assert wire.card._faults.commands == 2
    make(oracle, batch, card())


@pytest.mark.control("KIF-CHIP-01")
def test_a_reader_that_fails_is_no_fault_of_the_blank(
    oracle: LocalOracle, batch: BatchView
) -> None:
    for _ in range(5):  # the station is not stopped for it
        lease = claimed(oracle, batch.id).lease
        done = oracle.chip.give_up(lease, Control.READER, "The reader is gone.")
        assert (done.view.state, done.rejected) == (JobState.PREPARED, None)
        assert oracle.chip.give_up(lease, Control.READER, "The reader is gone.") == done
    assert [entry.event.kind for entry in entries(oracle, batch)][-1] == "claim-withdrawn"
    make(oracle, batch, card())
