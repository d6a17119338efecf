"""Holding a ceremony on a site that stands: from its beginning, or on from where it was left.

>>> with app.oracle() as oracle:
...     hold(oracle.ceremonies, load_plan(path), "bank", people)

Whatever ends it, it stands at its step: ``resume`` goes on there, ``abort`` ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kif.ceremony.acts import ACTS
from kif.ceremony.people import People
from kif.ceremony.scene import Scene
from kif.ceremony.steps import go_through
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.ledger.approval import CEREMONY
from kif.ledger.events.ceremony import Role
from kif.ledger.plan import Plan, Step
from kif.oracle.ceremony import Ceremonies


def hold(
    desk: Ceremonies, plan: Plan, subject: str, people: People, named: KeyRef | None = None
) -> tuple[KeyRef, ...]:
    """Hold a ceremony to its end; return the keys that it made, which are active then.

    ``named`` is the key that it is about, for a plan that has one named. Raises ``Refused``
    (CUSTODIANS) when the site has not as many people as the plan needs.
    """
    there = {role: desk.of_role(role) for role in (Role.CUSTODIAN, Role.WITNESS)}
    custodians, witnesses = taking_part(there, plan, people)
    desk.begin(plan, subject, custodians, witnesses, named)
    return go_on(desk, people)


def resume(desk: Ceremonies, people: People) -> tuple[KeyRef, ...]:
    """Go on with the ceremony that stands, at the beginning of its step."""
    running = desk.running()
    people.tell(f"The ceremony '{running.name}' goes on.")
    desk.resume()
    return go_on(desk, people)


def deviate(desk: Ceremonies, reason: str, names: Sequence[str], people: People) -> None:
    """Record a deviation from the plan at the open step; two of those present sign it."""
    running = desk.running()
    statement = running.deviation(running.done + 1, reason)
    desk.deviate(reason, {name: people.sign(name, CEREMONY, statement) for name in names})


def needs_officer(plan: Plan) -> bool:
    """Return whether the security officer's PIN has to be opened with the token for a plan."""
    return any(step.action == "open-officer" for step in plan.steps)


def go_on(desk: Ceremonies, people: People) -> tuple[KeyRef, ...]:
    """Go on from where a ceremony stands to its end; return the keys that it made."""
    made: list[KeyRef] = []

    def act(step: Step) -> None:
        running = desk.running()
        made[:] = running.made
        ACTS[step.action](Scene(desk, people, running, step))

    go_through(people, desk.running, act, lambda number: desk.done())
    return tuple(made)


def taking_part(
    there: Mapping[Role, Sequence[str]], plan: Plan, people: People
) -> list[tuple[str, ...]]:
    """Ask who takes part, of those who have each of these roles. Raises ``Refused`` (CUSTODIANS).

    Nobody is asked unless there are enough of all.
    """
    for role, names in there.items():
        if len(names) < plan.roles[role]:
            raise Refused(
                Control.CUSTODIANS,
                f"The plan needs {role.counted(plan.roles[role])}; the site has {len(names)}. "
                "People are appointed in a ceremony of their own: ceremonies/appoint.yaml, "
                "appoint-witness.yaml.",
            )
    return [
        tuple(people.present(role.value, names, plan.roles[role])) if plan.roles[role] else ()
        for role, names in there.items()
    ]
