"""A ceremony's plan: reviewed YAML without secrets and without slot numbers, read strictly.

Two kinds: a genesis makes a site; a key plan forms keys of an issuer or a card vendor on a site.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.purpose import PURPOSES, Owner
from kif.formats.text import is_name
from kif.hsm.key import Algorithm
from kif.oracle.keys import SITE_KEYS


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Strict):
    """What every step has: its text for the script, who acts, and its time budget in minutes."""

    text: str
    who: Literal["custodians", "operators", "everyone", "hsm"]
    minutes: Annotated[int, Field(ge=1)]


class Plain(Step):
    """A step that its action says all of."""

    action: Literal["appoint", "approve", "make-token", "certify", "seal", "open", "close"]


class Generate(Step):
    """Master keys and key pairs are generated inside the token."""

    action: Literal["generate"]
    keys: tuple[str, ...]


class Form(Step):
    """A master key is combined inside the token from one component of each custodian."""

    action: Literal["form"]
    key: str
    algorithm: Algorithm
    years: Annotated[int, Field(ge=1, le=30)] | None = None
    """The key's cryptoperiod from the ceremony; without one it is valid until it is deactivated."""


AnyStep = Annotated[Plain | Generate | Form, Field(discriminator="action")]


class Roles(_Strict):
    """How many different people of each role take part."""

    custodian: Annotated[int, Field(ge=2)]
    operator: Annotated[int, Field(ge=2)]


class KeyRoles(_Strict):
    """How many custodians enter components; two operators open the token, as always."""

    custodian: Annotated[int, Field(ge=2)]
    operator: Literal[2]


class _Plan(_Strict):
    ceremony: str
    purpose: str
    clauses: tuple[str, ...]
    author: str
    steps: tuple[AnyStep, ...]


class GenesisPlan(_Plan):
    """A plan that makes a site."""

    makes: Literal["site"]
    roles: Roles


class KeyPlan(_Plan):
    """A plan that forms keys of an issuer or a card vendor."""

    makes: Literal["issuer-keys", "vendor-keys"]
    roles: KeyRoles

    @property
    def owner(self) -> Owner:
        """Whose the keys are."""
        return Owner.ISSUER if self.makes == "issuer-keys" else Owner.VENDOR

    @property
    def forms(self) -> tuple[Form, ...]:
        """The steps that form a key."""
        return tuple(step for step in self.steps if isinstance(step, Form))


Plan = GenesisPlan | KeyPlan
_ANY: TypeAdapter[Plan] = TypeAdapter(Annotated[Plan, Field(discriminator="makes")])
_GENESIS = ("appoint", "approve", "make-token", "certify", "seal", "close")
_KEYS = ("open", "approve", "close")


def load_plan(path: Path) -> tuple[Plan, str]:
    """Read and check a plan; return it with the SHA-256 of its bytes (hex).

    Raises ``BadInput`` (PLAN) with a sentence that names the place.
    """
    try:
        raw = path.read_bytes()
        plan = _ANY.validate_python(yaml.safe_load(raw))
    except OSError as exc:
        raise BadInput(Control.PLAN, f"The plan {path} can't be read: {exc.strerror}.") from exc
    except yaml.YAMLError as exc:
        raise BadInput(Control.PLAN, f"The plan {path} is not YAML: {exc}.") from exc
    except ValidationError as exc:
        raise BadInput(Control.PLAN, f"The plan {path}: {_first(exc)}.") from exc
    check_plan(plan)
    return plan, hashlib.sha256(raw).hexdigest()


def in_words(plan: Plan, digest: str) -> str:
    """Return a plan as the people read it who sign its digest."""
    roles = plan.roles
    steps = [
        f"  {number}. {' '.join(step.text.split())}"
        + (f" [{', '.join(step.keys)}]" if isinstance(step, Generate) else "")
        + (f" [{_formed(step)}]" if isinstance(step, Form) else "")
        for number, step in enumerate(plan.steps, start=1)
    ]
    return "\n".join(
        (
            f"The plan '{plan.ceremony}', by {plan.author}: {' '.join(plan.purpose.split())}",
            f"  {roles.custodian} custodians, {roles.operator} operators. It follows "
            f"{'; '.join(plan.clauses)}.",
            *steps,
            f"  SHA-256 of the plan's file: {digest}",
        )
    )


def _formed(step: Form) -> str:
    valid = "" if step.years is None else f", valid for {step.years} years"
    return f"{step.key}, {step.algorithm.value}{valid}"


def _first(invalid: ValidationError) -> str:
    first: Any = invalid.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def check_plan(plan: Plan) -> None:
    """Refuse a plan that can't work: steps out of order, a key missing or made twice."""
    if not is_name(plan.ceremony):
        raise _impossible(
            f"The plan's name '{plan.ceremony:.70}' is none: it has 1 to 64 letters, digits, "
            "spaces and . _ @ -."
        )
    if isinstance(plan, GenesisPlan):
        _check_order(plan, _GENESIS, "make-token", "certify")
        made = [key for step in plan.steps for key in getattr(step, "keys", ())]
        if sorted(made) != sorted(SITE_KEYS) or any(isinstance(s, Form) for s in plan.steps):
            raise _impossible(
                f"The plan makes the keys {', '.join(sorted(made)) or 'none'}; a site generates "
                f"exactly {', '.join(sorted(SITE_KEYS))}. Keys of issuers and vendors have "
                "ceremonies of their own."
            )
    else:
        _check_order(plan, _KEYS, "approve", "close")
        _check_forms(plan)


def _check_order(plan: Plan, order: tuple[str, ...], first: str, last: str) -> None:
    actions: list[str] = [step.action for step in plan.steps]
    once = [action for action in actions if action not in ("generate", "form")]
    if tuple(once) != order:
        raise _impossible(
            f"The plan's steps come as {', '.join(once)}; it has each of {', '.join(order)} once, "
            "in this order."
        )
    for number, action in enumerate(actions, start=1):
        after, before = actions.index(first) + 1, actions.index(last) + 1
        if action in ("generate", "form") and not after < number < before:
            raise _impossible(
                f"Step {number} ({action}) is not between {first} and {last}, where keys are made."
            )


def _check_forms(plan: KeyPlan) -> None:
    keys = [step.key for step in plan.forms]
    if not keys or len(set(keys)) != len(keys):
        raise _impossible("The plan forms at least one key, and each once.")
    for step in plan.forms:
        row = PURPOSES.get(step.key)
        if row is None or row.owner is not plan.owner or not row.formed:
            known = ", ".join(n for n, p in PURPOSES.items() if p.owner is plan.owner and p.formed)
            raise _impossible(
                f"'{step.key}' is none of the keys of {plan.owner.value}s, which are: {known}."
            )
        if step.algorithm.value not in row.algorithms:
            raise _impossible(
                f"{step.key} with {step.algorithm.value} is not one of "
                f"{', '.join(sorted(row.algorithms))}."
            )
    if any(isinstance(step, Generate) for step in plan.steps):
        raise _impossible("A key of an issuer or a vendor is formed of its components.")


def _impossible(sentence: str) -> BadInput:
    return BadInput(Control.PLAN, sentence)
