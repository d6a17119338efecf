"""Retention on the record: which key keeps what, and when it may be destroyed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kif.formats.control import Control
from kif.formats.keyref import KeyRef
from kif.formats.state import BatchState, KeyState
from kif.ledger.event import Event
from kif.ledger.events.batch import BatchErased, WindowErased
from kif.ledger.events.key import KeyStateChanged
from tests.ledger.history import (
    BY,
    ISSUER,
    MASTER,
    WINDOW,
    B,
    C,
    World,
    closed,
    dispatched,
    made,
    received,
    registered,
    released,
    site,
)
from tests.ledger.refusal import refused

ERASED = BatchErased(BY, B, "The issuer asked for it.")
NEXT_MONTH = datetime(2026, 2, 1, 1, tzinfo=UTC)


def whole(batches: int = 1) -> WindowErased:
    return WindowErased(BY, WINDOW, batches, "It was due.")


def with_issuer() -> World:
    return World(site().events, registered())


def done() -> World:
    world = released(1)
    world.admit(made(1), dispatched(1), closed(1, 0, 0))
    return world


def later(world: World) -> World:
    world.clock.time = NEXT_MONTH
    return world


def test_the_first_batch_of_a_window_brings_its_retention_key() -> None:
    world = with_issuer()
    world.admit(received(1), received(2, C))
    entry = world.state.keys.known[WINDOW]
    assert (entry.usage, entry.state) == ("retention", KeyState.ACTIVE)
    assert [each.id for each in world.state.retention.of_window(WINDOW)] == [B, C]


def test_a_closed_batch_is_erased_by_itself() -> None:
    world = done()
    world.admit(ERASED)
    assert world.state.batches.known[B].state is BatchState.ERASED
    assert world.state.keys.known[WINDOW].state is KeyState.ACTIVE


def test_a_window_that_is_over_is_erased_with_all_its_batches() -> None:
    world = later(done())
    world.admit(whole())
    assert world.state.batches.known[B].state is BatchState.ERASED
    assert world.state.keys.known[WINDOW].state is KeyState.DESTROYED


def test_a_batch_that_is_erased_already_does_not_hinder_its_window() -> None:
    world = done()
    world.admit(ERASED)
    later(world).admit(whole())
    assert world.state.keys.known[WINDOW].state is KeyState.DESTROYED


CASES: dict[str, tuple[Callable[[], World], Callable[[], Event], str, Control]] = {
    "a key of another month": (
        with_issuer,
        lambda: replace(received(1), retention=replace(WINDOW, version=202602)),
        "is kept under bank/retention/202601 now",
        Control.RETENTION,
    ),
    "a key of another issuer": (
        with_issuer,
        lambda: replace(received(1), retention=KeyRef("x", "retention", 202601)),
        "is kept under bank/retention/202601 now",
        Control.RETENTION,
    ),
    "a key of another purpose": (
        with_issuer,
        lambda: replace(received(1), retention=KeyRef(ISSUER, "emv-ac", 202601)),
        "is kept under",
        Control.RETENTION,
    ),
    "another key under the same name": (
        lambda: World(with_issuer().events, received(1)),
        lambda: replace(received(1, C), derived="derived-gp-aes-01:000000"),
        "another one than before",
        Control.KEY_STATE,
    ),
    "a batch on the line": (
        lambda: released(1),
        lambda: ERASED,
        "only a closed",
        Control.BATCH_STATE,
    ),
    "a batch twice": (
        lambda: World(done().events, ERASED),
        lambda: ERASED,
        "is erased; only a closed",
        Control.BATCH_STATE,
    ),
    "a window in its month": (done, whole, "a window that is over", Control.RETENTION),
    "a window with an open batch": (
        lambda: later(released(1)),
        whole,
        "1 are not closed",
        Control.RETENTION,
    ),
    "a window with fewer batches": (
        lambda: later(done()),
        lambda: whole(0),
        "Of the 1",
        Control.RETENTION,
    ),
    "a window that is not there": (
        lambda: later(site()),
        whole,
        "There is no key bank/retention/202601",
        Control.KEY_FOUND,
    ),
    "a key that is no retention key": (
        done,
        lambda: replace(whole(), key=MASTER),
        "not the retention key of a window",
        Control.RETENTION,
    ),
    "a retention key suspended": (
        done,
        lambda: KeyStateChanged(BY, WINDOW, KeyState.SUSPENDED, "x"),
        "the site's own",
        Control.KEY_STATE,
    ),
}


@pytest.mark.control("KIF-ORA-09", "KIF-LOG-03")
@pytest.mark.parametrize("case", CASES)
def test_what_is_not_to_be_kept_or_erased_is_refused(case: str) -> None:
    world, event, words, control = CASES[case]
    assert refused(world(), event(), words).control is control


@pytest.mark.control("KIF-ORA-09")
def test_a_window_is_erased_once() -> None:
    world = later(done())
    world.admit(whole())
    refused(world, whole(), "is destroyed; it can't become deactivated")
