"""``kif log``: the ledger, for people who read it and people who check it."""

from __future__ import annotations

import click
from sqlalchemy import select

from kif.cli.app import App, json_option, pass_app
from kif.console.table import show
from kif.ledger.event import Entry
from kif.ledger.verify import LogReport, verify_log
from kif.store.engine import Store
from kif.store.models import Site


@click.group()
def log() -> None:
    """The tamper-evident log."""


def verify_store(store: Store, verifier: str | None = None) -> LogReport:
    """Verify the whole ledger of a site, against its own verifier key or one from elsewhere."""
    with store.reading() as tx:
        return verify_log(
            tx.ledger, verifier or tx.session.scalars(select(Site)).one().log_verifier
        )


@log.command()
@click.option("--verifier", help="The log's key as you noted it at the genesis: name+id+key.")
@json_option
@pass_app
def verify(app: App, verifier: str | None, as_json: bool) -> None:
    """Re-read every byte: entries, tree, checkpoints, signatures, balances.

    Without --verifier the key is taken from the very database that is checked.
    """
    report = verify_store(app.store(), verifier)
    row = {
        "entries": report.size,
        "checkpoints": report.checkpoints,
        "root": report.root.hex(),
        "verified": True,
    }
    show([row], as_json, "")


@log.command("show")
@click.option("--batch", help="Entries about this batch only.")
@click.option("--kind", help="Entries of this kind only, e.g. card-suspect.")
@json_option
@pass_app
def show_log(app: App, batch: str | None, kind: str | None, as_json: bool) -> None:
    """List the entries, oldest first."""
    with app.store().reading() as tx:
        entries = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
    rows = [
        {
            "index": entry.index,
            "time": entry.time.isoformat(timespec="seconds"),
            "kind": entry.kind.value,
            "actor": entry.actor,
            "boundary": entry.boundary.value,
            "subject": dict(entry.subject),
        }
        for entry in entries
        if (batch is None or entry.subject.get("batch") == batch)
        and (kind is None or entry.kind.value == kind)
    ]
    show(rows, as_json, "No entry fits.")
