"""Listings: a table for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table


def show(rows: Sequence[Mapping[str, object]], as_json: bool, empty: str) -> None:
    """Print rows that all have the same fields; ``empty`` says what it means to have none."""
    if as_json:
        click.echo(json.dumps(rows, indent=1, default=str))
        return
    if not rows:
        click.echo(empty)
        return
    table = Table(header_style="bold")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console(soft_wrap=not Console().is_terminal).print(table)
