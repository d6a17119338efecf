"""``kif delivery``: the blanks that vendors delivered."""

from __future__ import annotations

from pathlib import Path

import click

from kif.cli.app import App, form_option, pass_app
from kif.console.table import show
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.ledger.chips import SIZE
from kif.oracle.audit import state_of

_MOST = 5000


@click.group()
def delivery() -> None:
    """Blank cards, as their vendors delivered them."""


@delivery.command()
@click.argument("vendor")
@click.argument("name", metavar="NUMBER")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@pass_app
def register(app: App, vendor: str, name: str, file: Path) -> None:
    """Register VENDOR's delivery NUMBER: FILE has a chip's serial on each line, in hex.

    A serial is the ten bytes that the chip answers INITIALIZE UPDATE with. From the first delivery
    on no other blank of this vendor gets a key.
    """
    chips = _read(file)
    with app.oracle() as oracle:
        oracle.supervision.register_delivery(vendor, name, chips)
    click.echo(f"{len(chips)} blanks of {vendor} are registered.")


@delivery.command("list")
@form_option
@click.option("--verifier", help="The log's key as you noted it at the genesis: name+id+key.")
@pass_app
def list_deliveries(app: App, form: str, verifier: str | None) -> None:
    """List the deliveries, and how many of their blanks were used."""
    state = state_of(app.home, verifier)
    rows = []
    for each in state.deliveries.known.values():
        used = sum(serial in state.chips for serial in each)
        rows.append(
            {
                "vendor": each.vendor,
                "delivery": each.name,
                "blanks": len(each),
                "used": used,
                "left": len(each) - used,
            }
        )
    show(rows, form, "No delivery is registered.")


def _read(file: Path) -> list[bytes]:
    try:
        chips = [bytes.fromhex(line) for line in file.read_text().split()]
    except ValueError:
        chips = []
    if not 1 <= len(chips) <= _MOST or {len(chip) for chip in chips} != {SIZE}:
        raise BadInput(
            Control.CARD_DELIVERED,
            f"{file} is no list of 1 to {_MOST} serials: {SIZE} bytes each, in hex, one on a line.",
        )
    return chips
