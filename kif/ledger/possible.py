"""Whether a plan can work: its steps are gone through on a model of room, token and ledger.

1. Its author is not its approver; 2. each step is for this kind of plan, and whoever may acts; 3.
no step is single-handed; 4. what a step needs is there by then, and nothing is made twice; 5. it
ends with its only closing, and a site is whole then; 6. keys are of the owner that the plan is for.

>>> check(Plan.decode(text))

The state machine asks this before it lets a ceremony begin, ``kif ceremony check`` before anyone
meets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kif.formats.purpose import GENESIS_KEYS, PURPOSES, Owner
from kif.ledger.action import CERTIFICATES, PEOPLE, SEALED, SITE, facts
from kif.ledger.events.ceremony import Role
from kif.ledger.plan import About, Impossible, Plan, Step

_OPERATORS = 2
RESTORING = ("approve", "seal", "make-token", "restore", "replace-log-signer", "renew")
"""How a plan begins that goes on with a site in a new HSM."""
_OWNERS = {
    About.ISSUER: {Owner.ISSUER},
    About.VENDOR: {Owner.VENDOR},
    About.PARTNER: {Owner.ISSUER, Owner.VENDOR},
}


def check(plan: Plan) -> None:
    """Refuse a plan that can't work. Raises ``Impossible`` for the first thing that is wrong."""
    if plan.author == plan.approver:
        raise Impossible(
            ("approver",),
            f"{plan.author} is author and approver; a plan is reviewed by somebody else.",
        )
    if plan.roles[Role.OPERATOR] < _OPERATORS:
        raise Impossible(("roles", "operator"), "A token is opened by two operators at least.")
    if not plan.founds:
        _check_restoring(plan)
    there, people = _at_the_beginning(plan), dict(plan.roles)
    for at, step in enumerate(plan.steps):
        place = ("steps", at)
        _check_kind(plan, step, at)
        if step.action == "appoint-person":
            people[Role(step.values["role"])] += 1
        _check_hands(people, step, at)
        _check_spare(people, step, at)
        for fact in facts(step.does.needs, step.values):
            if fact not in there:
                raise Impossible(
                    place, f"{_named(step, at)} needs {fact}, which nothing before it leaves."
                )
        for fact in facts(step.does.leaves, step.values):
            if fact in there:
                raise Impossible(place, f"{_named(step, at)} leaves {fact}, which is there before.")
            there.add(fact)
    _check_end(plan, there)


def _at_the_beginning(plan: Plan) -> set[str]:
    if plan.founds:
        return set()
    return {SITE, PEOPLE} if plan.restores else {SITE, PEOPLE, SEALED, CERTIFICATES}


def _check_restoring(plan: Plan) -> None:
    """Require the one order in which a site goes on in a new HSM; until then nothing is signed."""
    actions = tuple(step.action for step in plan.steps)
    for at, action in enumerate(actions):
        if not plan.restores and action in ("seal", "make-token"):
            raise Impossible(
                ("steps", at, "action"),
                f"{_named(plan.steps[at], at)} is for a plan that makes a site, or restores one.",
            )
    if plan.restores and actions[: len(RESTORING)] != RESTORING:
        raise Impossible(
            ("steps",), f"A site is restored by {', '.join(RESTORING)}, in this order and at first."
        )


def _check_kind(plan: Plan, step: Step, at: int) -> None:
    action = step.does
    if action.founding not in (None, plan.founds):
        kind = "that makes a site" if action.founding else "on a site that stands"
        raise Impossible(("steps", at, "action"), f"{_named(step, at)} is for a plan {kind} alone.")
    if step.who.value not in action.who:
        raise Impossible(
            ("steps", at, "who"),
            f"{_named(step, at)} is done by {' or '.join(action.who)}, not by {step.who.value}.",
        )
    if "{key}" in step.does.makes:
        _check_key(plan, step, at, step.values["key"])


def _check_key(plan: Plan, step: Step, at: int, purpose: str) -> None:
    row, owners = PURPOSES[purpose], _OWNERS.get(plan.about)
    suits = row.partners if step.action == "generate-key" else row.formed
    if owners is None or not owners <= row.owners or not suits:
        whose = f"a plan about {plan.about.value}"
        raise Impossible(
            ("steps", at, "key"), f"{_named(step, at)} makes {purpose}, which is no key of {whose}."
        )
    algorithm = step.values["algorithm"]
    if algorithm not in row.algorithms:
        raise Impossible(
            ("steps", at, "algorithm"),
            f"{_named(step, at)} makes {purpose} with {algorithm}; it is "
            f"{' or '.join(sorted(row.algorithms))}.",
        )


def _check_hands(people: Mapping[Role, int], step: Step, at: int) -> None:
    for role, least in step.does.hands.items():
        if people[role] < least:
            raise Impossible(
                ("steps", at),
                f"{_named(step, at)} would be single-handed: it takes {role.counted(least)}, and "
                f"the plan has {people[role]}.",
            )


def _check_spare(people: Mapping[Role, int], step: Step, at: int) -> None:
    """Require that a seal opens without one of its holders: a lost passphrase is no new site."""
    threshold = step.values.get("threshold")
    for role in step.does.hands:
        if threshold is not None and people[role] <= threshold:
            raise Impossible(
                ("steps", at, "threshold"),
                f"{_named(step, at)} takes {threshold} of {people[role]} {role.plural}; none "
                "of them could be missing. Take part with one more.",
            )


def _check_end(plan: Plan, there: set[str]) -> None:
    closings = [at for at, step in enumerate(plan.steps) if step.action == "close"]
    if closings != [len(plan.steps) - 1]:
        raise Impossible(("steps",), "A plan ends with 'close', and has it once.")
    if not plan.founds:
        return
    for fact in _whole_site():
        if fact not in there:
            raise Impossible(("steps",), f"The site would be without {fact} at the end.")


def _whole_site() -> Iterator[str]:
    yield from (PEOPLE, SEALED, CERTIFICATES)
    yield from (f"the key {name}" for name in GENESIS_KEYS)


def _named(step: Step, at: int) -> str:
    return f"Step {at + 1} ({step.action})"
