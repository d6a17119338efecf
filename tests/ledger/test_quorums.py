"""Shares, quorums and backups: what the state machine admits of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from kif.formats import canonical
from kif.formats.keyref import of_site
from kif.formats.state import KeyState
from kif.ledger.event import Event
from kif.ledger.events.ceremony import CeremonyBegun, CeremonyClosed, CeremonyResumed, StepDone
from kif.ledger.events.custody import (
    BackupMade,
    Medium,
    OfficerOpened,
    QuorumMade,
    ShareEntered,
    ShareGiven,
)
from kif.ledger.running import Running
from tests.ledger.history import (
    BY,
    CUSTODIANS,
    DIGEST,
    FOUNDERS,
    MASTER,
    PROTECTION,
    SITE,
    SPARES,
    World,
    attested,
    plan_fields,
    plan_of,
    signed,
    site,
    step,
)
from tests.ledger.refusal import refused

KEK = of_site("backup-kek")
HOLDERS = (*CUSTODIANS, SPARES[0])
NAMES = tuple(each.name for each in HOLDERS)
PRESENT = tuple(each for each in FOUNDERS if each is not SPARES[1])
MASTERS = tuple(sorted((MASTER, PROTECTION)))


@cache
def plan() -> Running:
    steps = [
        step("open", "operators"),
        step("open-officer", "custodians"),
        step("approve", "everyone"),
        step("make-quorum", "custodians", threshold=2),
        step("back-up", "custodians"),
        step("close", "everyone"),
    ]
    roles = {"roles": {"custodian": 3, "operator": 2}}
    return Running(plan_of(plan_fields("backup", "site", *steps) | roles), SITE, "site", (KEK,))


def begun() -> CeremonyBegun:
    return CeremonyBegun(BY, plan().plan.text, "site", NAMES, (), (KEK,), ())


def opened() -> OfficerOpened:
    return OfficerOpened(NAMES[:2])


def given(number: int) -> ShareGiven:
    kcv = f"derived-gp-aes-01:{number:06}"
    return ShareGiven(NAMES[number - 1], KEK, number, Medium.FILE, kcv)


def made() -> QuorumMade:
    return QuorumMade(BY, KEK, 2, "gp-aes-01:ABCDEF", DIGEST)


def entered(number: int) -> ShareEntered:
    return ShareEntered(NAMES[number - 1], KEK, number)


def backed_up() -> BackupMade:
    return BackupMade(BY, KEK, MASTERS, DIGEST)


def at_step(number: int, *more: Event) -> World:
    signatures = [signed(each, plan().statement()) for each in PRESENT]
    parts: list[list[Event]] = [
        [],
        [opened()],
        [*signatures],
        [given(1), given(2), given(3), made()],
        [entered(1), entered(3), backed_up()],
    ]
    world = site()
    world.admit(begun())
    for at, events in enumerate(parts[: number - 1], start=1):
        world.admit(events, StepDone(at))
    world.admit(more)
    return world


OFFICER, APPROVE, QUORUM, BACKUP, CLOSE = 2, 3, 4, 5, 6


def test_a_quorum_and_a_backup_under_it() -> None:
    world = at_step(CLOSE, *attested(plan(), by=PRESENT), CeremonyClosed(BY, "backup"))
    entry = world.state.keys.known[KEK]
    assert (entry.state, entry.usage) == (KeyState.ACTIVE, "backup-kek")
    assert world.state.custody.secrets[str(KEK)].threshold == 2
    assert world.state.keys.masters() == MASTERS


CASES: dict[str, tuple[Callable[[], World], Callable[[], Event], str]] = {
    "the officer's step without the officer": (
        lambda: at_step(OFFICER),
        lambda: StepDone(2),
        "the security officer's PIN is not opened",
    ),
    "the officer's PIN by one": (
        lambda: at_step(OFFICER),
        lambda: OfficerOpened(("custodian-1", "custodian-1")),
        "opens with 2 of its holders",
    ),
    "the officer's PIN by operators": (
        lambda: at_step(OFFICER),
        lambda: OfficerOpened(BY),
        "opens with 2 of its holders",
    ),
    "the officer's PIN outside of a ceremony": (site, opened, "No ceremony is running"),
    "a share outside of its step": (
        lambda: at_step(APPROVE),
        lambda: given(1),
        "share-given belongs to 'make-quorum'",
    ),
    "a share of another's place": (
        lambda: at_step(QUORUM),
        lambda: replace(given(1), number=2),
        "Share 2 is not the one of custodian-1",
    ),
    "a share of no place": (
        lambda: at_step(QUORUM),
        lambda: replace(given(1), number=4),
        "Share 4 is not the one of custodian-1",
    ),
    "a share to an operator": (
        lambda: at_step(QUORUM),
        lambda: replace(given(1), person="operator-1"),
        "Share 1 is not the one of operator-1",
    ),
    "a share twice": (
        lambda: at_step(QUORUM, given(1)),
        lambda: given(1),
        "custodian-1 was given share 1 of site/backup-kek/1 before",
    ),
    "a share of another key": (
        lambda: at_step(QUORUM),
        lambda: replace(given(1), key=replace(KEK, version=2)),
        "makes site/backup-kek/1, not site/backup-kek/2",
    ),
    "a quorum before every share": (
        lambda: at_step(QUORUM, given(1), given(2)),
        made,
        "has 2 shares of 3",
    ),
    "a quorum of another threshold": (
        lambda: at_step(QUORUM, given(1), given(2), given(3)),
        lambda: replace(made(), threshold=3),
        "the threshold 3; the plan says 2",
    ),
    "a quorum of shares that an interruption took": (
        lambda: at_step(QUORUM, given(1), given(2), given(3), CeremonyResumed(4, ())),
        made,
        "has 0 shares of 3",
    ),
    "a step without its quorum": (
        lambda: at_step(QUORUM, given(1), given(2), given(3)),
        lambda: StepDone(4),
        "site/backup-kek/1 is not made",
    ),
    "another's share entered": (
        lambda: at_step(BACKUP),
        lambda: replace(entered(1), number=2),
        "custodian-1 does not hold share 2",
    ),
    "a backup of too few shares": (
        lambda: at_step(BACKUP, entered(2)),
        backed_up,
        "1 shares of site/backup-kek/1 were entered; it takes 2",
    ),
    "a backup of one share twice": (
        lambda: at_step(BACKUP, entered(2), entered(2)),
        backed_up,
        "1 shares of site/backup-kek/1 were entered; it takes 2",
    ),
    "a backup without a master": (
        lambda: at_step(BACKUP, entered(1), entered(2)),
        lambda: replace(backed_up(), keys=(MASTER,)),
        "A backup holds every master",
    ),
    "a step without its backup": (
        lambda: at_step(BACKUP, entered(1), entered(2)),
        lambda: StepDone(5),
        "the masters are not carried over",
    ),
    "a backup of shares that were entered before an interruption": (
        lambda: at_step(BACKUP, entered(1), entered(2), CeremonyResumed(5, ())),
        backed_up,
        "0 shares of site/backup-kek/1 were entered",
    ),
}


@pytest.mark.control("KIF-CER-06", "KIF-HSM-11")
@pytest.mark.parametrize("case", CASES)
def test_what_is_out_of_order_is_refused(case: str) -> None:
    world, event, words = CASES[case]
    refused(world(), event(), words)


@pytest.mark.control("KIF-CER-07")
def test_holders_of_one_manager_get_no_quorum() -> None:
    world = site()
    world.state.custody.managers["custodian-3"] = ("manager-of-custodian-2",)
    refused(world, begun(), "custodian-2 and custodian-3 reported to manager-of-custodian-2")


@pytest.mark.parametrize("number", range(2, 7))
def test_a_quorum_on_its_way_is_in_the_snapshot(number: int) -> None:
    world = at_step(number)
    again = site().state.ceremonies
    again.restore(canonical.decode(canonical.encode(world.state.ceremonies.encode())))
    assert again.running == world.state.ceremonies.running
