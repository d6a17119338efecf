"""``kif batch``: from an issuer's file to a released batch."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from kif.ceremony.credential import sign
from kif.cli.app import App, batch_argument, batch_fields, form_option, job_fields, pass_app
from kif.cli.lines import read_lines, read_trace, require_replayed, require_same
from kif.cli.report import report_on
from kif.console.page import write_page
from kif.console.progress import Screen
from kif.console.table import show
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.fulfilment.dispatch import dispatch_batch
from kif.gateway.receive import receive_file
from kif.graphics.front import require_fit
from kif.ledger.approval import RELEASE
from kif.oracle.audit import state_of
from kif.oracle.local import now
from kif.oracle.messages import JobRef
from kif.oracle.supervision import statement_of
from kif.oracle.views import batch_views, job_views
from kif.preparation.prepare import prepare_batch


@click.group()
def batch() -> None:
    """Batches of cards."""


@batch.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--again", is_flag=True, help="Take cards that came before, as renewals with the same number."
)
@form_option
@pass_app
def receive(app: App, file: Path, again: bool, form: str) -> None:
    """Receive an issuer's FILE: open, verify and check it, and make a batch of it."""
    with app.oracle() as oracle:
        view = receive_file(file, oracle.gateway, now(), app.product, again=again)
    show([batch_fields(view)], form, "")


@batch.command()
@form_option
@pass_app
def status(app: App, form: str) -> None:
    """List every batch, and how many of its cards stand in each state."""
    with app.store().reading() as tx:
        views = [batch_fields(view) for view in batch_views(tx.session)]
    show(views, form, "No batch was received yet.")


@batch.command()
@batch_argument
@click.option(
    "--page", type=click.Path(path_type=Path, dir_okay=False), help="Where the HTML page goes."
)
@pass_app
def report(app: App, batch_id: str, page: Path | None) -> None:
    """Write the report on BATCH as an HTML page, after verifying the home; prints its path.

    It says what was checked, who released the batch on which statement, and how each card ended.
    """
    path = page or app.home.reports / f"{batch_id}.html"
    write_page(path, report_on(app.home, batch_id))
    click.echo(path)


@batch.command("show")
@batch_argument
@form_option
@pass_app
def show_batch(app: App, batch_id: str, form: str) -> None:
    """List the cards of BATCH by pseudonym."""
    with app.store().reading() as tx:
        rows = [job_fields(view) for view in job_views(tx.session, batch_id)]
    show(rows, form, "The batch has no cards.")


@batch.command()
@batch_argument
@click.argument("card", type=click.IntRange(1))
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Compare with what --json gave before; the first difference is told.",
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Compare with the commands that a card was sent, as a log has them: hex, one on a line.",
)
@form_option
@pass_app
def script(
    app: App, batch_id: str, card: int, against: Path | None, trace: Path | None, form: str
) -> None:
    """List what CARD of BATCH would be sent: a dry run, without a card and without a secret."""
    earlier = None if against is None else read_lines(against)
    sent = None if trace is None else read_trace(trace)
    with app.oracle() as oracle:
        lines = oracle.supervision.dry_run(JobRef(batch_id, card))
    rows = [asdict(line) for line in lines]
    if earlier is not None:
        require_same(rows, earlier)
        click.echo(f"The {len(rows)} commands are those of {against}.")
        return
    if sent is not None:
        require_replayed(rows, sent)
        click.echo(f"The {len(rows)} commands are those that {trace} begins with.")
        return
    show(rows, form, "")


@batch.command()
@batch_argument
@click.option(
    "--key", "keys", multiple=True, help="Use this key, owner/purpose/version, not the newest."
)
@form_option
@pass_app
def prepare(app: App, batch_id: str, keys: tuple[str, ...], form: str) -> None:
    """Make the personalisation data of every card of BATCH, for the newest active keys."""
    screen, chosen = Screen(), [app.key(each) for each in keys]
    with app.oracle() as oracle:
        count = oracle.supervision.batch(batch_id).count
        with screen.bar("preparing", count) as advance:
            view = prepare_batch(
                batch_id, oracle.preparation, require_fit, advance, chosen, app.home.products
            )
    show([batch_fields(view)], form, "")


@batch.command()
@batch_argument
@pass_app
def dispatch(app: App, batch_id: str) -> None:
    """Send off the good cards of BATCH that are here; the list's path is printed."""
    with app.oracle() as oracle:
        click.echo(dispatch_batch(batch_id, oracle.fulfilment, app.home.dispatch))


@batch.command()
@batch_argument
@click.option("--reason", help="Why cards are left over that will not be made.")
@form_option
@pass_app
def close(app: App, batch_id: str, reason: str | None, form: str) -> None:
    """Close BATCH: received = good + suspect + left over, or it stays open."""
    with app.oracle() as oracle:
        view = oracle.supervision.close_batch(batch_id, reason)
    show([batch_fields(view)], form, "")


@batch.command()
@batch_argument
@click.option("--reason", required=True, help="Why.")
@form_option
@pass_app
def cancel(app: App, batch_id: str, reason: str, form: str) -> None:
    """End BATCH, of which no card was made; its file may be received again."""
    with app.oracle() as oracle:
        view = oracle.supervision.cancel_batch(batch_id, reason)
    show([batch_fields(view)], form, "")


@batch.command()
@batch_argument
@click.option("--statement", is_flag=True, help="Print exactly what is to be signed, and end.")
@click.option("--person", help="The operator who approves.")
@click.option("--key", type=click.Path(path_type=Path), help="Sign with this SSH key.")
@click.option(
    "--signature",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Or take this SSH signature.",
)
@click.option(
    "--signed",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What was signed, as --statement printed it; else it is made anew.",
)
@click.option("--station", "stations", multiple=True, help="A station that may make the cards.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="The day at whose start the release ends."
)
@form_option
@pass_app
def release(
    app: App,
    batch_id: str,
    statement: bool,
    person: str | None,
    key: Path | None,
    signature: Path | None,
    signed: Path | None,
    stations: tuple[str, ...],
    until: datetime | None,
    form: str,
) -> None:
    """Approve BATCH for production; the second operator's approval releases it.

    Both sign the same statement: what is made, with which keys, at which stations, until when. The
    second is shown the first one's terms. Without any, it is every enrolled station, for 30 days.
    """
    expires = None if until is None else until.replace(tzinfo=UTC)
    if statement:
        state = state_of(app.home)
        click.echo(statement_of(state, batch_id, stations, expires, now()), nl=False)
        return
    if person is None or (key is None) == (signature is None):
        raise BadInput(
            Control.USAGE,
            "An approval needs --person and either --key or --signature. Sign the output of "
            f"--statement with 'ssh-keygen -Y sign -n {RELEASE} -f KEY'.",
        )
    app.require_operator(person)
    with app.oracle() as oracle:
        told = (
            oracle.supervision.release_statement(batch_id, stations, expires)
            if signed is None
            else signed.read_bytes()
        )
        if key is not None:
            armoured = sign(key, RELEASE, told)
        elif signature is not None:
            armoured = signature.read_text(errors="replace")
        view = oracle.supervision.approve_release(batch_id, person, told, armoured)
    show([batch_fields(view)], form, "")
