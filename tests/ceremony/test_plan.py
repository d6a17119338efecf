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

BAD: dict[str, tuple[Change, str]] = {
    "one custodian": (lambda p: p["roles"].update(custodian=1), "roles.custodian"),
    "one operator": (lambda p: p["roles"].update(operator=1), "roles.operator"),
    "an unknown field": (lambda p: p.update(slot=0), "slot"),
    "an unknown action": (lambda p: p["steps"][0].update(action="hope"), "steps.0"),
    "no seal": (lambda p: p["steps"].pop(6), "each of appoint"),
    "approval before appointment": (
        lambda p: p["steps"].insert(0, p["steps"].pop(1)),
        "in this order",
    ),
    "a key before the token": (lambda p: p["steps"].insert(2, p["steps"].pop(3)), "no token"),
    "a key missing": (lambda p: p["steps"][3]["keys"].remove("emv-ac"), "exactly"),
    "a key twice": (lambda p: p["steps"][3]["keys"].append("card-manager"), "exactly"),
    "no time": (lambda p: p["steps"][0].update(minutes=0), "minutes"),
}


def test_the_shipped_plan_is_possible() -> None:
    plan, digest = load_plan(PLAN)
    assert plan.ceremony == "genesis"
    assert len(digest) == 64


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
