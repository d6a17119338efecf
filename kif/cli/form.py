"""``kif form``: what compliance files, generated from the record as a page and a PDF."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from kif.cli.app import App, pass_app
from kif.cli.key import end_of, lives_of
from kif.cli.papers import entries_of, read_ceremonies, write_document
from kif.compliance.document import Document
from kif.compliance.forms import (
    appointment_of,
    destruction_of,
    deviations_of,
    hsm_of,
    inventory_of,
    packages_of,
)
from kif.ledger.event import Entry
from kif.oracle.audit import audit

_FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.group()
def form() -> None:
    """Forms for compliance, from the record."""


def _entries(app: App) -> list[Entry]:
    """Return what the log has about ceremonies, once it is verified."""
    audit(app.home)
    return entries_of(app.home)


def _write(folder: Path, name: str, document: Document) -> None:
    for path in write_document(folder / name, document):
        click.echo(path)


@form.command()
@click.argument("name")
@_FOLDER
@pass_app
def appointment(app: App, name: str, folder: Path) -> None:
    """Write NAME's appointment with its acknowledgement, and its end, into FOLDER."""
    document = appointment_of(name, _entries(app))
    _write(folder, f"appointment-{name.replace(' ', '-')}", document)


@form.command()
@_FOLDER
@click.option("--place", help="One safe: who had access to it.")
@pass_app
def packages(app: App, folder: Path, place: str | None) -> None:
    """Write the register of packages, or the access log of a safe, into FOLDER."""
    document = packages_of(_entries(app), place)
    _write(folder, "packages" if place is None else "access", document)


@form.command()
@_FOLDER
@pass_app
def deviations(app: App, folder: Path) -> None:
    """Write every deviation and miss into FOLDER."""
    read = read_ceremonies(app.home, audit(app.home).verifier)
    _write(folder, "deviations", deviations_of(read.ceremonies))


@form.command()
@click.argument("reference", metavar="KEY")
@_FOLDER
@pass_app
def destruction(app: App, reference: str, folder: Path) -> None:
    """Write the affidavit of KEY's destruction into FOLDER."""
    key = app.key(reference)
    read = read_ceremonies(app.home, audit(app.home).verifier)
    document = destruction_of(key, lives_of(app), read.ceremonies)
    _write(folder, f"destruction-{reference.replace('/', '-')}", document)


@form.command()
@_FOLDER
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="At the end of this day, or at this time (UTC).",
)
@pass_app
def inventory(app: App, folder: Path, as_of: datetime | None) -> None:
    """Write the inventory of keys into FOLDER."""
    audit(app.home)
    _write(folder, "inventory", inventory_of(lives_of(app), as_of and end_of(as_of)))


@form.command("hsm")
@_FOLDER
@pass_app
def hsm_record(app: App, folder: Path) -> None:
    """Write the record of the HSM into FOLDER."""
    document = hsm_of(_entries(app))
    _write(folder, "hsm", document)
