"""``kif pin``: PINs leave for the issuer, and for the printer of the mailers."""

from __future__ import annotations

from pathlib import Path

import click

from kif.cli.app import App, batch_argument, pass_app
from kif.fulfilment.pins import export_pins, read_printer, seal_mailers
from kif.oracle.local import now


@click.group()
def pin() -> None:
    """PINs of cards that were dispatched."""


@pin.command()
@batch_argument
@pass_app
def export(app: App, batch_id: str) -> None:
    """Write BATCH's PIN blocks for the issuer, under its zone's key; the file's path is printed."""
    with app.oracle() as oracle:
        click.echo(export_pins(batch_id, oracle.pins, app.home.pins))


@pin.command()
@batch_argument
@click.option(
    "--printer",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The certificate (PEM) of the mailers' printer.",
)
@pass_app
def mailers(app: App, batch_id: str, printer: Path) -> None:
    """Seal the PINs of BATCH to a printer: once, on a later day than its cards left."""
    certificate = read_printer(printer.read_bytes(), now())
    with app.oracle() as oracle:
        click.echo(seal_mailers(batch_id, oracle.pins, certificate, app.home.pins))
