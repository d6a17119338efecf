"""``kif ceremony``: check a plan, hold a ceremony."""

from pathlib import Path

import click

from kif.ceremony.genesis import hold_genesis
from kif.ceremony.keys import hold_key_ceremony
from kif.ceremony.plan import GenesisPlan, load_plan
from kif.cli.app import App, pass_app
from kif.console.terminal import TerminalPeople
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.purpose import Owner

_PLAN = click.argument("plan", type=click.Path(path_type=Path))
_SITE = "kif-site"


@click.group()
def ceremony() -> None:
    """Key ceremonies."""


@ceremony.command()
@_PLAN
def check(plan: Path) -> None:
    """Check that PLAN is complete and possible."""
    checked, digest = load_plan(plan)
    minutes = sum(step.minutes for step in checked.steps)
    click.echo(
        f"The plan '{checked.ceremony}' is possible: {len(checked.steps)} steps, "
        f"{minutes} minutes, {checked.roles.custodian} custodians, "
        f"{checked.roles.operator} operators.\n"
        f"Digest (SHA-256): {digest}"
    )


@ceremony.command()
@_PLAN
@click.option("--site", help=f"Genesis: the name of the new site; {_SITE} by default.")
@click.option("--owner", help="Key plans: the issuer or the card vendor whose keys they are.")
@pass_app
def run(app: App, plan: Path, site: str | None, owner: str | None) -> None:
    """Hold the ceremony of PLAN with the people in the room."""
    checked, digest = load_plan(plan)
    if isinstance(checked, GenesisPlan):
        if owner is not None:
            raise BadInput(Control.USAGE, "A genesis takes --site, not --owner.")
        name = site or _SITE
        with app.home.alone():
            hold_genesis(app.home, checked, digest, name, TerminalPeople())
        click.echo(f"The site '{name}' stands in {app.home.site}.")
        return
    if owner is None or site is not None:
        raise BadInput(
            Control.USAGE,
            f"This plan forms keys of one {checked.owner.value}: name it with --owner. The site is "
            "the one in the home.",
        )
    if checked.owner is Owner.ISSUER:
        app.require_issuer(owner)
    with app.oracle() as oracle:
        keys = hold_key_ceremony(oracle.custody, checked, digest, owner, TerminalPeople())
    click.echo(f"Active: {', '.join(map(str, keys))}.")
