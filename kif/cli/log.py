"""``kif log``: the ledger, for people who read it and people who check it."""

from __future__ import annotations

import itertools
from typing import Any

import click

from kif.cli.app import App, form_option, pass_app
from kif.console.table import show
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.ledger.event import KINDS, Entry, fields_of
from kif.ledger.form import write_time
from kif.ledger.merkle import Frontier
from kif.oracle.audit import audit
from kif.oracle.local import correct_clock as correct
from kif.store.ledger import LedgerTables


@click.group()
def log() -> None:
    """The tamper-evident log."""


@log.command()
@click.option("--verifier", help="The log's key as you noted it at the genesis: name+id+key.")
@form_option
@pass_app
def verify(app: App, verifier: str | None, form: str) -> None:
    """Re-read everything: entries and the rules they obey, tree, checkpoints, tables, seal.

    Without --verifier the key is taken from the very database that is checked.
    """
    report = audit(app.home, verifier)
    row = {
        "entries": report.size,
        "checkpoints": report.checkpoints,
        "root": report.root.hex(),
        "verified": True,
    }
    show([row], form, "")


@log.command("show")
@click.option("--batch", help="Entries about this batch only.")
@click.option(
    "--kind",
    type=click.Choice(sorted(KINDS)),
    metavar="KIND",
    help="Entries of this kind only, e.g. card-suspect.",
)
@click.option("--size", type=click.IntRange(1), help="The log's root when it had this many.")
@form_option
@pass_app
def show_log(app: App, batch: str | None, kind: str | None, size: int | None, form: str) -> None:
    """List the entries, oldest first."""
    if size is not None:
        show([_root(app, size)], form, "")
        return
    batch = batch and app.batch(batch)
    with app.store().reading() as tx:
        rows = [
            _row(tx.ledger, entry)
            for entry in map(Entry.decode, tx.ledger.leaves())
            if (batch is None or getattr(entry.event, "batch", None) == batch)
            and (kind is None or entry.event.kind == kind)
        ]
    show(rows, form, "No entry fits.")


def _root(app: App, size: int) -> dict[str, Any]:
    """Return the root over the first entries, and whether a checkpoint was signed over it."""
    frontier = Frontier()
    with app.store().reading() as tx:
        for leaf in itertools.islice(tx.ledger.leaves(), size):
            frontier = frontier.append(leaf)
        signed = any(at == size for at, _ in tx.ledger.checkpoints())
    if frontier.size < size:
        raise BadInput(Control.USAGE, f"The log has {frontier.size} entries; it never had {size}.")
    return {"size": size, "root": frontier.root().hex(), "signed": signed}


def told(ledger: LedgerTables, entry: Entry) -> Entry:
    """Return an entry with what it commits to, as far as that was not erased."""
    hidden = None if entry.commit is None else ledger.payload(entry.index)
    return entry if hidden is None else entry.disclosed(*hidden)


def _row(ledger: LedgerTables, entry: Entry) -> dict[str, Any]:
    return {
        "index": entry.index,
        "time": entry.time.isoformat(timespec="seconds"),
        "kind": entry.event.kind,
        "boundary": entry.boundary.value,
        "subject": fields_of(told(ledger, entry).event),
    }


@log.command("correct-clock")
@pass_app
def correct_clock(app: App) -> None:
    """Record that the clock had been ahead, so that the log goes on at the right time."""
    app.home.require_site()
    with app.home.alone():
        opened = app.open_pin()
        was, now = correct(app.home, opened.pin, opened.by)
    click.echo(f"Recorded: the log's last entry was of {write_time(was)}; it is {write_time(now)}.")
