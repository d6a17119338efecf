"""Leases and stations on the record: who may hold a card, and who is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from kif.formats.control import Control
from kif.formats.state import JobState
from kif.ledger.event import Event
from kif.ledger.events.card import CardRejected
from kif.ledger.events.site import StationResumed
from tests.ledger.history import (
    BY,
    EXPIRES,
    START,
    STATION,
    B,
    World,
    authorised,
    claimed,
    made,
    released,
)
from tests.ledger.refusal import refused

RESUMED = StationResumed(BY, STATION, "Another vendor's blanks.")


def rejected(number: int = 1, station: str = STATION) -> CardRejected:
    return CardRejected(BY, B, number, station, Control.CARD_CRYPTOGRAM, "Its keys are not ours.")


def failed(times: int) -> World:
    pairs = [each for _ in range(times) for each in (claimed(1), rejected())]
    return World(released().events, pairs)


def test_a_rejected_blank_leaves_its_job_ready() -> None:
    world = failed(1)
    assert world.state.batches.jobs[B].state(1) is JobState.PREPARED
    assert world.state.batches.jobs[B].line == {}
    world.admit(made(1))


@pytest.mark.control("KIF-ORA-11")
def test_three_blanks_in_a_row_stop_their_station_alone() -> None:
    world = failed(3)
    assert refused(world, claimed(1), "station-1 is stopped").control is Control.STATION
    world.admit(RESUMED, claimed(1))


@pytest.mark.control("KIF-ORA-11")
def test_a_card_that_proves_its_keys_starts_the_count_anew() -> None:
    world = failed(2)
    world.admit(made(1), claimed(2), rejected(2), claimed(2), rejected(2), claimed(2))


CASES: dict[str, tuple[Callable[[], World], Callable[[], Event], str]] = {
    "a station resumed that goes": (lambda: failed(2), lambda: RESUMED, "is not stopped"),
    "a blank of a job that is not claimed": (released, rejected, "is not on the line"),
    "a blank of another station": (
        lambda: World(released().events, claimed(1)),
        lambda: rejected(1, "station-2"),
        "is not claimed by station-2",
    ),
    "a blank whose keys have left": (
        lambda: World(released().events, claimed(1), authorised(1)),
        rejected,
        "is not claimed by station-1",
    ),
    "a lease that is over": (
        released,
        lambda: replace(claimed(1), until=START),
        "A lease ends after now",
    ),
    "a lease beyond the release": (
        released,
        lambda: replace(claimed(1), until=EXPIRES + timedelta(microseconds=1)),
        "with its release at the latest",
    ),
}


@pytest.mark.control("KIF-ORA-10", "KIF-ORA-11", "KIF-LOG-03")
@pytest.mark.parametrize("case", CASES)
def test_what_a_station_may_not_is_refused(case: str) -> None:
    world, event, words = CASES[case]
    refused(world(), event(), words)


@pytest.mark.control("KIF-ORA-10")
def test_keys_leave_only_while_the_lease_lasts() -> None:
    world = released()
    until = world.clock.time + timedelta(minutes=10)
    world.admit(replace(claimed(1), until=until), replace(claimed(2), until=until))
    world.clock.time = until - timedelta(seconds=1)
    world.admit(authorised(1))
    assert refused(world, authorised(2), "ended at").control is Control.LEASE
    assert world.state.batches.jobs[B].lapsed(world.clock()) == [1, 2]
