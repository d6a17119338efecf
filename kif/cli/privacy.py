"""``kif privacy``: how long card data is kept, and its erasure."""

from __future__ import annotations

import click

from kif.cli.app import App, batch_fields, form_option, pass_app
from kif.console.table import show
from kif.oracle.audit import state_of
from kif.oracle.local import now
from kif.oracle.messages import WindowView
from kif.oracle.privacy import windows_of


@click.group()
def privacy() -> None:
    """Card data that is kept, and its erasure."""


@privacy.command()
@click.option("--all", "everything", is_flag=True, help="Every window, not only what is due.")
@form_option
@pass_app
def due(app: App, everything: bool, form: str) -> None:
    """List the windows (an issuer's batches of a month) that are due for erasure."""
    views = windows_of(state_of(app.home), now())
    rows = [_row(view) for view in views if everything or view.due]
    show(rows, form, "Nothing is due. --all lists what is kept.")


@privacy.command()
@click.argument("what", metavar="KEY|BATCH")
@click.option("--reason", required=True, help="Why, for the record.")
@form_option
@pass_app
def erase(app: App, what: str, reason: str, form: str) -> None:
    """Erase a window by its retention key, or one closed batch. There is no way back.

    A window's erasure reaches every backup of the database; a batch's only this database.
    """
    window = app.key(what) if "/" in what else None
    batch = "" if window else app.batch(what)
    with app.oracle() as oracle:
        if window is not None:
            views = oracle.privacy.erase_window(window, reason)
        else:
            views = [oracle.privacy.erase_batch(batch, reason)]
    show([batch_fields(view) for view in views], form, "The window had no batch.")


def _row(view: WindowView) -> dict[str, object]:
    return {
        "key": str(view.key),
        "batches": view.batches,
        "open": view.still_open,
        "until": view.until.isoformat(),
        "due": "yes" if view.due else "no",
        "erased": "yes" if view.erased else "no",
    }
