"""``kif ceremony``: check a plan, hold a ceremony."""

from pathlib import Path

import click

from kif.ceremony.genesis import hold_genesis
from kif.ceremony.plan import load_plan
from kif.cli.app import App, pass_app
from kif.console.terminal import TerminalPeople

_PLAN = click.argument("plan", type=click.Path(path_type=Path))


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
@click.option("--site", default="kif-site", show_default=True, help="The name of the new site.")
@pass_app
def run(app: App, plan: Path, site: str) -> None:
    """Hold the ceremony of PLAN with the people in the room."""
    checked, digest = load_plan(plan)
    with app.home.alone():
        hold_genesis(app.home, checked, digest, site, TerminalPeople())
    click.echo(f"The site '{site}' stands in {app.home.site}.")
