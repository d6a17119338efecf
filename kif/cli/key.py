"""``kif key``: the key ring, for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import click

from kif.cli.app import App, form_option, pass_app
from kif.cli.log import told
from kif.compliance.keys import BLOCK, COMPONENTS, GENERATED, KeyLife, concerns_keys, key_lives
from kif.console.table import show
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.ledger.event import Entry
from kif.oracle.local import check_keys

_STATES = click.Choice([each.value for each in KeyState])


@click.group()
def key() -> None:
    """The keys of the site, its issuers and its card vendors."""


@key.command("list")
@click.option("--owner", help="Keys of this issuer, card vendor, or of 'site'.")
@click.option("--purpose", help="Keys for this purpose, e.g. emv-ac.")
@click.option("--algorithm", help="Keys of this algorithm, e.g. 2TDEA.")
@click.option("--state", type=_STATES, metavar="STATE", help="Keys in this state.")
@click.option("--version", type=click.IntRange(1), help="Keys of this version.")
@click.option(
    "--origin", type=click.Choice([GENERATED, COMPONENTS, BLOCK]), help="How keys were made."
)
@click.option(
    "--expired-on",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Keys whose cryptoperiod is over at the end of this day.",
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="What was the case at the end of this day, or at this time (UTC).",
)
@form_option
@pass_app
def list_keys(
    app: App,
    owner: str | None,
    purpose: str | None,
    algorithm: str | None,
    state: str | None,
    version: int | None,
    origin: str | None,
    expired_on: datetime | None,
    as_of: datetime | None,
    form: str,
) -> None:
    """List reference, usage, algorithm, check value, state, validity and origin of every key."""
    at = None if as_of is None else end_of(as_of)
    over = None if expired_on is None else end_of(expired_on)
    wanted = {
        "owner": owner,
        "name": purpose,
        "algorithm": algorithm,
        "state": state,
        "origin": origin,
    }
    lives = (
        life
        for key, life in sorted(lives_of(app).items())
        if life.state_at(at) and version in (None, key.version) and life.is_over(over)
    )
    found = (_row(life, at) for life in lives)
    rows = [
        row for row in found if all(row[name] == value for name, value in wanted.items() if value)
    ]
    show(rows, form, "There are no such keys.")


@key.command("show")
@click.argument("reference", metavar="KEY")
@form_option
@pass_app
def show_key(app: App, reference: str, form: str) -> None:
    """Tell the life of KEY (owner/purpose/version): each step, when, by whom and why."""
    life = lives_of(app)[app.key(reference)]
    if form == "table":
        for name, value in _facts(life).items():
            click.echo(f"{name:<13}{value}")
    rows = [
        {
            "time": step.time.isoformat(timespec="seconds"),
            "state": step.state.value,
            "by": ", ".join(step.by),
            "why": step.why,
            "entry": step.index,
        }
        for step in life.steps
    ]
    show(rows if form != "json" else [{**_facts(life), "steps": rows}], form, "")


@key.command("kcv")
@click.argument("reference", metavar="KEY")
@form_option
@pass_app
def show_kcv(app: App, reference: str, form: str) -> None:
    """Print the check values of KEY with their methods, for a comparison with a letter."""
    life = lives_of(app)[app.key(reference)]
    row = {
        "key": str(life.key),
        "kcv": life.kcv or "none",
        "derived": life.derived or "none",
        "public_key": life.public_key or "none",
    }
    show([row], form, "")


@key.command("state")
@click.argument("reference", metavar="KEY")
@click.argument("to", metavar="STATE", type=_STATES)
@click.option("--reason", required=True, help="Why, for the record.")
@form_option
@pass_app
def change_state(app: App, reference: str, to: str, reason: str, form: str) -> None:
    """Move KEY (owner/purpose/version) to STATE. A destroyed key leaves the token for ever."""
    wanted = app.key(reference)
    with app.oracle() as oracle:
        oracle.custody.change_state(wanted, KeyState(to), reason)
    show([_row(lives_of(app)[wanted])], form, "")


@key.command("check")
@form_option
@pass_app
def check(app: App, form: str) -> None:
    """Compare registry, token and log key by key. Ends with 1 when something does not fit."""
    app.home.require_site()
    with app.home.alone():
        opened = app.open_pin()
        findings = check_keys(app.home, opened.pin, opened.by)
    rows = [{"key": each.key, "where": each.where, "finding": each.what} for each in findings]
    show(rows, form, "Registry, token and log say the same of every key.")
    if findings:
        raise SystemExit(1)


def lives_of(app: App) -> Mapping[KeyRef, KeyLife]:
    """Return the life of each key, from the log."""
    with app.store().reading() as tx:
        entries = (Entry.decode(leaf) for leaf in tx.ledger.leaves() if concerns_keys(leaf))
        return key_lives(told(tx.ledger, entry) for entry in entries)


def end_of(given: datetime) -> datetime:
    """Return the end of a day that is given without a time, or the time."""
    aware = given.replace(tzinfo=UTC)
    midnight = (given.hour, given.minute, given.second) == (0, 0, 0)
    return aware + timedelta(days=1, microseconds=-1) if midnight else aware


def _row(life: KeyLife, at: datetime | None = None) -> dict[str, str]:
    state = life.state_at(at)
    return {
        "key": str(life.key),
        "owner": life.key.owner,
        "name": life.key.purpose,
        "usage": life.usage,
        "algorithm": life.algorithm,
        "kcv": life.kcv or "none",
        "state": "" if state is None else state.value,
        "active_since": _day(life.active_since),
        "valid_until": _day(life.valid_until),
        "origin": life.origin,
    }


def _facts(life: KeyLife) -> dict[str, str]:
    ceremony = {"ceremony": life.ceremony, "custodians": ", ".join(life.custodians)}
    return {**_row(life), **{name: value for name, value in ceremony.items() if value}}


def _day(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d}"
