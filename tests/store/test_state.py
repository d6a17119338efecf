"""The steps of jobs and batches."""

import pytest

from kif.store.state import BATCH_STEPS, JOB_STEPS, BatchState, JobState


def test_every_state_has_its_steps() -> None:
    assert set(JOB_STEPS) == set(JobState)
    assert set(BATCH_STEPS) == set(BatchState)


@pytest.mark.control("KIF-ORA-03")
@pytest.mark.parametrize("state", [JobState.SUSPECT, JobState.DISPATCHED])
def test_an_end_is_never_left(state: JobState) -> None:
    assert JOB_STEPS[state] == frozenset()


def reachable(start: JobState) -> set[JobState]:
    seen, todo = {start}, [start]
    while todo:
        for step in JOB_STEPS[todo.pop()] - seen:
            seen.add(step)
            todo.append(step)
    return seen


@pytest.mark.control("KIF-ORA-03")
def test_once_the_script_has_left_there_is_no_way_back_to_the_start() -> None:
    assert JobState.PREPARED in reachable(JobState.CLAIMED)
    assert not reachable(JobState.PERSONALISING) & {JobState.PREPARED, JobState.CLAIMED}


def test_every_state_is_reached_from_the_first() -> None:
    assert reachable(JobState.RECEIVED) == set(JobState)
