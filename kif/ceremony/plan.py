"""A ceremony's plan: reviewed YAML without secrets and without slot numbers, read strictly."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.text import is_name
from kif.hsm.key import Algorithm
from kif.oracle.keys import ENVELOPE_RECIPIENT, LOG_SIGNER, MASTERS, SITE_CA


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Roles(_Strict):
    """How many different people of each role take part."""

    custodian: Annotated[int, Field(ge=2)]
    operator: Annotated[int, Field(ge=2)]


class Step(_Strict):
    """What every step has: its text for the script, who acts, and its time budget in minutes."""

    text: str
    who: Literal["custodians", "operators", "everyone", "hsm"]
    minutes: Annotated[int, Field(ge=1)]


class People(Step):
    """Everyone is appointed with a public key, and signs the plan's digest."""

    action: Literal["appoint", "approve"]


class MakeToken(Step):
    """The token is initialised with a random PIN."""

    action: Literal["make-token"]


class Generate(Step):
    """Master keys and key pairs are generated inside the token."""

    action: Literal["generate"]
    keys: tuple[str, ...]


class Form(Step):
    """A master key is combined inside the token from one component of each custodian."""

    action: Literal["form"]
    key: str
    algorithm: Algorithm


class Finish(Step):
    """The bureau's certificates are made; the PINs are sealed; the record is closed."""

    action: Literal["certify", "seal", "close"]


AnyStep = Annotated[People | MakeToken | Generate | Form | Finish, Field(discriminator="action")]

_ORDER = ("appoint", "approve", "make-token", "certify", "seal", "close")
_PAIRS = (LOG_SIGNER, SITE_CA, ENVELOPE_RECIPIENT)


class Plan(_Strict):
    """A whole plan."""

    ceremony: str
    purpose: str
    clauses: tuple[str, ...]
    author: str
    roles: Roles
    steps: tuple[AnyStep, ...]


def load_plan(path: Path) -> tuple[Plan, str]:
    """Read and check a plan; return it with the SHA-256 of its bytes (hex).

    Raises ``BadInput`` (PLAN) with a sentence that names the place.
    """
    try:
        raw = path.read_bytes()
        plan = Plan.model_validate(yaml.safe_load(raw))
    except OSError as exc:
        raise BadInput(Control.PLAN, f"The plan {path} can't be read: {exc.strerror}.") from exc
    except yaml.YAMLError as exc:
        raise BadInput(Control.PLAN, f"The plan {path} is not YAML: {exc}.") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(Control.PLAN, f"The plan {path}: {place}: {first['msg']}.") from exc
    check_plan(plan)
    return plan, hashlib.sha256(raw).hexdigest()


def check_plan(plan: Plan) -> None:
    """Refuse a plan that can't work: steps out of order, a key missing or made twice."""
    if not is_name(plan.ceremony):
        raise BadInput(
            Control.PLAN,
            f"The plan's name '{plan.ceremony:.70}' is none: it has 1 to 64 letters, digits, "
            "spaces and . _ @ -.",
        )
    once = [step.action for step in plan.steps if step.action in _ORDER]
    if tuple(once) != _ORDER:
        raise BadInput(
            Control.PLAN,
            f"The plan's steps come as {', '.join(once)}; a genesis has each of "
            f"{', '.join(_ORDER)} once, in this order.",
        )
    _check_making(plan)
    made = [key for step in plan.steps for key in _keys(step)]
    expected = sorted((*MASTERS, *_PAIRS))
    if sorted(made) != expected:
        raise BadInput(
            Control.PLAN,
            f"The plan makes the keys {', '.join(sorted(made))}; a site has exactly "
            f"{', '.join(expected)}.",
        )


def _check_making(plan: Plan) -> None:
    actions = [step.action for step in plan.steps]
    first, last = actions.index("make-token"), actions.index("certify")
    for number, action in enumerate(actions):
        if action in ("generate", "form") and not first < number < last:
            raise BadInput(
                Control.PLAN,
                f"Step {number + 1} ({action}) is not between make-token and certify: there is no "
                "token to make the key in.",
            )


def _keys(step: AnyStep) -> tuple[str, ...]:
    if isinstance(step, Generate):
        return step.keys
    return (step.key,) if isinstance(step, Form) else ()
