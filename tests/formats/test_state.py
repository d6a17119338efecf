"""The steps of jobs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.state import JOB_STEPS, JobState


def test_every_state_has_its_steps() -> None:
    assert set(JOB_STEPS) == set(JobState)


def test_every_step_leads_to_another_state_of_the_table() -> None:
    for state, steps in JOB_STEPS.items():
        assert steps <= set(JobState) - {state}


@pytest.mark.control("KIF-ORA-03")
@pytest.mark.parametrize("state", [JobState.SUSPECT, JobState.DISPATCHED])
def test_an_end_is_never_left(state: JobState) -> None:
    assert JOB_STEPS[state] == frozenset()


@pytest.mark.control("KIF-ORA-03")
def test_a_card_may_become_suspect_until_it_is_good() -> None:
    ends = {JobState.GOOD, JobState.DISPATCHED, JobState.SUSPECT}
    assert {state for state in JobState if JobState.SUSPECT in JOB_STEPS[state]} == (
        set(JobState) - ends
    )


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
