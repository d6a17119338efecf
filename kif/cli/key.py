"""``kif key``: the key inventory."""

import click
from sqlalchemy import select

from kif.cli.app import App, json_option, pass_app
from kif.console.table import show
from kif.formats.keyref import KeyRef
from kif.store.models import KeyRecord


@click.group()
def key() -> None:
    """The site's keys."""


@key.command("list")
@json_option
@pass_app
def list_keys(app: App, as_json: bool) -> None:
    """List reference, name, usage, algorithm, check value and state of every key."""
    with app.store().reading() as tx:
        rows = [
            {
                "key": row.key,
                "name": KeyRef.parse(row.key).purpose,
                "usage": row.usage,
                "algorithm": row.algorithm,
                "kcv": row.kcv or "none",
                "state": row.state,
            }
            for row in tx.session.scalars(select(KeyRecord).order_by(KeyRecord.key))
        ]
    show(rows, as_json, "There are no keys.")
