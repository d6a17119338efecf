"""``kif hsm``: the token itself."""

import tempfile
from pathlib import Path

import click

from kif.ceremony.acceptance import accept_library
from kif.ceremony.genesis import USER_PIN
from kif.cli.app import App, form_option, pass_app
from kif.console.table import show
from kif.console.terminal import ask_holders
from kif.hsm import softhsm
from kif.hsm.doctor import examine
from kif.hsm.library import softhsm_library


@click.group()
def hsm() -> None:
    """The HSM behind the site."""


@hsm.command()
@click.option("--library", type=click.Path(path_type=Path), help="A PKCS#11 library to examine.")
@form_option
@pass_app
def doctor(app: App, library: Path | None, form: str) -> None:
    """Say what the token can and cannot do. Ends with 1 when something is missing."""
    path = library or (app.home.token_place().library if app.home.exists else softhsm_library())
    with tempfile.TemporaryDirectory() as directory:
        softhsm.use_directory(Path(directory))  # mechanisms are asked of the library, not of a site
        findings = examine(path)
    rows = [
        {
            "feature": each.feature,
            "available": "yes" if each.available else "no",
            "missing": ", ".join(each.missing),
            "means": "" if each.available else each.otherwise,
        }
        for each in findings
    ]
    show(rows, form, "Nothing was examined.")
    if not all(each.available for each in findings):
        raise SystemExit(1)


@hsm.command("accept-library")
@click.option("--digest", required=True, help="The SHA-256 (hex) that the new library file has.")
@pass_app
def accept(app: App, digest: str) -> None:
    """Accept an updated PKCS#11 library: both holders of the PIN seal it anew for this file."""
    app.home.require_site()
    with app.home.alone():
        holders = ask_holders(app.home.seal, USER_PIN)
        accepted = accept_library(app.home, holders, digest)
    click.echo(f"The PIN is sealed for {accepted.library} ({accepted.library_digest}).")
