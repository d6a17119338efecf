"""The account of a batch says what the ledger says, and whoever says something else is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kif.compliance.account import account_of, require_balance
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.ledger.event import Boundary, Entry
from kif.ledger.verify import LogReport
from tests.ledger.history import (
    KEYS,
    MASTER,
    WINDOW,
    B,
    C,
    World,
    closed,
    dispatched,
    made,
    received,
    released,
    suspect,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def done() -> World:
    world = released(3)
    world.admit(received(1, C), made(1), suspect(2), dispatched(1), closed(1, 1, 1))
    return world


def report(world: World) -> LogReport:
    found = object.__new__(LogReport)
    object.__setattr__(found, "state", world.state)
    return found


def entries(world: World) -> list[Entry]:
    return [Entry(n, 0, NOW, Boundary.HSM, event) for n, event in enumerate(world.events)]


def test_an_account_counts_the_entries_about_its_batch() -> None:
    world = done()
    account = account_of(B, report(world), entries(world))
    assert account.verified == 1
    assert account.kinds["batch-received"] == account.kinds["card-suspect"] == 1
    assert account.kinds["approval-given"] == 2
    assert [each.person for each in account.releases] == ["operator-1", "operator-2"]
    assert all(B in each.statement and each.time == NOW for each in account.releases)
    assert "key-formed" not in account.kinds
    assert sum(account.kinds.values()) == sum(
        getattr(each, "batch", None) == B for each in world.events
    )


def test_each_key_names_the_ceremony_that_it_comes_from() -> None:
    world = done()
    lines = {line.name: line for line in account_of(B, report(world), entries(world)).keys}
    assert lines[str(MASTER)].ceremony == "vendor-keys"
    assert lines[str(MASTER)].kcv == KEYS[MASTER]
    assert lines["site/log-signer/1"].ceremony == "genesis"
    assert lines[str(WINDOW)].ceremony == "none"


@pytest.mark.control("KIF-ORA-05")
def test_a_balance_that_is_the_ledgers_is_returned_and_another_refused() -> None:
    log = report(done())
    assert require_balance(B, log, 1, 1, 3).left == 1
    for good, bad in ((2, 1), (1, 0), (0, 2)):
        with pytest.raises(CheckFailed, match="but the ledger says") as refused:
            require_balance(B, log, good, bad, 3)
        assert refused.value.control is Control.RECONCILIATION
    with pytest.raises(CheckFailed, match="that it is not closed"):
        require_balance(C, log, 0, 0, 1)
