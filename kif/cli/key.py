"""``kif key``: the key inventory."""

import click

from kif.cli.app import App, form_option, pass_app
from kif.console.table import show
from kif.formats.state import KeyState
from kif.oracle.interface import KeyView
from kif.oracle.views import key_views


@click.group()
def key() -> None:
    """The keys of the site, its issuers and its card vendors."""


@key.command("list")
@form_option
@pass_app
def list_keys(app: App, form: str) -> None:
    """List reference, name, usage, algorithm, check value and state of every key."""
    with app.store().reading() as tx:
        rows = [_row(view) for view in key_views(tx.session)]
    show(rows, form, "There are no keys.")


@key.command("state")
@click.argument("reference", metavar="KEY")
@click.argument("to", metavar="STATE", type=click.Choice([each.value for each in KeyState]))
@click.option("--reason", required=True, help="Why, for the record.")
@form_option
@pass_app
def change_state(app: App, reference: str, to: str, reason: str, form: str) -> None:
    """Move KEY (owner/purpose/version) to STATE. A destroyed key leaves the token for ever."""
    wanted = app.key(reference)
    with app.oracle() as oracle:
        view = oracle.custody.change_state(wanted, KeyState(to), reason)
    show([_row(view)], form, "")


def _row(view: KeyView) -> dict[str, str]:
    return {
        "key": str(view.key),
        "owner": view.key.owner,
        "name": view.key.purpose,
        "usage": view.usage,
        "algorithm": view.algorithm,
        "kcv": view.kcv or "none",
        "state": view.state.value,
    }
