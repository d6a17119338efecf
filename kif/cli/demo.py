"""``kif demo``: the main job, end to end, on simulated people, issuer and machine.

It may be killed at any moment and started again: it goes on where it stopped. A batch that is not
closed is finished first; only when there is none does a new issuer's file come.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import click

from kif.ceremony.destination import Destination
from kif.ceremony.genesis import hold_genesis, resume_genesis, standing_genesis
from kif.ceremony.hold import hold, resume
from kif.ceremony.people import Component
from kif.ceremony.plan import load_plan
from kif.ceremony.rehearsal import RehearsalPeople
from kif.ceremony.seal import unseal
from kif.cli.app import App, pass_app
from kif.cli.line import open_machine
from kif.cli.machine import simulated_machine
from kif.cli.result import conclude
from kif.console.progress import Screen
from kif.formats.keyref import KeyRef
from kif.formats.purpose import (
    CARD_VERIFICATION,
    EMV_ISSUER,
    ISSUER_DOMAIN,
    MASTER_DERIVATION,
    PIN_ZONE,
)
from kif.formats.secret import Secret
from kif.formats.state import BatchState, JobState, KeyState
from kif.fulfilment.dispatch import dispatch_batch
from kif.gateway.receive import receive_file
from kif.graphics.front import require_fit
from kif.ledger.approval import RELEASE
from kif.ledger.genesis import USER_PIN
from kif.line.round import Tally, make_cards
from kif.oracle.home import Home
from kif.oracle.local import LocalOracle, now, open_oracle
from kif.oracle.messages import BatchView
from kif.preparation.prepare import prepare_batch
from kif.preparation.product import load_product
from kif.simulator.issuer import TestIssuer
from kif.simulator.scheme import Scheme
from kif.simulator.sheets import test_sheets
from kif.simulator.vendor import TEST_VENDOR

PLANS = Path(__file__).parents[2] / "ceremonies"
_SITE = "kif-demo"
_ISSUER = "test-issuer"
_PRODUCTS = ("test-debit", "test-credit")
_OPERATORS = ("operator-1", "operator-2")


@click.command()
@click.option("--cards", default=5, show_default=True, type=click.IntRange(1, 100_000))
@click.option(
    "--product",
    default=_PRODUCTS[0],
    show_default=True,
    type=click.Choice(_PRODUCTS),
    help="What is made; test-credit is authenticated offline, by a key pair of each card.",
)
@click.option("--fault", "faults", multiple=True, help="Make a card fail; see 'kif simulate'.")
@pass_app
def demo(app: App, cards: int, product: str, faults: tuple[str, ...]) -> None:
    """Run the whole line on simulated counterparties."""
    started = time.monotonic()
    screen = Screen()
    with app.home.alone():
        people = _people(app.home, screen)
        if not app.home.exists:
            _hold_genesis(app.home, people)
        app.home.require_site()
        passphrases = {name: people.passphrase(name, USER_PIN) for name in _OPERATORS}
        destination = Destination.of(app.home.token_place())
        pin = unseal(app.home.seal, USER_PIN, passphrases, destination)
        with open_oracle(app.home, pin, _OPERATORS) as oracle:
            _hold_key_ceremonies(app.home, oracle, people)
            _enrol_station(oracle, people)
            batch = _run(app.home, oracle, people, screen, (product, cards), faults)
            conclude(app.home, batch, screen, time.monotonic() - started)


def _run(
    home: Home,
    oracle: LocalOracle,
    people: RehearsalPeople,
    screen: Screen,
    wanted: tuple[str, int],
    faults: tuple[str, ...],
) -> str:
    """Take one batch from wherever it stands to its closing; return its id."""
    view = _unfinished(oracle, screen) or _receive(home, oracle, screen, *wanted)
    if view.state is BatchState.RECEIVED:
        with screen.bar("preparing", view.count) as advance:
            view = prepare_batch(
                view.id, oracle.preparation, require_fit, advance, products=home.products
            )
    if view.state is BatchState.PREPARED:
        _release(oracle, people, screen, view)
    _make(home, oracle, screen, view.id, faults)
    if oracle.supervision.batch(view.id).jobs.get(JobState.GOOD):
        path = dispatch_batch(view.id, oracle.fulfilment, home.dispatch)
        screen.say(f"Dispatched by {path}.")
    oracle.supervision.close_batch(view.id)
    return view.id


def _people(home: Home, screen: Screen) -> RehearsalPeople:
    def scheme(request: str) -> str:
        return Scheme.at(home.path / "test-scheme").answer(request, now().date())

    return RehearsalPeople(home.path / "people", _sheets, screen.say, scheme=scheme)


def _sheets(key: KeyRef) -> list[Component]:
    return [Component(Secret(bytes.fromhex(value)), check) for value, check in test_sheets(key)]


def _hold_genesis(home: Home, people: RehearsalPeople) -> None:
    if standing_genesis(home) is not None:
        return resume_genesis(home, people)
    people.tell("Genesis ceremony, with three simulated custodians and three operators")
    hold_genesis(home, load_plan(PLANS / "genesis.yaml"), _SITE, people)
    return None


def _hold_key_ceremonies(home: Home, oracle: LocalOracle, people: RehearsalPeople) -> None:
    """Register the issuer, and load its keys and the vendor's, unless they are there."""
    if _ISSUER not in [each.name for each in oracle.gateway.issuers()]:
        issuer = TestIssuer(home.path / "test-issuer")
        oracle.supervision.register_issuer(_ISSUER, issuer.certificate.encode())
    if oracle.ceremonies.standing() is not None:
        resume(oracle.ceremonies, people)
    there = [each for each in oracle.custody.inventory() if each.state is not KeyState.DESTROYED]
    owners = {each.key.owner for each in there if each.usage == MASTER_DERIVATION}
    for name, owner in (("vendor-keys", TEST_VENDOR.name), ("issuer-keys", _ISSUER)):
        if owner not in owners:
            people.tell(f"Key ceremony for {owner}, with two simulated custodians")
            hold(oracle.ceremonies, load_plan(PLANS / f"{name}.yaml"), owner, people)
    purposes = {each.key.purpose for each in there}
    for purpose, name, what in (
        (ISSUER_DOMAIN, "issuer-domain-key", "the key of its security domains"),
        (PIN_ZONE, "pin-keys", "its keys about PINs"),
        (CARD_VERIFICATION, "card-verification-key", "the key of its cards' CVVs"),
        (EMV_ISSUER, "issuer-pair", "the pair that its cards are certified with"),
    ):
        if purpose not in purposes:
            people.tell(f"Key ceremony for {_ISSUER}: {what}")
            hold(oracle.ceremonies, load_plan(PLANS / f"{name}.yaml"), _ISSUER, people)
    if not oracle.custody.certificates():
        people.tell(f"Ceremony for the TEST scheme's certificate of {_ISSUER}'s pair")
        plan = load_plan(PLANS / "issuer-certificate.yaml")
        hold(oracle.ceremonies, plan, _ISSUER, people, KeyRef(_ISSUER, EMV_ISSUER, 1))


def _enrol_station(oracle: LocalOracle, people: RehearsalPeople) -> None:
    """Enrol the one station, unless it is there."""
    if not oracle.stations.all():
        people.tell("Ceremony by which the station is enrolled, with two simulated operators")
        hold(oracle.ceremonies, load_plan(PLANS / "enrol-station.yaml"), "site", people)


def _unfinished(oracle: LocalOracle, screen: Screen) -> BatchView | None:
    for view in oracle.supervision.batches():
        if view.state in (BatchState.RECEIVED, BatchState.PREPARED, BatchState.RELEASED):
            screen.say(f"Batch {view.reference} with {view.count} cards is not finished: going on.")
            return view
    return None


def _receive(
    home: Home, oracle: LocalOracle, screen: Screen, product: str, cards: int
) -> BatchView:
    issuer = TestIssuer(home.path / "test-issuer")
    earlier = oracle.supervision.batches()
    reference = f"TEST-{len(earlier) + 1:06}"
    path = home.path / "inbox" / f"{reference}.cms"
    path.parent.mkdir(exist_ok=True)
    issuer.write_file(
        path,
        recipient_certificate=oracle.gateway.recipient_certificate(),
        reference=reference,
        product=product,
        count=cards,
        first_number=sum(view.count for view in earlier) + 1,
        today=now().date(),
    )
    screen.say(f"The test issuer sent {path} ({path.stat().st_size:,} bytes, {cards} cards).")
    view = receive_file(path, oracle.gateway, now(), partial(load_product, folder=home.products))
    screen.say(f"Received, verified and checked as batch {view.id}.")
    return view


def _release(oracle: LocalOracle, people: RehearsalPeople, screen: Screen, view: BatchView) -> None:
    statement = oracle.supervision.release_statement(view.id)
    for operator in _OPERATORS:
        if operator not in view.approvals:
            signature = people.sign(operator, RELEASE, statement)
            oracle.supervision.approve_release(view.id, operator, statement, signature)
            screen.say(f"{operator} signed the release.")


def _make(
    home: Home, oracle: LocalOracle, screen: Screen, batch: str, faults: tuple[str, ...]
) -> None:
    ready = oracle.supervision.batch(batch).jobs.get(JobState.PREPARED, 0)
    if not ready:
        return
    with (
        simulated_machine(home.path / "stacks.jsonl", faults) as (reader, transport),
        open_machine("station-1", reader, transport) as machine,
        screen.bar("cards", ready) as advance,
    ):
        make_cards(oracle, batch, machine, Tally(screen.say, advance))
