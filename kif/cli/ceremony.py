"""``kif ceremony``: check a plan, hold a ceremony, go on with one, end one."""

import tempfile
from pathlib import Path

import click

from kif.ceremony.genesis import abort_genesis, hold_genesis, resume_genesis, standing_genesis
from kif.ceremony.hold import deviate as record_deviation
from kif.ceremony.hold import hold, needs_officer
from kif.ceremony.hold import resume as go_on
from kif.ceremony.plan import load_plan
from kif.ceremony.playing import rehearse as rehearsed
from kif.ceremony.restoring import (
    abort_restoring,
    restore_site,
    resume_restoring,
    standing_restoring,
)
from kif.ceremony.steps import standing_at
from kif.cli.app import App, form_option, pass_app
from kif.cli.demo import PLANS
from kif.cli.papers import read_ceremonies, write_document, write_report
from kif.compliance.ceremonies import Outcome
from kif.compliance.record import verify_record
from kif.compliance.script import script_of
from kif.console.table import show
from kif.console.terminal import TerminalPeople
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import KeyRef
from kif.formats.words import aloud
from kif.ledger.form import write_time
from kif.ledger.plan import About, Plan
from kif.oracle.audit import audit, state_of
from kif.oracle.local import now
from kif.simulator.issuer import TestIssuer
from kif.simulator.scheme import Scheme

_PLAN = click.argument("plan", type=click.Path(path_type=Path))
_SITE = "kif-site"
_REASON = click.option("--reason", required=True, help="Why; it stands on the record.")


@click.group()
def ceremony() -> None:
    """Key ceremonies."""


@ceremony.command()
@_PLAN
def check(plan: Path) -> None:
    """Check that PLAN is complete and possible."""
    checked = load_plan(plan)
    roles = ", ".join(role.counted(count) for role, count in checked.roles.items() if count)
    click.echo(
        f"The plan '{checked.ceremony}' is possible: {len(checked.steps)} steps, "
        f"{checked.minutes} minutes, {roles}.\n"
        f"Digest (SHA-256): {checked.digest}\n"
        f"Read aloud: {aloud(checked.digest)}"
    )


@ceremony.command()
@_PLAN
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def script(plan: Path, folder: Path) -> None:
    """Write PLAN's script into FOLDER, with boxes to tick: a page and a PDF."""
    checked = load_plan(plan)
    for path in write_document(folder / f"{checked.ceremony}-script", script_of(checked)):
        click.echo(path)


@ceremony.command()
@_PLAN
def rehearse(plan: Path) -> None:
    """Play PLAN with simulated people on a throw-away token, and show what is said."""
    checked = load_plan(plan)
    with tempfile.TemporaryDirectory(prefix="kif-rehearsal-") as folder:
        issuers = Path(folder) / "issuers"
        home = Path(folder) / "home"
        rehearsed(
            checked,
            lambda name: load_plan(PLANS / f"{name}.yaml"),
            lambda name: TestIssuer(issuers, name).certificate,
            lambda request: Scheme.at(issuers).answer(request, now().date()),
            home,
            click.echo,
        )
    click.echo("The rehearsal has reached the end of the plan. Nothing of it is left.")


@ceremony.command()
@_PLAN
@click.option("--for", "subject", help="The site to make, or the issuer or vendor it is about.")
@click.option("--key", "reference", metavar="KEY", help="The key that it is about.")
@pass_app
def run(app: App, plan: Path, subject: str | None, reference: str | None) -> None:
    """Hold the ceremony of PLAN with the people in the room."""
    checked = load_plan(plan)
    named = _named(app, checked, reference)
    if checked.founds:
        with app.home.alone():
            hold_genesis(app.home, checked, subject or _SITE, TerminalPeople())
        click.echo(f"The site '{subject or _SITE}' stands in {app.home.site}.")
        return
    name = _subject(app, checked, subject)
    if checked.restores:
        with app.home.alone():
            keys = restore_site(app.home, checked, TerminalPeople())
        click.echo(_closed(keys))
        return
    with app.oracle(officer=needs_officer(checked)) as oracle:
        keys = hold(oracle.ceremonies, checked, name, TerminalPeople(), named)
    click.echo(_closed(keys))


@ceremony.command()
@pass_app
def status(app: App) -> None:
    """Say whether a ceremony stands, and at which step."""
    running = standing_genesis(app.home) or standing_restoring(app.home)
    running = running or state_of(app.home).ceremonies.running
    click.echo("No ceremony stands." if running is None else standing_at(running))


@ceremony.command()
@pass_app
def resume(app: App) -> None:
    """Go on with the ceremony that stands, at the beginning of its step."""
    if standing_genesis(app.home) is not None:
        with app.home.alone():
            resume_genesis(app.home, TerminalPeople())
        click.echo(f"The site stands in {app.home.site}.")
        return
    if standing_restoring(app.home) is not None:
        with app.home.alone():
            click.echo(_closed(resume_restoring(app.home, TerminalPeople())))
        return
    running = state_of(app.home).ceremonies.require_running()
    with app.oracle(officer=needs_officer(running.plan)) as oracle:
        keys = go_on(oracle.ceremonies, TerminalPeople())
    click.echo(_closed(keys))


@ceremony.command()
@_REASON
@pass_app
def abort(app: App, reason: str) -> None:
    """End the ceremony that stands; what it made is destroyed."""
    if standing_genesis(app.home) is not None:
        with app.home.alone():
            path = abort_genesis(app.home, reason)
        click.echo(f"The genesis is aborted. Its record is {path}; the next one takes it in.")
        return
    if standing_restoring(app.home) is not None:
        with app.home.alone():
            abort_restoring(app.home, reason)
        click.echo("The restore is aborted. The next one takes its record into the log.")
        return
    with app.oracle() as oracle:
        name = oracle.ceremonies.running().name
        oracle.ceremonies.abort(reason)
    click.echo(f"The ceremony '{name}' is aborted.")


@ceremony.command()
@click.argument("people", nargs=2)
@_REASON
@pass_app
def deviate(app: App, people: tuple[str, str], reason: str) -> None:
    """Record that something did not go by the plan; two PEOPLE who take part sign it."""
    if standing_genesis(app.home) or standing_restoring(app.home):
        raise Refused(
            Control.CEREMONY,
            "This ceremony has no log yet that could hold a deviation. Abort it with the reason, "
            "and begin again.",
        )
    with app.oracle() as oracle:
        record_deviation(oracle.ceremonies, reason, people, TerminalPeople())
    click.echo("The deviation is on the record.")


@ceremony.command("list")
@form_option
@pass_app
def list_ceremonies(app: App, form: str) -> None:
    """List every ceremony on the record, the genesis first."""
    rows = [
        {
            "number": told.number,
            "ceremony": told.plan.ceremony,
            "for": told.subject,
            "begun": write_time(told.begun),
            "ended": None if told.ended is None else write_time(told.ended),
            "outcome": told.outcome.value,
        }
        for told in read_ceremonies(app.home, audit(app.home).verifier).ceremonies.told
    ]
    show(rows, form, "There is no ceremony on the record.")


@ceremony.command()
@click.argument("number", type=click.IntRange(1))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@pass_app
def report(app: App, number: int, folder: Path) -> None:
    """Write the report on ceremony NUMBER ('list' has them) into FOLDER.

    A page, a PDF, the record by itself (record.json), and each signature for ssh-keygen.
    """
    read = read_ceremonies(app.home, audit(app.home).verifier)
    for path in write_report(read, number, folder):
        click.echo(path)


@ceremony.command()
@click.argument("record", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--verifier", help="The log's key as you noted it at the genesis: name+id+key.")
def verify(record: Path, verifier: str | None) -> None:
    """Verify a ceremony's RECORD by itself: no site, no database, no HSM.

    Without --verifier the log's key is taken from the very record that is checked.
    """
    found = verify_record(record.read_bytes(), verifier)
    click.echo(
        f"The record of the ceremony '{found.plan.ceremony}' for {found.subject} verifies: "
        f"{found.outcome.value}; plan {found.plan.digest}; {found.entries} entries, against "
        f"{found.verifier}."
    )
    if found.outcome is not Outcome.CLOSED:
        raise SystemExit(1)


def _named(app: App, plan: Plan, reference: str | None) -> KeyRef | None:
    """Return the key that a ceremony is about. Raises ``BadInput`` (USAGE) when it is not said."""
    if bool(plan.named) != (reference is not None):
        needed = "about one key: name it with --key" if plan.named else "not about one key"
        raise BadInput(Control.USAGE, f"This plan is {needed}.")
    return None if reference is None else app.key(reference)


def _subject(app: App, plan: Plan, subject: str | None) -> str:
    """Return whom a ceremony is about. Raises ``BadInput`` (USAGE) when that is not said."""
    if plan.about is About.SITE:
        if subject is not None:
            raise BadInput(Control.USAGE, "This plan is about the site itself; leave --for out.")
        return About.SITE.value
    if subject is None:
        whose = "issuer or vendor" if plan.about is About.PARTNER else plan.about.value
        raise BadInput(Control.USAGE, f"This plan is about one {whose}: name it with --for.")
    if plan.about is About.ISSUER:
        app.require_issuer(subject)
    return subject


def _closed(keys: tuple[KeyRef, ...]) -> str:
    made = ", ".join(map(str, keys))
    return f"The ceremony is closed. Active: {made}." if made else "The ceremony is closed."
