"""``kif station``: personalise the cards of a released batch at one machine."""

from __future__ import annotations

from pathlib import Path

import click

from kif.cli.app import App, pass_app
from kif.cli.line import open_machine
from kif.console.progress import Screen
from kif.formats.state import JobState
from kif.line.round import make_cards


@click.group()
def station() -> None:
    """A perso station."""


@station.command()
@click.argument("batch_id", metavar="BATCH")
@click.option("--reader", required=True, help="The PC/SC name of the reader.")
@click.option(
    "--transport",
    type=click.Path(path_type=Path),
    help="The socket of the machine's card transport; without it you feed the cards by hand.",
)
@click.option("--name", default="station-1", show_default=True, help="The station's name.")
@pass_app
def run(app: App, batch_id: str, reader: str, transport: Path | None, name: str) -> None:
    """Make the cards of BATCH. Ends with 3 when a card became suspect; the rest are made."""
    screen = Screen()
    with app.oracle() as oracle, open_machine(name, reader, transport) as machine:
        ready = oracle.supervision.batch(batch_id).jobs.get(JobState.PREPARED, 0)
        with screen.bar("cards", ready) as advance:
            outcome = make_cards(oracle, batch_id, machine, advance)
    for why in outcome.rejected:
        screen.say(f"A blank is in the reject box, no key was sent to it: {why}")
    for job in outcome.suspects:
        screen.say(f"Card {job.number} is SUSPECT and in the reject box: {job.reason}")
    screen.say(
        f"{outcome.good} good, {len(outcome.suspects)} suspect, {len(outcome.rejected)} blanks "
        "rejected."
    )
    if outcome.suspects:
        raise SystemExit(3)


@station.command()
@click.argument("name")
@click.option("--reason", required=True, help="What was found and done, for the record.")
@pass_app
def resume(app: App, name: str, reason: str) -> None:
    """Let the station NAME go on, which was stopped because its blanks kept failing."""
    with app.oracle() as oracle:
        oracle.supervision.resume_station(name, reason)
    click.echo(f"{name} may go on.")
