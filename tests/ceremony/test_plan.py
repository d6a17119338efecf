"""A plan that can't work is refused, with the place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kif.ceremony.plan import load_plan
from kif.formats.error import BadInput
from tests.site import PLAN

Change = Callable[[dict[str, Any]], Any]


def form(key: str, algorithm: str) -> dict[str, Any]:
    """Return a step that forms a key."""
    step = {"action": "form", "who": "custodians", "minutes": 1, "text": "x"}
    return step | {"key": key, "algorithm": algorithm}


BAD_KEYS: dict[str, tuple[Change, str]] = {
    "no key": (lambda p: p.update(steps=[s for s in p["steps"] if "key" not in s]), "at least one"),
    "a key twice": (lambda p: p["steps"].insert(2, form("emv-ac", "2TDEA")), "each once"),
    "a vendor's key": (
        lambda p: p["steps"].insert(2, form("card-manager", "AES-128")),
        "'card-manager' is none of the keys of issuers",
    ),
    "another algorithm": (lambda p: p["steps"][2].update(algorithm="AES-128"), "is not one of"),
    "a key before its approval": (
        lambda p: p["steps"].insert(1, p["steps"].pop(2)),
        "not between approve and close",
    ),
    "no approval": (lambda p: p["steps"].pop(1), "each of open"),
    "three operators": (lambda p: p["roles"].update(operator=3), "roles.operator"),
    "a generated key": (
        lambda p: p["steps"].insert(
            3, form("x", "x") | {"action": "generate", "keys": ["emv-ac"], "text": "x"}
        ),
        "steps.3.generate",
    ),
}
BAD: dict[str, tuple[Change, str]] = {
    "one custodian": (lambda p: p["roles"].update(custodian=1), "roles.custodian"),
    "one operator": (lambda p: p["roles"].update(operator=1), "roles.operator"),
    "an unknown field": (lambda p: p.update(slot=0), "slot"),
    "an unknown action": (lambda p: p["steps"][0].update(action="hope"), "steps.0"),
    "no seal": (lambda p: p["steps"].pop(5), "each of appoint"),
    "approval before appointment": (
        lambda p: p["steps"].insert(0, p["steps"].pop(1)),
        "in this order",
    ),
    "a key before the token": (
        lambda p: p["steps"].insert(2, p["steps"].pop(3)),
        "not between make-token and certify",
    ),
    "a key missing": (lambda p: p["steps"][3]["keys"].remove("log-signer"), "exactly"),
    "a key twice": (lambda p: p["steps"][3]["keys"].append("log-signer"), "exactly"),
    "a key of others": (lambda p: p["steps"][3]["keys"].append("emv-ac"), "exactly"),
    "a key formed": (
        lambda p: p["steps"].insert(4, form("data-protection", "AES-256")),
        "ceremonies of their own",
    ),
    "nothing that it makes": (lambda p: p.pop("makes"), "makes"),
    "no time": (lambda p: p["steps"][0].update(minutes=0), "minutes"),
}


@pytest.mark.parametrize("path", sorted(PLAN.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_plans_are_possible(path: Path) -> None:
    plan, digest = load_plan(path)
    assert plan.ceremony == path.stem
    assert len(digest) == 64


@pytest.mark.control("KIF-CER-01")
@pytest.mark.parametrize("case", BAD_KEYS)
def test_an_impossible_key_plan_is_refused(case: str, tmp_path: Path) -> None:
    change, words = BAD_KEYS[case]
    plan = yaml.safe_load(PLAN.with_name("issuer-keys.yaml").read_text())
    change(plan)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan))
    with pytest.raises(BadInput, match=words):
        load_plan(path)


@pytest.mark.control("KIF-CER-01")
@pytest.mark.parametrize("case", BAD)
def test_an_impossible_plan_is_refused(case: str, tmp_path: Path) -> None:
    change, words = BAD[case]
    plan = yaml.safe_load(PLAN.read_text())
    change(plan)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan))
    with pytest.raises(BadInput, match=words):
        load_plan(path)


@pytest.mark.parametrize(("content", "words"), [(": :", "not YAML"), (None, "can't be read")])
def test_a_file_that_is_no_plan_is_refused(content: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadInput, match=words):
        load_plan(path)
