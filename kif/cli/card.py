"""``kif card``: a finished card as a terminal reads it."""

from __future__ import annotations

import json

import click

from kif.chip.reader import open_reader
from kif.cli.app import App, pass_app
from kif.console.table import show
from kif.preparation.product import product_files
from kif.quality.terminal import Reading, read_card


@click.group()
def card() -> None:
    """Finished cards."""


@card.command()
@click.option("--reader", "name", required=True, help="The PC/SC name of the reader.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
@click.option("--clear", is_flag=True, help="Show the account number in full.")
@pass_app
def read(app: App, name: str, as_json: bool, clear: bool) -> None:
    """Read the card in a reader as a terminal does, without any key.

    Applications are those that the card names, and those of the products. Of an account number six
    digits and four are shown.
    """
    known = {
        bytes.fromhex(app.product(each).application) for each in product_files(app.home.products)
    }
    reader = open_reader(name)
    reader.connect()
    try:
        readings = read_card(reader, sorted(known))
    finally:
        reader.disconnect()
    if as_json:
        click.echo(json.dumps([_fields(each, clear) for each in readings], indent=1))
        return
    for reading in readings:
        click.echo(f"Application {reading.application.hex().upper()}")
        show(_rows(reading, clear), "table", "It shows nothing.")


def _fields(reading: Reading, clear: bool) -> dict[str, object]:
    return {"application": reading.application.hex().upper(), "objects": _rows(reading, clear)}


def _rows(reading: Reading, clear: bool) -> list[dict[str, str]]:
    return [
        {
            "where": each.where,
            "tag": f"{each.tag:X}",
            "name": each.name,
            "value": each.shown(clear=clear),
        }
        for each in reading.objects
    ]
