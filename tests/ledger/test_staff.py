"""A drill, people who come and go, another seal and another log signer: what is admitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.ledger.approval import CEREMONY
from kif.ledger.event import Event
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyBegun,
    CeremonyClosed,
    CeremonyResumed,
    LogSignerReplaced,
    PersonAppointed,
    PersonReleased,
    PinSealed,
    Role,
    StepDone,
)
from kif.ledger.events.custody import QuorumRetired
from kif.ledger.events.site import TokenOpened
from kif.ledger.plan import Impossible
from kif.ledger.possible import check
from kif.ledger.running import Running
from tests.ledger.history import (
    BY,
    DIGEST,
    EMPTY_HEAD,
    SITE,
    SoftwareSigner,
    World,
    attested,
    plan_fields,
    plan_of,
    signed,
    site,
    step,
)
from tests.ledger.people import SoftwarePerson
from tests.ledger.refusal import refused
from tests.ledger.test_quorums import KEK, NAMES, PRESENT, entered
from tests.ledger.test_quorums import at_step as backup_at
from tests.ledger.test_quorums import plan as backup_plan

SIGNER, LOG_KEY = KeyRef("site", "log-signer", 2), SoftwareSigner()
NEW, OTHER = SoftwarePerson("operator-4"), SoftwarePerson("operator-5")
EVERYONE = (*PRESENT, NEW)
DRILL, APPOINT, RESEAL, RELEASE, SUCCEED, CLOSE = 3, 4, 5, 6, 7, 8


@cache
def running() -> Running:
    steps = [
        step("open", "operators"),
        step("approve", "everyone"),
        step("drill", "custodians"),
        step("appoint-person", "everyone", role="operator"),
        step("reseal", "everyone", purpose="user-pin", threshold=2),
        step("release-person", "everyone", role="operator"),
        step("replace-log-signer", "everyone"),
        step("close", "everyone"),
    ]
    roles = {"roles": {"custodian": 3, "operator": 2}}
    plan = plan_of(plan_fields("staff", "site", *steps) | roles)
    people = tuple((each.name, each.name.split("-")[0]) for each in PRESENT)
    return Running(plan, SITE, "site", (SIGNER,), (KEK,), people)


def begun() -> CeremonyBegun:
    return CeremonyBegun(BY, running().plan.text, "site", NAMES, (), (SIGNER,), (KEK,))


def appointed() -> PersonAppointed:
    return PersonAppointed(NEW.name, Role.OPERATOR, NEW.public_key, None)


def resealed() -> PinSealed:
    holders = tuple(f"operator-{number}" for number in (1, 2, 3, 4))
    return PinSealed(
        "user-pin", 2, holders, tuple(each * 32 for each in ["ab", "cd", "ef", "01"]), DIGEST
    )


def released() -> PersonReleased:
    return PersonReleased(BY, "operator-3", Role.OPERATOR)


def succeeded(public_key: bytes = LOG_KEY.public_key) -> LogSignerReplaced:
    statement = running().succession(EMPTY_HEAD, public_key)
    signatures = tuple(each.sign(CEREMONY, statement) for each in EVERYONE)
    names = tuple(each.name for each in EVERYONE)
    return LogSignerReplaced(BY, SIGNER, public_key, statement.decode(), names, signatures)


def backed_up() -> World:
    return backup_at(6, *attested(backup_plan(), by=PRESENT), CeremonyClosed(BY, "backup"))


def at_step(number: int, *more: Event) -> World:
    parts: list[list[Event]] = [
        [],
        [signed(each, running().statement()) for each in PRESENT],
        [entered(1), entered(2), entered(3)],
        [appointed()],
        [resealed()],
        [released()],
        [succeeded()],
    ]
    world = backed_up()
    world.admit(begun())
    for at, events in enumerate(parts[: number - 1], start=1):
        world.admit(events, StepDone(at))
    world.admit(more)
    return world


@pytest.mark.control("KIF-CER-06")
def test_a_ceremony_in_which_all_of_this_happens() -> None:
    world = at_step(CLOSE, *attested(running(), by=EVERYONE), CeremonyClosed(BY, "staff"))
    state = world.state
    assert state.genesis.log_key == LOG_KEY.public_key
    assert state.keys.in_use("site", "log-signer") == SIGNER
    assert state.people.of_role(Role.OPERATOR) == ["operator-1", "operator-2", "operator-4"]
    assert set(state.genesis.sealed["user-pin"].files) == set(resealed().holders)
    world.admit(TokenOpened(("operator-2", "operator-4")))
    refused(world, TokenOpened(("operator-1", "operator-3")), "operator-3 was released")


CASES: dict[str, tuple[Callable[[], World], Callable[[], Event], str]] = {
    "a drill without a quorum": (site, begun, "There is no active key site/backup-kek"),
    "a drill of another quorum": (
        backed_up,
        lambda: replace(begun(), uses=(replace(KEK, version=2),)),
        "The plan is about site/backup-kek/1.",
    ),
    "a drill of nothing": (backed_up, lambda: replace(begun(), uses=()), "about site/backup-kek/1"),
    "a drill without a share": (
        lambda: at_step(DRILL, entered(1), entered(3)),
        lambda: StepDone(DRILL),
        "share 2 of custodian-2 was not read",
    ),
    "a share by somebody else": (
        lambda: at_step(DRILL),
        lambda: replace(entered(1), person="custodian-2"),
        "custodian-2 does not hold share 1",
    ),
    "nobody appointed": (lambda: at_step(APPOINT), lambda: StepDone(APPOINT), "about nobody yet"),
    "somebody of another role": (
        lambda: at_step(APPOINT),
        lambda: replace(appointed(), role=Role.CUSTODIAN),
        "is about one operator",
    ),
    "two people": (
        lambda: at_step(APPOINT, appointed()),
        lambda: replace(appointed(), person="operator-5", public_key=OTHER.public_key),
        "is about one person",
    ),
    "somebody who is there": (
        lambda: at_step(APPOINT),
        lambda: replace(appointed(), person="operator-1"),
        "operator-1 and operator-1 are one person",
    ),
    "somebody with another's key": (
        lambda: at_step(APPOINT),
        lambda: replace(appointed(), public_key=PRESENT[0].public_key),
        "operator-4 and custodian-1 are one person",
    ),
    "somebody appointed outside of a ceremony": (site, appointed, "No ceremony is running"),
    "a seal of the other PIN": (
        lambda: at_step(RESEAL),
        lambda: replace(resealed(), purpose="so-pin", holders=NAMES, files=resealed().files[:3]),
        "another seal than this one of the so-pin",
    ),
    "a seal of another threshold": (
        lambda: at_step(RESEAL),
        lambda: replace(resealed(), threshold=3),
        "another seal than this one of the user-pin",
    ),
    "a seal to a custodian": (
        lambda: at_step(RESEAL),
        lambda: replace(resealed(), holders=("operator-1", "operator-2", "operator-3", NAMES[0])),
        "custodian-1 is not a registered operator",
    ),
    "somebody released who takes part": (
        lambda: at_step(RELEASE),
        lambda: replace(released(), person="operator-1"),
        "takes part in this ceremony",
    ),
    "somebody released who was": (
        lambda: at_step(RELEASE, released()),
        released,
        "operator-3 was released",
    ),
    "a custodian released in an operator's step": (
        lambda: at_step(RELEASE),
        lambda: replace(released(), person="custodian-1", role=Role.CUSTODIAN),
        "",
    ),
    "the log signed by an older key": (
        lambda: at_step(SUCCEED),
        lambda: replace(succeeded(), key=KeyRef("site", "log-signer", 1)),
        "The next key of the log is site/log-signer/2",
    ),
    "the log signed by a key that nobody signed": (
        lambda: at_step(SUCCEED),
        lambda: replace(succeeded(), public_key=bytes(32)),
        "not the one of this key of the log",
    ),
    "the log signed by a key that somebody did not sign": (
        lambda: at_step(SUCCEED),
        lambda: replace(
            succeeded(), people=succeeded().people[:-1], signatures=succeeded().signatures[:-1]
        ),
        "Everyone who takes part signs",
    ),
    "the log's next key signed by one for another": (
        lambda: at_step(SUCCEED),
        lambda: replace(succeeded(), signatures=succeeded().signatures[:1] * len(EVERYONE)),
        "",
    ),
    "the log's key as it was": (lambda: at_step(SUCCEED), lambda: StepDone(SUCCEED), "before"),
    "a quorum retired in no step for it": (
        lambda: at_step(DRILL),
        lambda: QuorumRetired(BY, KEK),
        "belongs to 'retire-quorum'",
    ),
}


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize("case", CASES)
def test_what_the_plan_does_not_say_is_refused(case: str) -> None:
    make, event, words = CASES[case]
    refused(make(), event(), words)


@pytest.mark.control("KIF-CER-06")
def test_an_interrupted_step_keeps_who_was_appointed() -> None:
    world = at_step(APPOINT, appointed(), CeremonyResumed(APPOINT, ()))
    world.admit(StepDone(APPOINT))
    assert NEW.name in world.state.ceremonies.require_running().everyone


@pytest.mark.control("KIF-CER-02")
def test_somebody_comes_back_under_the_same_name_and_another_key() -> None:
    closing = [*attested(running(), by=EVERYONE), CeremonyClosed(BY, "staff")]
    people = at_step(CLOSE, *closing).state.people
    people.appoint(PersonAppointed("operator-3", Role.OPERATOR, OTHER.public_key, None))
    assert people.require("operator-3", Role.OPERATOR).public_key == OTHER.public_key


@pytest.mark.control("KIF-CER-06")
def test_a_quorum_is_retired_only_after_the_next_backup() -> None:
    retiring = [step("open", "operators"), step("approve", "everyone")]
    retiring += [step("retire-quorum", "everyone"), step("close", "everyone")]
    with pytest.raises(Impossible, match="needs a backup of every master, which nothing before"):
        check(plan_of(plan_fields("retire", "site", *retiring)))


@pytest.mark.control("KIF-CER-06")
def test_whoever_was_appointed_in_a_ceremony_that_is_aborted_has_no_role() -> None:
    world = at_step(RESEAL, resealed(), CeremonyAborted(BY, "staff", RESEAL, "It was too late."))
    assert NEW.name not in world.state.people.of_role(Role.OPERATOR)
    refused(world, TokenOpened(("operator-1", NEW.name)), "operator-4 was released")


@pytest.mark.control("KIF-CER-04")
def test_whoever_is_released_no_longer_opens_the_officers_pin() -> None:
    """The old seal still names him or her, until it is made anew."""
    state = backed_up().state
    state.genesis.open_officer(("custodian-1", "custodian-3"))
    state.people.release("custodian-3", Role.CUSTODIAN)
    with pytest.raises(Refused, match="custodian-3 was released"):
        state.genesis.open_officer(("custodian-1", "custodian-3"))
