"""A plan's file: reviewed YAML, read into the canonical JSON that people sign and the log keeps.

Comments, quotes and line breaks of the file are not part of the plan; every word of its texts is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.document import nearest, read_document
from kif.formats.error import BadInput
from kif.formats.words import aloud
from kif.ledger.plan import Impossible, Place, Plan, Step
from kif.ledger.possible import check


def load_plan(path: Path) -> Plan:
    """Read and check a plan. Raises ``BadInput`` (PLAN) with a sentence that names the line."""
    value, lines = _read(path)
    try:
        plan = Plan.decode(canonical.encode(value).decode())
        check(plan)
    except Impossible as wrong:
        line = nearest(lines, wrong.place)
        raise BadInput(Control.PLAN, f"{path}, line {line}: {wrong.sentence}") from None
    except (BadInput, TypeError, ValueError):
        raise BadInput(
            Control.PLAN, f"The plan {path} has a value that is no text, whole number or list."
        ) from None
    return plan


def _read(path: Path) -> tuple[Any, dict[Place, int]]:
    """Return the value of a YAML file, and the line of each place in it."""
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise BadInput(Control.PLAN, f"The plan {path} can't be read: {exc.strerror}.") from exc
    value, lines = read_document(raw, f"The plan {path}", Control.PLAN)
    return _one_space(value), lines


def _one_space(value: Any) -> Any:
    """Return a value whose texts have one space wherever the file breaks or indents them."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_one_space(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _one_space(each) for name, each in value.items()}
    return value


def in_words(plan: Plan) -> str:
    """Return a plan as the people read it who sign its digest."""
    roles = ", ".join(role.counted(count) for role, count in plan.roles.items() if count)
    steps = [
        f"  {number}. {step.text}{_values(step)}" for number, step in enumerate(plan.steps, start=1)
    ]
    materials = [f"  In the room: {each.count} {each.what}." for each in plan.materials]
    return "\n".join(
        (
            f"The plan '{plan.ceremony}', by {plan.author}, reviewed by {plan.approver}: "
            f"{plan.purpose}",
            f"  {roles}; {plan.minutes} minutes. It follows {'; '.join(plan.clauses)}.",
            *materials,
            *steps,
            f"  SHA-256 of the plan: {plan.digest}",
            f"  Read aloud: {aloud(plan.digest)}",
        )
    )


def _values(step: Step) -> str:
    """Return what a step's action takes, as the plan has it."""
    told = [
        f"{name} {', '.join(value) if isinstance(value, tuple) else value}"
        for name, value in step.values.items()
        if value is not None
    ]
    return f" [{'; '.join(told)}]" if told else ""
