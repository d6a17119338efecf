"""``kif station``: personalise the cards of a released batch at one machine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from kif.chip.transport import Transport
from kif.cli.app import App, batch_argument, form_option, pass_app
from kif.cli.line import open_machine
from kif.console.progress import Screen
from kif.console.table import show
from kif.formats.state import JobState
from kif.line.round import Tally, make_cards
from kif.oracle.audit import state_of
from kif.oracle.stations import stations_of


@click.group()
def station() -> None:
    """A perso station."""


@station.command()
@batch_argument
@click.option("--reader", required=True, help="The PC/SC name of the reader.")
@click.option(
    "--transport",
    type=click.Path(path_type=Path),
    help="The socket of the machine's card transport; without it you feed the cards by hand.",
)
@click.option("--antenna", help="The PC/SC name of the contactless reader, if it is another one.")
@click.option("--name", default="station-1", show_default=True, help="The station's name.")
@pass_app
def run(
    app: App, batch_id: str, reader: str, transport: Path | None, antenna: str | None, name: str
) -> None:
    """Make the cards of BATCH. Ends with 3 when a card became suspect; the rest are made."""
    screen = Screen()
    with app.oracle() as oracle, open_machine(name, reader, transport, antenna) as machine:
        ready = oracle.supervision.batch(batch_id).jobs.get(JobState.PREPARED, 0)
        with screen.bar("cards", ready, live=transport is not None) as advance:
            tally = Tally(screen.say, advance)
            try:
                make_cards(oracle, batch_id, machine, tally)
            finally:
                screen.say(str(tally))
    if tally.suspects:
        raise SystemExit(3)


_MACHINE = click.option(
    "--transport",
    type=click.Path(path_type=Path),
    required=True,
    help="The socket of the machine's card transport.",
)


@station.command()
@_MACHINE
def clear(transport: Path) -> None:
    """Move a card that was left in the reader to the reject box."""
    with closing(Transport.connect(transport)) as belt:
        cleared = belt.clear()
    click.echo("The card is in the reject box." if cleared else "There is no card in the reader.")


@station.command()
@_MACHINE
def feed(transport: Path) -> None:
    """Put the next blank into the reader. Ends with 3 when the hopper is empty."""
    with closing(Transport.connect(transport)) as belt:
        fed = belt.feed()
    click.echo("A card is in the reader." if fed else "The hopper is empty.")
    if not fed:
        raise SystemExit(3)


@station.command()
@click.argument("where", type=click.Choice(["good", "reject"]))
@_MACHINE
def stack(where: str, transport: Path) -> None:
    """Move the card in the reader to the good stack or to the reject box."""
    with closing(Transport.connect(transport)) as belt:
        belt.stack(where == "good")
    click.echo("The card is stacked.")


@station.command("list")
@form_option
@pass_app
def list_stations(app: App, form: str) -> None:
    """List the enrolled stations, each with the fingerprint of its public key."""
    rows = [
        {
            "name": each.name,
            "stopped": "yes" if each.stopped else "no",
            "fingerprint": each.fingerprint,
        }
        for each in stations_of(state_of(app.home))
    ]
    show(rows, form, "No station is enrolled: hold ceremonies/enrol-station.yaml.")


@station.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why, for the record.")
@pass_app
def withdraw(app: App, name: str, reason: str) -> None:
    """Take the station NAME out: nothing is made at it any more."""
    with app.oracle() as oracle:
        oracle.stations.withdraw(name, reason)
    click.echo(f"{name} is withdrawn.")


@station.command()
@click.argument("name")
@click.option("--reason", required=True, help="What was found and done, for the record.")
@pass_app
def resume(app: App, name: str, reason: str) -> None:
    """Let the station NAME go on, which was stopped because its blanks kept failing."""
    with app.oracle() as oracle:
        oracle.stations.resume(name, reason)
    click.echo(f"{name} may go on.")
