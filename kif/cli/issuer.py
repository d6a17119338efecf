"""``kif issuer``: the issuer register."""

from pathlib import Path

import click

from kif.cli.app import App, json_option, pass_app
from kif.console.table import show
from kif.oracle.audit import genesis_of
from kif.oracle.keys import RECIPIENT
from kif.oracle.views import issuer_names


@click.group()
def issuer() -> None:
    """The issuers whose files are accepted."""


@issuer.command()
@click.argument("name")
@click.argument("certificate", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@pass_app
def register(app: App, name: str, certificate: Path) -> None:
    """Register an issuer with the CERTIFICATE (PEM) that its files are signed with."""
    with app.oracle() as oracle:
        oracle.supervision.register_issuer(name, certificate.read_text(errors="replace"))
    click.echo(f"{name} is registered.")


@issuer.command("list")
@json_option
@pass_app
def list_issuers(app: App, as_json: bool) -> None:
    """List the registered issuers."""
    with app.store().reading() as tx:
        rows = [{"name": name} for name in issuer_names(tx.session)]
    show(rows, as_json, "No issuer is registered.")


@issuer.command()
@click.option("--verifier", help="The log's key as you noted it at the genesis: name+id+key.")
@pass_app
def recipient(app: App, verifier: str | None) -> None:
    """Print the certificate (PEM) that issuers encrypt their files to, out of the genesis.

    Without --verifier the log's key is taken from the very database that it comes from.
    """
    certificates = genesis_of(app.home, verifier).certificates
    click.echo(certificates[str(RECIPIENT)], nl=False)
