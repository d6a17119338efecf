"""``kif key``: the key inventory."""

import click
from sqlalchemy import select

from kif.cli.app import App, json_option, pass_app
from kif.console.table import show
from kif.store.models import KeyRecord


@click.group()
def key() -> None:
    """The site's keys."""


@key.command("list")
@json_option
@pass_app
def list_keys(app: App, as_json: bool) -> None:
    """List name, usage, algorithm, check value, state and ceremony of every key."""
    with app.store().reading() as tx:
        rows = [
            {
                "name": row.name,
                "usage": row.usage,
                "algorithm": row.algorithm,
                "kcv": row.kcv,
                "state": row.state,
                "ceremony": row.ceremony,
                "created_at": row.created_at.isoformat(timespec="seconds"),
            }
            for row in tx.session.scalars(select(KeyRecord).order_by(KeyRecord.name))
        ]
    show(rows, as_json, "There are no keys.")
