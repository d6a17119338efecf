"""A ceremony's plan as it stands on the record: reviewed, without secrets and without slot numbers.

Its one form is canonical JSON, whose SHA-256 the people sign; the YAML in ``ceremonies/`` is a way
to write it. A step is one registered action (:mod:`kif.ledger.actions`) with what that takes::

    {"action":"form","algorithm":"2TDEA","key":"emv-ac","minutes":15,"text":"…","who":"custodians"}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.text import is_sentence
from kif.ledger.action import Action
from kif.ledger.actions import ACTIONS
from kif.ledger.events.ceremony import Role
from kif.ledger.field import (
    Field,
    list_field,
    name_field,
    number_field,
    one_of_field,
    text_field,
)

Place = tuple[str | int, ...]
"""Where in a plan: names of fields, and places in lists from 0."""


class About(StrEnum):
    """What a ceremony is about; whoever runs it names which one."""

    NEW_SITE = "new-site"
    SITE = "site"
    ISSUER = "issuer"
    VENDOR = "vendor"
    PARTNER = "partner"
    """An issuer or a vendor, whose keys come and leave alike."""


class Who(StrEnum):
    """Who acts in a step."""

    CUSTODIANS = "custodians"
    OPERATORS = "operators"
    WITNESSES = "witnesses"
    EVERYONE = "everyone"
    HSM = "hsm"


class Impossible(BadInput):
    """A plan that can't work: ``place`` says where, for whoever knows the lines of its file."""

    def __init__(self, place: Place, sentence: str) -> None:
        super().__init__(Control.PLAN, sentence)
        self.place = place


@dataclass(frozen=True)
class Material:
    """What has to be in the room: so many sheets, bags, media."""

    what: str
    count: int


@dataclass(frozen=True)
class Step:
    """One step: its action and what that takes, who acts, and how many minutes it may last."""

    action: str
    text: str
    who: Who
    minutes: int
    checks: str
    """What is compared in it, and by whom; empty when there is nothing to compare."""
    clauses: tuple[str, ...]
    values: Mapping[str, Any]

    @property
    def makes(self) -> tuple[str, ...]:
        """Return the purposes of the keys that it makes."""
        return tuple(purpose.format(**self.values) for purpose in self.does.makes)

    @property
    def uses(self) -> str:
        """Return the purpose of the key that stands already, and that it is about, if any."""
        return self.does.uses.format(**self.values)

    @property
    def does(self) -> Action:
        """Return the row of the action."""
        return ACTIONS[self.action]


@dataclass(frozen=True)
class Plan:
    """A plan whose every field has its form; :func:`kif.ledger.possible.check` judges the rest."""

    ceremony: str
    about: About
    purpose: str
    author: str
    approver: str
    clauses: tuple[str, ...]
    roles: Mapping[Role, int]
    materials: tuple[Material, ...]
    steps: tuple[Step, ...]
    text: str
    """The canonical JSON that all of this was read from."""

    @classmethod
    def decode(cls, text: str) -> Plan:
        """Read a plan. Raises ``Impossible`` for a field that has not its form.

        ``BadInput`` (BYTES) for what is not canonical JSON.
        """
        fields = canonical.decode(text.encode())
        read = _read(fields, _PLAN, (), "a plan")
        steps = tuple(_step(each, ("steps", at)) for at, each in enumerate(fields["steps"]))
        materials = tuple(
            Material(**_read(each, _MATERIAL, ("materials", at), "a material"))
            for at, each in enumerate(fields.get("materials", []))
        )
        roles = _read(fields["roles"], _ROLES, ("roles",), "'roles'")
        numbers = {role: roles[role.value] for role in Role}
        return cls(**read | {"roles": numbers, "steps": steps, "materials": materials}, text=text)

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the text, hex: what the people sign."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def founds(self) -> bool:
        """Whether it makes a site, rather than working on one."""
        return self.about is About.NEW_SITE

    @property
    def restores(self) -> bool:
        """Whether it goes on with a site whose HSM is lost."""
        return any(step.action == "restore" for step in self.steps)

    @property
    def minutes(self) -> int:
        """Return the time that the plan takes."""
        return sum(step.minutes for step in self.steps)

    def used(self) -> Iterator[str]:
        """Yield each purpose of which a key has to stand already."""
        yield from dict.fromkeys(step.uses for step in self.steps if step.uses)

    @property
    def named(self) -> str:
        """Return which kind of key is named when it is held; empty for none."""
        return next((step.does.named for step in self.steps if step.does.named), "")

    def made(self) -> Iterator[str]:
        """Yield each purpose of which the plan makes a key."""
        for step in self.steps:
            yield from step.makes


_CLAUSES = list_field(text_field("a clause of a standard"), 1, 30, "a list of clauses")
_PLAN = {
    "ceremony": name_field(),
    "about": one_of_field(About),
    "purpose": text_field("a text"),
    "author": name_field("who wrote it"),
    "approver": name_field("who reviewed it"),
    "clauses": _CLAUSES,
    "roles": Field(lambda value: isinstance(value, dict), "how many of each role"),
    "materials": Field(lambda value: isinstance(value, list), "a list").optional(()),
    "steps": Field(lambda value: isinstance(value, list) and 0 < len(value) <= 60, "1 to 60 steps"),
}
_ROLES = {role.value: number_field(0, 20).optional(0) for role in Role}
_MATERIAL = {"what": text_field("a text"), "count": number_field(1, 1000)}
_STEP = {
    "action": Field(lambda value: value in ACTIONS, f"one of {', '.join(ACTIONS)}"),
    "text": text_field("a text"),
    "who": one_of_field(Who),
    "minutes": number_field(1, 480),
    "checks": text_field("a text").optional(""),
    "clauses": list_field(text_field("a clause"), 0, 30, "a list of clauses").optional(()),
}


def _step(fields: Any, place: Place) -> Step:
    common = {name: value for name, value in _dict(fields, place).items() if name in _STEP}
    read = _read(common, _STEP, place, "a step")
    action = ACTIONS[read["action"]]
    rest = {name: value for name, value in fields.items() if name not in _STEP}
    return Step(values=_read(rest, action.takes, place, f"'{read['action']}'"), **read)


def _read(fields: Any, forms: Mapping[str, Field], place: Place, what: str) -> dict[str, Any]:
    """Return every field of an object in its form. Raises ``Impossible`` naming the first."""
    _dict(fields, place)
    for name in fields:
        if name not in forms:
            known = ", ".join(forms) or "nothing more"
            raise Impossible((*place, name), f"{what} has no '{name}'; it has {known}.")
    for name, form in forms.items():
        if name not in fields and form.required:
            raise Impossible(place, f"{what} has no '{name}', which is {form.what}.")
        if name in fields and not form.fits(fields[name]):
            raise Impossible(
                (*place, name), f"'{name}' is {_shown(fields[name])}; it has to be {form.what}."
            )
    return {
        name: form.read(fields[name]) if name in fields else form.default
        for name, form in forms.items()
    }


def _dict(fields: Any, place: Place) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise Impossible(place, "Here should be names with their values.")
    return fields


def _shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if is_sentence(text) and len(text) < 80 else "something else"
