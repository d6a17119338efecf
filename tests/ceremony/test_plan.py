"""A plan that can't work is refused, with the place."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kif.ceremony.acts import ACTS
from kif.ceremony.genesis import FOUNDING
from kif.ceremony.plan import load_plan
from kif.ceremony.restoring import RESTORED
from kif.formats.error import BadInput
from kif.ledger.actions import ACTIONS
from kif.ledger.plan import Plan
from kif.ledger.possible import RESTORING
from tests.site import PLAN

Change = Callable[[dict[str, Any]], Any]


def form(key: str, algorithm: str) -> dict[str, Any]:
    """Return a step that forms a key."""
    step = {"action": "form", "who": "custodians", "minutes": 1, "text": "x"}
    return step | {"key": key, "algorithm": algorithm}


def steps(plan: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = plan["steps"]
    return found


BAD_KEYS: dict[str, tuple[Change, str]] = {
    "a key twice": (
        lambda p: steps(p).insert(2, form("emv-ac", "2TDEA")),
        r"Step 4 \(form\) leaves the key emv-ac, which is there before",
    ),
    "a vendor's key": (
        lambda p: steps(p).insert(2, form("card-manager", "AES-128")),
        r"Step 3 \(form\) makes card-manager, which is no key of a plan about issuer",
    ),
    "a retention key": (
        lambda p: steps(p).insert(2, form("retention", "AES-256")),
        "makes retention, which is no key",
    ),
    "another algorithm": (
        lambda p: steps(p)[2].update(algorithm="AES-128"),
        r"Step 3 \(form\) makes emv-ac with AES-128; it is 2TDEA",
    ),
    "an algorithm that is none": (
        lambda p: steps(p)[2].update(algorithm="ROT13"),
        "'algorithm' is 'ROT13'; it has to be one of 2TDEA",
    ),
    "a key before its approval": (
        lambda p: steps(p).insert(1, steps(p).pop(2)),
        r"Step 2 \(form\) needs signatures over the plan, which nothing before it leaves",
    ),
    "no approval": (lambda p: steps(p).pop(1), "needs signatures over the plan"),
    "a token that is not opened": (lambda p: steps(p).pop(0), "needs an open token"),
    "one operator": (lambda p: p["roles"].update(operator=1), "opened by two operators"),
    "one custodian": (
        lambda p: p["roles"].update(custodian=1),
        "would be single-handed: it takes 2 custodians, and the plan has 1",
    ),
    "a step of a genesis": (
        lambda p: steps(p).insert(3, {**form("x", "x"), "action": "make-token"}),
        "'make-token' has no 'algorithm'; it has nothing more",
    ),
    "a genesis's step": (
        lambda p: steps(p).insert(
            3, {"action": "make-token", "who": "hsm", "minutes": 1, "text": "x"}
        ),
        r"Step 4 \(make-token\) is for a plan that makes a site, or restores one",
    ),
    "a year too many": (lambda p: steps(p)[2].update(years=31), "a whole number from 1 to 30"),
    "done by the wrong people": (
        lambda p: steps(p)[2].update(who="operators"),
        r"Step 3 \(form\) is done by custodians, not by operators",
    ),
}
BAD: dict[str, tuple[Change, str]] = {
    "one custodian": (lambda p: p["roles"].update(custodian=1), "would be single-handed"),
    "a seal that nobody may miss": (
        lambda p: p["roles"].update(operator=2),
        r"Step 3 \(seal\) takes 2 of 2 operators; none of them could be missing",
    ),
    "a seal that one opens": (
        lambda p: steps(p)[2].update(threshold=1),
        "a whole number from 2 to 9",
    ),
    "one operator": (lambda p: p["roles"].update(operator=1), "opened by two operators"),
    "a role that is none": (lambda p: p["roles"].update(king=1), "'roles' has no 'king'"),
    "an unknown field": (lambda p: p.update(slot=0), "a plan has no 'slot'"),
    "an unknown action": (
        lambda p: steps(p)[0].update(action="hope"),
        "'action' is 'hope'; it has to be one of open, appoint",
    ),
    "no seal": (lambda p: steps(p).pop(2), r"Step 3 \(make-token\) needs sealed PINs"),
    "approval before appointment": (
        lambda p: steps(p).insert(0, steps(p).pop(1)),
        r"Step 1 \(approve\) needs people with their keys",
    ),
    "a key before the token": (
        lambda p: steps(p).insert(2, steps(p).pop(4)),
        r"Step 3 \(generate\) needs an open token",
    ),
    "a key missing": (
        lambda p: steps(p)[4]["keys"].remove("log-signer"),
        "The site would be without the key log-signer at the end",
    ),
    "a key twice": (
        lambda p: steps(p)[4]["keys"].append("log-signer"),
        "leaves the key log-signer, which is there before",
    ),
    "a key of others": (
        lambda p: steps(p)[4]["keys"].append("emv-ac"),
        "'keys' is .*; it has to be keys of the site",
    ),
    "a key formed": (
        lambda p: steps(p).insert(5, form("emv-ac", "2TDEA")),
        r"Step 6 \(form\) is for a plan on a site that stands alone",
    ),
    "no certificates": (lambda p: steps(p).pop(5), "without the site's certificates at the end"),
    "nothing that it is about": (
        lambda p: p.pop("about"),
        "a plan has no 'about', which is one of",
    ),
    "no time": (lambda p: steps(p)[0].update(minutes=0), "a whole number from 1 to 480"),
    "no closing": (lambda p: steps(p).pop(), "A plan ends with 'close', and has it once"),
    "two closings": (lambda p: steps(p).append(dict(steps(p)[-1])), "and has it once"),
    "no steps": (lambda p: p.update(steps=[]), "'steps' is .*; it has to be 1 to 60 steps"),
    "a step that is a word": (lambda p: steps(p).insert(0, "open"), "names with their values"),  # type: ignore[arg-type]
    "no author": (lambda p: p.pop("author"), "a plan has no 'author'"),
    "its own approver": (
        lambda p: p.update(approver=p["author"]),
        "kif project is author and approver",
    ),
    "a card number": (lambda p: p.update(purpose="4000001234567899"), "without long numbers"),
    "a fraction": (lambda p: p.update(purpose=1.5), "no text, whole number or list"),
    "a clause that is none": (lambda p: p.update(clauses=[1]), "'clauses' is .*; it has to be"),
    "a material without its count": (
        lambda p: p.update(materials=[{"what": "bags"}]),
        "a material has no 'count'",
    ),
}


@pytest.mark.parametrize("path", sorted(PLAN.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_plans_are_possible(path: Path) -> None:
    plan = load_plan(path)
    assert plan.ceremony == path.stem
    assert Plan.decode(plan.text) == plan
    assert plan.digest == hashlib.sha256(plan.text.encode()).hexdigest()


def test_a_plan_is_its_words_and_not_how_its_file_is_broken_into_lines(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(PLAN.read_text()), width=20))
    assert path.read_text() != PLAN.read_text()
    assert load_plan(path).digest == load_plan(PLAN).digest
    path.write_text(path.read_text().replace("fresh", "new"))
    assert load_plan(path).digest != load_plan(PLAN).digest


def test_every_action_is_acted_on_by_code_and_no_other() -> None:
    assert ACTS.keys() | FOUNDING.keys() | RESTORED.keys() == ACTIONS.keys()
    assert tuple(RESTORED) == RESTORING[: len(RESTORED)]
    for name, action in ACTIONS.items():
        assert (name in FOUNDING) == (action.founding is not False)
        assert (name in ACTS or name in RESTORED) == (action.founding is not True)


@pytest.mark.control("KIF-CER-01")
@pytest.mark.parametrize("case", BAD_KEYS)
def test_an_impossible_key_plan_is_refused(case: str, tmp_path: Path) -> None:
    change, words = BAD_KEYS[case]
    plan = yaml.safe_load(PLAN.with_name("issuer-keys.yaml").read_text())
    change(plan)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    with pytest.raises(BadInput, match=words):
        load_plan(path)


@pytest.mark.control("KIF-CER-01")
@pytest.mark.parametrize("case", BAD)
def test_an_impossible_plan_is_refused(case: str, tmp_path: Path) -> None:
    change, words = BAD[case]
    plan = yaml.safe_load(PLAN.read_text())
    change(plan)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plan, sort_keys=False))
    with pytest.raises(BadInput, match=words):
        load_plan(path)


NO_PLANS = {
    ": :": "not YAML",
    "": "names with their values",
    "a: 1\na: 2": "line 2: 'a' is there twice",
    "2026-01-01": "no text, whole number or list",
    "{1: 2}": "a plan has no '1'",
    "&a [*a]": "refers to itself",
}


@pytest.mark.control("KIF-CER-01")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("algorithm: 2TDEA", "algorithm: ROT13"),
        ("minutes: 15", "minutes: never"),
        ("  - action: close", "  - action: cloze"),
        ("approver: kif project reviewers", "approver: kif project"),
        ("operator: 2}", "operator: 1}"),
        ("about: issuer", "about: vendor"),
    ],
)
def test_the_line_is_named(old: str, new: str, tmp_path: Path) -> None:
    text = PLAN.with_name("issuer-keys.yaml").read_text()
    path = tmp_path / "plan.yaml"
    path.write_text(text.replace(old, new, 1))
    line = text[: text.index(old)].count("\n") + 1
    if new == "about: vendor":  # the first key that is not a vendor's
        line = text[: text.index("key: emv-ac")].count("\n") + 1
    with pytest.raises(BadInput, match=f"plan.yaml, line {line}: "):
        load_plan(path)


@pytest.mark.parametrize("content", [*NO_PLANS, None])
def test_a_file_that_is_no_plan_is_refused(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    if content is not None:
        path.write_text(content)
    words = "can't be read" if content is None else NO_PLANS[content]
    with pytest.raises(BadInput, match=words):
        load_plan(path)
