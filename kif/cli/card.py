"""``kif card``: a finished card as a terminal reads it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click

from kif.chip.reader import open_reader
from kif.cli.app import App, pass_app
from kif.console.table import show
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.oracle.local import now
from kif.preparation.product import product_files
from kif.quality.authentication import Check, authenticate, read_scheme_keys
from kif.quality.terminal import Reading, read_card


@click.group()
def card() -> None:
    """Finished cards."""


@card.command()
@click.option("--reader", "name", required=True, help="The PC/SC name of the reader.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
@click.option(
    "--scheme-keys",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A JSON list of schemes' public keys, to verify the card's certificates with.",
)
@click.option("--clear", is_flag=True, help="Show the account number in full.")
@pass_app
def read(app: App, name: str, as_json: bool, scheme_keys: Path | None, clear: bool) -> None:
    """Read the card in a reader as a terminal does, without any key.

    Applications are those that the card names, and those of the products. Of an account number six
    digits and four are shown. Ends with 1 when a certificate or signature is wrong.
    """
    known = {
        bytes.fromhex(app.product(each).application) for each in product_files(app.home.products)
    }
    keys = {} if scheme_keys is None else read_scheme_keys(scheme_keys)
    reader = open_reader(name)
    reader.connect()
    try:
        found = [
            (reading, authenticate(reader, reading, keys, now().date(), os.urandom))
            for reading in read_card(reader, sorted(known))
        ]
    finally:
        reader.disconnect()
    _tell(found, as_json, clear)
    wrong = [each for _, checks in found for each in checks if each.right is False]
    if wrong:
        raise CheckFailed(Control.CHIP_DATA, f"The {wrong[0].what} is wrong: {wrong[0].told}")


def _tell(found: list[tuple[Reading, list[Check]]], as_json: bool, clear: bool) -> None:
    if as_json:
        fields = [
            {
                "application": reading.application.hex().upper(),
                "objects": _rows(reading, clear),
                "checks": [asdict(each) for each in checks],
            }
            for reading, checks in found
        ]
        click.echo(json.dumps(fields, indent=1))
        return
    for reading, checks in found:
        click.echo(f"Application {reading.application.hex().upper()}")
        show(_rows(reading, clear), "table", "It shows nothing.")
        show([_row(each) for each in checks], "table", "")


def _row(check: Check) -> dict[str, str]:
    outcome = {True: "right", False: "WRONG", None: "not looked at"}[check.right]
    return {"check": check.what, "outcome": outcome, "told": check.told}


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
