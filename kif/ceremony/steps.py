"""Going through a plan step by step, from where a ceremony stands."""

from __future__ import annotations

from collections.abc import Callable

from kif.ceremony.people import People
from kif.ledger.plan import Step
from kif.ledger.running import Running


def go_through(
    people: People,
    running: Callable[[], Running],
    act: Callable[[Step], None],
    done: Callable[[int], None],
    until: int | None = None,
) -> None:
    """Do each step that is left, or those before ``until`` (from 0).

    The last one of a plan, its closing, ends the ceremony by itself.

    Whatever ends it before is raised, after the people were told where it stands.
    """
    try:
        _each(people, running, act, done, until)
    except BaseException:
        people.tell(standing_at(running()))
        raise


def _each(
    people: People,
    running: Callable[[], Running],
    act: Callable[[Step], None],
    done: Callable[[int], None],
    until: int | None,
) -> None:
    at = running()
    for number, step in enumerate(at.plan.steps[at.done : until], start=at.done + 1):
        people.tell(f"Step {number} of {len(at.plan.steps)}, {step.minutes} minutes: {step.text}")
        if step.checks:
            people.tell(f"  Compare: {step.checks}")
        act(step)
        if number < len(at.plan.steps):
            done(number)


def standing_at(running: Running) -> str:
    """Return where a ceremony stands, in a sentence."""
    step = running.open
    what = "its end" if step is None else f"step {running.done + 1} ({step.action})"
    return (
        f"The ceremony '{running.name}' for {running.subject} stands at {what}. 'kif ceremony "
        "resume' goes on with it, 'kif ceremony abort' ends it."
    )
