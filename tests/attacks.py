"""A home with a batch at each stage, and somebody who writes to it without a passphrase."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from kif.chip.personalise import personalise
from kif.fulfilment.dispatch import dispatch_batch
from kif.graphics.front import require_fit
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView
from kif.preparation.prepare import prepare_batch
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.store.engine import open_store
from tests.certificate import issuer_certificate
from tests.ledger.stored import drop_triggers
from tests.oracle.test_chip import Wire, card
from tests.site import (
    OPERATORS,
    TestSite,
    claimed,
    make_site,
    received_file,
    released_batch,
)

STAGES = ("received", "prepared", "approved", "released", "made", "closed")


@dataclass(frozen=True)
class Target:
    """The site as it is, its verifier key, and its batches by the stage that they stand at."""

    site: TestSite
    verifier: str
    batches: dict[str, str]

    def copy(self, folder: Path) -> TestSite:
        """Return a copy of the home that may be spoiled."""
        shutil.copytree(self.site.home.path, folder)
        return TestSite(type(self.site.home)(folder), self.site.people)


def make_target(folder: Path) -> Target:
    """Hold a genesis and bring a batch of three to each stage."""
    site = make_site(folder)
    batches: dict[str, str] = {}
    with site.oracle() as oracle:
        oracle.supervision.register_issuer("other", issuer_certificate().encode())
        for place, stage in enumerate(STAGES):
            batches[stage] = _bring(site, oracle, stage, 100 * place + 1)
        verifier = oracle.gateway.desk.record.tail.verifier
    return Target(site, verifier, batches)


def _bring(site: TestSite, oracle: LocalOracle, stage: str, first: int) -> str:
    if stage in ("released", "made", "closed"):
        view = released_batch(site, oracle, stage, 3, first=first)
        if stage != "released":
            _make(oracle, view)
        if stage == "closed":
            dispatch_batch(view.id, oracle.fulfilment, site.home.path / "dispatch")
            oracle.supervision.close_batch(view.id, "The blanks ran out.")
        return view.id
    view = oracle.gateway.admit(received_file(stage, 3, first), again=True)
    if stage != "received":
        prepare_batch(view.id, oracle.preparation, require_fit, lambda: None)
    if stage == "approved":
        site.approve(oracle, view.id, OPERATORS[0])
    return view.id


def _make(oracle: LocalOracle, view: BatchView) -> None:
    """Make the first card good and the second suspect; the third is left."""
    good_card(oracle, view.id)
    claim = claimed(oracle, view.id)
    personalise(claim, Wire(card("bad-rmac@1")), oracle.chip)


def good_card(oracle: LocalOracle, batch: str) -> None:
    """Make the next card of a batch."""
    claim = claimed(oracle, batch)
    wire = Wire(Card())
    job = personalise(claim, wire, oracle.chip).view
    oracle.graphics.printed(job.id)
    check_chip(job.id, wire, oracle.quality, bytes)


def in_database(
    home: Path, change: Callable[[Session], object], *, restore_triggers: bool = True
) -> None:
    """Change the database as its administrator can: without its triggers and references."""
    store = open_store(home / "site" / "kif.sqlite")
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with Session(connection) as session:
            wanted = text("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = list(session.scalars(wanted))
            drop_triggers(session)
            change(session)
            session.flush()
            for trigger in triggers if restore_triggers else ():
                session.execute(text(trigger))
            connection.exec_driver_sql("COMMIT")
    store.close()


def swap(column: str, batch: str) -> Callable[[Session], object]:
    """Return a change that swaps a column of the first two cards of a batch."""

    def change(session: Session) -> None:
        this = "FROM card_job WHERE batch_id = :batch AND number = :number"
        read, write = f"SELECT {column} {this}", f"UPDATE card_job SET {column} = :value "
        where = this.removeprefix("FROM card_job ")
        found = [
            session.execute(text(read), {"batch": batch, "number": number}).scalar_one()
            for number in (1, 2)
        ]
        for number, value in zip((2, 1), found, strict=True):
            values = {"batch": batch, "number": number, "value": value}
            session.execute(text(write + where), values)

    return change


def sql(statement: str, **values: object) -> Callable[[Session], object]:
    """Return a change that is one statement."""
    return lambda session: session.execute(text(statement), values)
