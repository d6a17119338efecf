"""``kif product``: the reviewed profiles of what is made."""

from __future__ import annotations

from pathlib import Path

import click

from kif.cli.app import App, form_option, pass_app
from kif.console.table import show
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.preparation.lint import check_profile
from kif.preparation.product import product_files, read_product


@click.group()
def product() -> None:
    """The products that there are profiles for, shipped with kif or in the home."""


@product.command("list")
@form_option
@pass_app
def list_products(app: App, form: str) -> None:
    """List the products, each with the SHA-256 of its profile, which a release names."""
    rows = []
    for name, path in product_files(app.home.products).items():
        profile, digest = read_product(name, app.home.products)
        rows.append(
            {
                "name": name,
                "vendor": profile.vendor,
                "application": profile.application,
                "author": profile.author,
                "approver": profile.approver,
                "where": "home" if path.parent == app.home.products else "shipped",
                "digest": digest,
            }
        )
    show(rows, form, "There is no product.")


@product.command("show")
@click.argument("name")
@form_option
@pass_app
def show_product(app: App, name: str, form: str) -> None:
    """Show each field of the profile of the product NAME."""
    profile, digest = read_product(name, app.home.products)
    fields = {"digest": digest} | profile.model_dump(mode="json")
    show([{"field": field, "value": value} for field, value in fields.items()], form, "")


@product.command()
@click.argument("profile", metavar="NAME|FILE")
@pass_app
def check(app: App, profile: str) -> None:
    """Say what is wrong with a profile, line by line. Ends with 1 when something is."""
    path = product_files(app.home.products).get(profile, Path(profile))
    findings = check_profile(path)
    for finding in findings:
        click.echo(f"{path}: {finding}")
    if findings:
        raise CheckFailed(
            Control.PRODUCT, f"{len(findings)} things are wrong with the profile {path}."
        )
    click.echo(f"{path}: nothing is wrong.")
