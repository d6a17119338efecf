"""A plan's file: reviewed YAML, read into the canonical JSON that people sign and the log keeps.

Comments, quotes and line breaks of the file are not part of the plan; every word of its texts is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.words import aloud
from kif.ledger.plan import Impossible, Place, Plan, Step
from kif.ledger.possible import check

_ROOT: Place = ()


def load_plan(path: Path) -> Plan:
    """Read and check a plan. Raises ``BadInput`` (PLAN) with a sentence that names the line."""
    value, lines = _read(path)
    try:
        plan = Plan.decode(canonical.encode(value).decode())
        check(plan)
    except Impossible as wrong:
        line = _line(lines, wrong.place)
        raise BadInput(Control.PLAN, f"{path}, line {line}: {wrong.sentence}") from None
    except (BadInput, TypeError, ValueError):
        raise BadInput(
            Control.PLAN, f"The plan {path} has a value that is no text, whole number or list."
        ) from None
    return plan


def _read(path: Path) -> tuple[Any, dict[Place, int]]:
    """Return the value of a YAML file, and the line of each place in it."""
    try:
        text = path.read_text()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise BadInput(Control.PLAN, f"The plan {path} refers to itself (*); write it out.")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except OSError as exc:
        raise BadInput(Control.PLAN, f"The plan {path} can't be read: {exc.strerror}.") from exc
    except UnicodeDecodeError:
        raise BadInput(Control.PLAN, f"The plan {path} is not text in UTF-8.") from None
    except (yaml.YAMLError, ValueError) as exc:
        raise BadInput(Control.PLAN, f"The plan {path} is not YAML: {_one_line(exc)}.") from exc
    lines: dict[Place, int] = {_ROOT: 1}
    if node is not None:
        _collect(node, _ROOT, lines, path)
    return _one_space(value), lines


def _collect(node: yaml.Node, place: Place, lines: dict[Place, int], path: Path) -> None:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner = (*place, str(name.value))
            if inner in lines:
                raise BadInput(
                    Control.PLAN,
                    f"{path}, line {name.start_mark.line + 1}: '{name.value}' is there twice.",
                )
            _collect(value, inner, lines, path)
            lines[inner] = name.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            _collect(value, (*place, at), lines, path)


def _line(lines: dict[Place, int], place: Place) -> int:
    """Return the line of a place, or of the nearest one around it."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def _one_space(value: Any) -> Any:
    """Return a value whose texts have one space wherever the file breaks or indents them."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_one_space(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _one_space(each) for name, each in value.items()}
    return value


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


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
