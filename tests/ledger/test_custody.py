"""Custody: nobody ever has enough of a key, told by the shortest reason."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations

import pytest

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.ledger.custody import Custody
from kif.ledger.event import Event
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyResumed,
    PersonAppointed,
    Role,
    StepDone,
)
from kif.ledger.events.key import ComponentEntered
from kif.ledger.journal import Journal
from tests.ledger.history import (
    BY,
    CUSTODIANS,
    MASTER,
    World,
    appointed,
    ceremony_begun,
    components_entered,
    genesis,
    genesis_begun,
    key_formed,
    keys_approved,
)
from tests.ledger.people import SoftwarePerson
from tests.ledger.refusal import refused

KEY = "bank/emv-ac/1"


def custody(threshold: int = 2) -> Custody:
    made = Custody(Journal())
    made.make(KEY, threshold)
    return made


def told(attempt: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        attempt()
    assert caught.value.control is Control.CUSTODY
    return caught.value.sentence


@pytest.mark.control("KIF-CER-07")
def test_whoever_ever_held_a_part_is_no_witness() -> None:
    made = custody()
    made.hold(KEY, "component 1", "anna")
    made.require_none("ben")
    sentence = told(partial(made.require_none, "anna"))
    assert sentence.startswith("anna held component 1, so is no witness")


def test_two_people_hold_two_parts() -> None:
    kept = custody()
    kept.hold(KEY, "component 1", "anna")
    kept.hold(KEY, "component 2", "ben")
    assert list(kept.reaches()) == []


@pytest.mark.control("KIF-CER-07")
def test_one_person_never_comes_to_have_both() -> None:
    kept = custody()
    kept.hold(KEY, "component 1", "anna")
    assert told(lambda: kept.hold(KEY, "component 2", "anna")).startswith(
        "anna would have held component 1 and component 2 of bank/emv-ac/1, and 2 of them give it."
    )


@pytest.mark.control("KIF-CER-07")
def test_the_reports_of_one_manager_never_come_to_have_both() -> None:
    kept = custody()
    kept.report("anna", "clara")
    kept.report("ben", "clara")
    kept.hold(KEY, "component 1", "anna")
    assert told(lambda: kept.hold(KEY, "component 2", "ben")).startswith(
        "Together, component 1 (by anna) and component 2 (by ben) would have been held of "
        "bank/emv-ac/1, and 2 of them give it; anna and ben reported to clara."
    )


@pytest.mark.control("KIF-CER-07")
def test_a_manager_counts_with_the_reports_and_a_new_manager_is_refused_too() -> None:
    kept = custody()
    kept.hold(KEY, "component 1", "anna")
    kept.hold(KEY, "component 2", "ben")
    assert "ben reported to anna" in told(lambda: kept.report("ben", "anna"))


@pytest.mark.control("KIF-CER-07")
def test_a_deputy_and_a_former_custodian_have_held_it_for_ever() -> None:
    kept = custody(3)
    for number, person in enumerate(("anna", "ben", "carl", "dora"), start=1):
        kept.hold(KEY, f"share {number}", person)
    kept.hold(KEY, "share 1", "emil")  # anna's deputy, and later her successor
    kept.hold(KEY, "share 2", "emil")
    sentence = told(lambda: kept.hold(KEY, "share 3", "emil"))
    assert sentence.startswith("emil would have held share 1, share 2 and share 3 of")


def test_shares_of_two_sets_do_not_add_up() -> None:
    kept = custody()
    kept.make("site/backup-kek/2", 2)
    kept.hold(KEY, "share 1 of set 1", "anna")
    kept.hold("site/backup-kek/2", "share 1 of set 2", "anna")
    assert list(kept.reaches()) == []


def test_the_shortest_reason_is_given() -> None:
    kept = Custody(Journal())
    kept.make(KEY, 3)
    for person in ("anna", "ben", "carl"):
        kept.report(person, "clara")
    kept.hold(KEY, "share 1", "anna")
    kept.hold(KEY, "share 2", "ben")
    kept.hold(KEY, "share 2", "anna")
    sentence = told(lambda: kept.hold(KEY, "share 3", "carl"))
    assert "share 1 and share 2 (by anna) and share 3 (by carl)" in sentence
    assert "ben" not in sentence


def test_what_would_be_refused_is_asked_without_a_change() -> None:
    kept = custody()
    kept.hold(KEY, "component 1", "anna")
    before = kept.encode()
    kept.require_possible([(KEY, 2, "component 2", "ben")])
    told(lambda: kept.require_possible([(KEY, 2, "component 2", "anna")]))
    assert kept.encode() == before


# -- brute force ------------------------------------------------------------------------------

PEOPLE = ("p1", "p2", "p3", "p4", "p5", "p6")
Held = list[tuple[str, str, str]]
Reports = list[tuple[str, str]]


def brute_force(thresholds: dict[str, int], held: Held, reports: Reports) -> bool:
    """Return whether any group that may be one has enough of a key: every subset is tried."""
    for size in range(1, len(PEOPLE) + 1):
        for group in combinations(PEOPLE, size):
            if size > 1 and not _of_one_manager(group, reports):
                continue
            for key, threshold in thresholds.items():
                parts = {part for secret, part, person in held if secret == key and person in group}
                if len(parts) >= threshold:
                    return True
    return False


def _of_one_manager(group: tuple[str, ...], reports: Reports) -> bool:
    managers = {manager for _, manager in reports}
    return any(
        all(person == manager or (person, manager) in reports for person in group)
        for manager in managers
    )


def allowed(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except Refused:
        return False
    return True


@pytest.mark.control("KIF-CER-07")
def test_ten_thousand_random_histories_get_the_verdict_of_brute_force() -> None:
    draw, refusals = random.Random(20261127), 0  # noqa: S311
    for _ in range(10_000):
        thresholds = {f"key {n}": draw.randint(2, 3) for n in range(draw.randint(1, 3))}
        kept, held, reports = Custody(Journal()), Held(), Reports()
        for key, threshold in thresholds.items():
            kept.make(key, threshold)
        for _ in range(draw.randint(1, 9)):
            mark = kept._journal.mark()
            person = draw.choice(PEOPLE)
            if draw.random() < 0.3:
                report = (person, draw.choice([each for each in PEOPLE if each != person]))
                expected = brute_force(thresholds, held, [*reports, report])
                if allowed(partial(kept.report, *report)):
                    reports.append(report)
                    assert not expected, (thresholds, held, reports)
                    continue
            else:
                key = draw.choice(list(thresholds))
                given = (key, f"{key} part {draw.randint(1, 5)}", person)
                expected = brute_force(thresholds, [*held, given], reports)
                if allowed(partial(kept.hold, *given)):
                    held.append(given)
                    assert not expected, (thresholds, held, reports)
                    continue
            assert expected, (thresholds, held, reports, person)
            kept._journal.back(mark)
            refusals += 1
    assert 2_000 < refusals < 20_000


# -- in the state machine ---------------------------------------------------------------------

SECOND = replace(MASTER, version=2)


def component(person: str, number: int, kcv: str, key: KeyRef = SECOND) -> ComponentEntered:
    return ComponentEntered(person, key, number, f"gp-aes-01:{kcv}")


@pytest.mark.control("KIF-CER-07")
def test_a_component_that_somebody_entered_before_is_known_by_its_check_value() -> None:
    """An aborted ceremony's sheets come again in another order: each would have seen both."""
    world = World(
        genesis(),
        ceremony_begun(),
        StepDone(1),
        keys_approved(),
        StepDone(2),
        components_entered()[:1],
        CeremonyAborted(BY, "vendor-keys", 3, "x"),
        ceremony_begun(),
        StepDone(1),
        keys_approved(),
        StepDone(2),
        component("custodian-1", 1, "000002", MASTER),
    )
    refused(
        world,
        component("custodian-2", 2, "000001", MASTER),
        "custodian-1 would have held the component gp-aes-01:000001 of vendor/card-manager and the "
        "component gp-aes-01:000002 of vendor/card-manager of vendor/card-manager/1",
    )
    world.admit(component("custodian-2", 2, "000003", MASTER))


def same_manager() -> list[Event]:
    return [
        replace(each, manager="clara") if isinstance(each, PersonAppointed) else each
        for each in appointed()
    ]


@pytest.mark.parametrize("end", ["resumed", "aborted"])
def test_a_new_sheet_after_an_interruption_is_no_second_part(end: str) -> None:
    start = [ceremony_begun(), StepDone(1), *keys_approved(), StepDone(2)]
    entered = component("custodian-1", 1, "00000A", MASTER)
    world = World(genesis(), start, entered)
    if end == "resumed":
        world.admit(CeremonyResumed(3, ()))
    else:
        world.admit(CeremonyAborted(BY, "vendor-keys", 3, "x"), start)
    world.admit(components_entered(), key_formed())


@pytest.mark.control("KIF-CER-07")
def test_custodians_of_one_manager_are_refused_at_the_seal() -> None:
    ends = [at for at, each in enumerate(genesis()) if each == StepDone(1)]
    world = World(genesis_begun(), same_manager(), genesis()[ends[0] :][:8])
    sealed = [each for each in genesis() if each.kind == "pin-sealed"]
    world.admit(sealed[0])
    refused(world, sealed[1], "custodian-1 and custodian-2 reported to clara")


@pytest.mark.control("KIF-CER-07")
def test_a_plan_by_which_one_managers_reports_would_have_a_key_does_not_begin() -> None:
    world = World(genesis())
    world.state.custody.report("custodian-1", "clara")
    world.state.custody.managers["custodian-2"] = ("clara",)
    refused(world, ceremony_begun(), "custodian-1 and custodian-2 reported to clara")


def test_custody_is_in_the_snapshot() -> None:
    kept = World(genesis(), ceremony_begun(), StepDone(1)).state.custody
    again = Custody(Journal())
    again.restore(canonical.decode(canonical.encode(kept.encode())))
    assert again.encode() == kept.encode()
    assert again.secrets.keys() == {"so-pin in the seal cdcdcdcd"}
    assert again.managers[CUSTODIANS[0].name] == ("manager-of-custodian-1",)


def test_somebody_without_a_manager_reports_to_nobody() -> None:
    person = SoftwarePerson("custodian-9")
    event = PersonAppointed(person.name, Role.CUSTODIAN, person.public_key, None)
    assert person.name not in World(genesis_begun(), event).state.custody.managers
