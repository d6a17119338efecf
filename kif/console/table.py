"""Listings: a table for people, JSON and CSV for programs."""

import csv
import io
import json
from collections.abc import Mapping, Sequence

import click
from rich import box
from rich.console import Console
from rich.table import Table

_WIDTH_OF_A_FILE = 200
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def show(rows: Sequence[Mapping[str, object]], form: str, empty: str) -> None:
    """Print rows that all have the same fields, as ``table``, ``json`` or ``csv``.

    ``empty`` says what it means to have none.
    """
    if form == "json":
        click.echo(json.dumps(rows, indent=1, default=str))
        return
    if form == "csv":
        _show_csv(rows)
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


def _show_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """Print RFC 4180's form, the names first; nothing when there are no rows."""
    made = io.StringIO()
    writer = csv.writer(made)
    if rows:
        writer.writerow(rows[0])
    writer.writerows([_inert(_text(value)) for value in row.values()] for row in rows)
    click.echo(made.getvalue(), nl=False)


def _inert(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in _FORMULA else text


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
