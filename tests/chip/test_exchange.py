"""Calls with a time limit."""

import threading
import time

import pytest

from kif.chip.exchange import Patient, Silence


def test_a_call_gives_what_it_gives() -> None:
    calls = Patient()
    assert calls.call(5, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        calls.call(5, divmod, 7, 0)
    assert calls.call(5, divmod, 8, 2) == (4, 0)


def test_a_call_that_stays_away_ends_it_and_what_is_left_is_called_once_it_returns() -> None:
    calls, released, cleared = Patient(), threading.Event(), threading.Event()
    began = time.monotonic()
    with pytest.raises(Silence):
        calls.call(0.05, released.wait, 30)
    with pytest.raises(Silence):  # at once, and nothing is called
        calls.call(30, divmod, 1, 1)
    assert time.monotonic() - began < 10
    calls.finally_call(cleared.set)
    assert not cleared.is_set()
    released.set()
    assert cleared.wait(10)


def test_a_call_of_parts_has_its_time_for_each() -> None:
    calls = Patient()

    def parts() -> int:
        for _ in range(5):
            calls.go_on()
            time.sleep(0.3)
        return 5

    assert calls.call(1, parts) == 5


def test_a_call_that_nobody_waits_for_ends_before_its_next_part() -> None:
    calls, released, cleared = Patient(), threading.Event(), threading.Event()
    begun: list[int] = []

    def parts() -> None:
        for number in range(3):
            calls.go_on()
            begun.append(number)
            released.wait(30)

    with pytest.raises(Silence):
        calls.call(0.05, parts)
    calls.finally_call(cleared.set)
    released.set()
    assert cleared.wait(10)
    assert begun == [0]


def test_what_is_left_is_called_at_once_where_nothing_is_silent() -> None:
    done: list[int] = []
    Patient().finally_call(done.append, 1)
    assert done == [1]
