"""The ``kif`` command. Errors are one sentence on standard error, and the error's exit code."""

import sys
from pathlib import Path

import click

from kif.cli.app import App
from kif.cli.batch import batch
from kif.cli.ceremony import ceremony
from kif.cli.demo import demo
from kif.cli.hsm import hsm
from kif.cli.issuer import issuer
from kif.cli.key import key
from kif.cli.log import log
from kif.cli.privacy import privacy
from kif.cli.simulate import simulate
from kif.cli.station import station
from kif.formats.error import KifError
from kif.oracle.home import Home


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    envvar="KIF_HOME",
    default="var",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the site (or the variable KIF_HOME).",
)
@click.version_option(package_name="kif")
@click.pass_context
def kif(context: click.Context, home: Path) -> None:
    """Key management and injection for smart-card personalisation bureaus."""
    context.obj = App(Home(home))


for group in (batch, ceremony, demo, hsm, issuer, key, log, privacy, simulate, station):
    kif.add_command(group)


def main() -> None:
    """Run ``kif`` and end with the exit code of docs/operator.md."""
    try:
        kif()
    except KifError as error:
        click.echo(f"kif: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
