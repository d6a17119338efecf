"""Listings: a table for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table

_WIDTH_OF_A_FILE = 200


def show(rows: Sequence[Mapping[str, object]], as_json: bool, empty: str) -> None:
    """Print rows that all have the same fields; ``empty`` says what it means to have none."""
    if as_json:
        click.echo(json.dumps(rows, indent=1, default=str))
        return
    if not rows:
        click.echo(empty)
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    table = Table(header_style="bold", box=box.SIMPLE_HEAD)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row.values()))
    console.print(table)


def _within(value: object) -> str:
    """Return a value that stands among others, whose commas would be taken for theirs."""
    return " & ".join(map(str, value)) if isinstance(value, list | tuple) else _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_within(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
