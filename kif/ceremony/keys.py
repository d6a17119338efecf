"""A key ceremony: keys of an issuer or a card vendor, formed of components on a site that stands.

>>> with app.oracle() as oracle:
...     hold_key_ceremony(oracle.custody, plan, digest, "bank", people)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from kif.ceremony.people import People, until_right
from kif.ceremony.plan import Form, KeyPlan, in_words
from kif.formats.control import Control
from kif.formats.error import BadInput, KifError, Refused
from kif.formats.keyref import KeyRef
from kif.ledger.approval import CEREMONY
from kif.oracle.interface import CustodyOracle


def hold_key_ceremony(
    custody: CustodyOracle, plan: KeyPlan, digest: str, owner: str, people: People
) -> Sequence[KeyRef]:
    """Hold the ceremony with custodians of the site; return the keys, which are active then.

    Whatever ends it leaves none of them: the ceremony is aborted on the record. Raises what did.
    """
    there = custody.custodians()
    count = plan.roles.custodian
    if len(there) < count:
        raise Refused(
            Control.CUSTODIANS, f"The plan needs {count} custodians; the site has {len(there)}."
        )
    present = people.present("custodian", there, count)
    purposes = [step.key for step in plan.forms]
    keys, statement = custody.begin(plan.ceremony, digest, owner, purposes)
    try:
        made = dict(zip(purposes, keys, strict=True))
        _go(custody, plan, digest, made, statement, present, people)
    except BaseException as exc:
        custody.abort(exc.sentence if isinstance(exc, KifError) else f"{type(exc).__name__}.")
        raise
    return keys


def _go(
    custody: CustodyOracle,
    plan: KeyPlan,
    digest: str,
    keys: dict[str, KeyRef],
    statement: bytes,
    present: Sequence[str],
    people: People,
) -> None:
    for number, step in enumerate(plan.steps, start=1):
        people.tell(f"Step {number} of {len(plan.steps)}: {' '.join(step.text.split())}")
        if isinstance(step, Form):
            _form(custody, step, keys[step.key], present, people)
        elif step.action == "approve":
            people.tell(in_words(plan, digest))
            for person in present:
                until_right(people, partial(_approve, custody, people, person, statement))
        elif step.action == "close":
            custody.close(plan.ceremony)


def _approve(custody: CustodyOracle, people: People, person: str, statement: bytes) -> None:
    custody.approve(person, statement, people.sign(person, CEREMONY, statement))


def _form(
    custody: CustodyOracle, step: Form, key: KeyRef, present: Sequence[str], people: People
) -> None:
    for number, person in enumerate(present, start=1):
        enter = partial(_enter, custody, step, key, person, number, people)
        until_right(people, enter, (BadInput,))
    kcv = custody.form(key, step.algorithm.value, step.years)
    people.tell(f"Key {key}: {step.algorithm.value}, check value {kcv}.")


def _enter(
    custody: CustodyOracle, step: Form, key: KeyRef, person: str, number: int, people: People
) -> None:
    """Take a component whose check value is its sheet's; each miss is recorded, then raised."""
    try:
        component = people.component(person, key, number)
    except BadInput as wrong:
        custody.slip(key, person, wrong)
        raise
    custody.enter(key, step.algorithm.value, person, number, component.value, component.check_value)
