"""The jobs of a batch: states, chips, stations, and what stays of them."""

import pytest

from kif.formats.error import KifError
from kif.formats.state import JobState
from kif.ledger.jobs import Hold, Jobs, digest_of
from kif.ledger.journal import Journal
from tests.ledger.history import EXPIRES, START

CHIP = bytes(range(10))


@pytest.fixture
def jobs() -> Jobs:
    """Three cards that are prepared; the first has its keys, the second is claimed."""
    made = Jobs(3, Journal(), "b")
    assert made.move_all(JobState.RECEIVED, JobState.PREPARED) == 3
    made.claim(1, "station-1", EXPIRES)
    made.use(1, CHIP, START)
    made.claim(2, "station-2", EXPIRES)
    return made


def test_each_card_has_its_state_chip_and_station(jobs: Jobs) -> None:
    assert [jobs.state(number) for number in (1, 2, 3)] == [
        JobState.PERSONALISING,
        JobState.CLAIMED,
        JobState.PREPARED,
    ]
    assert [jobs.chip(number) for number in (1, 2, 3)] == [CHIP, None, None]
    assert jobs.line == {1: Hold("station-1", EXPIRES), 2: Hold("station-2", EXPIRES)}
    assert list(jobs.all()) == [
        (number, jobs.state(number), jobs.chip(number)) for number in (1, 2, 3)
    ]
    assert (len(jobs), jobs.first(JobState.PREPARED), jobs.first(JobState.GOOD)) == (3, 3, None)
    assert jobs.first(JobState.PERSONALISING) == 1
    assert jobs.count(JobState.CLAIMED, JobState.PREPARED) == 2


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_a_card_that_is_not_there_is_a_sentence(jobs: Jobs, number: int) -> None:
    with pytest.raises(KifError, match=f"3 cards; there is no card {number}"):
        jobs.state(number)


def test_a_batch_has_the_same_digest_from_anybodys_list_of_it(jobs: Jobs) -> None:
    listed = [(state, chip) for _, state, chip in jobs.all()]
    assert jobs.digest() == digest_of(iter(listed))
    other_state = [(JobState.SUSPECT, listed[0][1]), *listed[1:]]
    other_chip = [(listed[0][0], bytes(10)[:-1] + b"\x01"), *listed[1:]]
    assert jobs.digest() == digest_of((state, chip or bytes(10)) for state, chip in listed)
    for other in (other_state, other_chip, listed[:2], listed[::-1]):
        assert jobs.digest() != digest_of(iter(other))


def test_jobs_come_back_from_what_they_were_encoded_to(jobs: Jobs) -> None:
    again = Jobs.restore(jobs.encode(), Journal(), "b")
    assert list(again.all()) == list(jobs.all())
    assert (again.line, again.digest()) == (jobs.line, jobs.digest())


def test_every_change_is_taken_back() -> None:
    journal = Journal()
    jobs = Jobs(2, journal, "b")
    before = jobs.encode()
    mark = journal.mark()
    jobs.move_all(JobState.RECEIVED, JobState.PREPARED)
    jobs.claim(1, "station-1", EXPIRES)
    jobs.use(1, CHIP, START)
    jobs.step(1, JobState.SUSPECT)
    assert jobs.line == {}
    journal.back(mark)
    assert jobs.encode() == before
