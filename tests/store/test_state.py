"""The steps of jobs and batches."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.store.state import BATCH_STEPS, JOB_STEPS, BatchState, JobState


def test_every_state_has_its_steps() -> None:
    assert set(JOB_STEPS) == set(JobState)
    assert set(BATCH_STEPS) == set(BatchState)


def test_every_step_leads_to_another_state_of_the_table() -> None:
    for state, steps in JOB_STEPS.items():
        assert steps <= set(JobState) - {state}
    for stage, stages in BATCH_STEPS.items():
        assert stages <= set(BatchState) - {stage}


@pytest.mark.control("KIF-ORA-03")
@pytest.mark.parametrize("state", [JobState.SUSPECT, JobState.DISPATCHED])
def test_an_end_is_never_left(state: JobState) -> None:
    assert JOB_STEPS[state] == frozenset()


@pytest.mark.control("KIF-ORA-04")
def test_a_batch_goes_one_way_without_a_choice() -> None:
    way = [BatchState.RECEIVED, BatchState.PREPARED, BatchState.RELEASED, BatchState.CLOSED]
    for at, after in pairwise(way):
        assert BATCH_STEPS[at] == {after}
    assert BATCH_STEPS[BatchState.CLOSED] == frozenset()


@pytest.mark.control("KIF-ORA-03")
def test_a_card_in_the_making_may_become_suspect_and_no_other_may() -> None:
    making = {JobState.CLAIMED, JobState.PERSONALISING, JobState.PERSONALISED, JobState.PRINTED}
    assert {state for state in JobState if JobState.SUSPECT in JOB_STEPS[state]} == making


@pytest.mark.control("KIF-ORA-03")
@given(st.data())
def test_every_walk_ends_suspect_or_dispatched(data: st.DataObject) -> None:
    state, personalised = JobState.RECEIVED, 0
    for _ in range(100):
        if not JOB_STEPS[state]:
            break
        state = data.draw(st.sampled_from(sorted(JOB_STEPS[state])))
        personalised += state is JobState.PERSONALISING
    assert personalised <= 1
    if not JOB_STEPS[state]:
        assert state in {JobState.SUSPECT, JobState.DISPATCHED}


def reachable(start: JobState) -> set[JobState]:
    seen, ahead = {start}, [start]
    while ahead:
        for step in JOB_STEPS[ahead.pop()] - seen:
            seen.add(step)
            ahead.append(step)
    return seen


@pytest.mark.control("KIF-ORA-03")
def test_once_the_script_has_left_there_is_no_way_back_to_the_start() -> None:
    assert JobState.PREPARED in reachable(JobState.CLAIMED)
    assert not reachable(JobState.PERSONALISING) & {JobState.PREPARED, JobState.CLAIMED}


def test_every_state_is_reached_from_the_first() -> None:
    assert reachable(JobState.RECEIVED) == set(JobState)
