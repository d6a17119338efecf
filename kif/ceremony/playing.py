"""A plan is played to its end by simulated people, on a throw-away site.

Whatever it is about is made before, in silence: a quorum, keys, a witness, a month of an issuer.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from kif.ceremony.destination import Destination
from kif.ceremony.genesis import hold_genesis
from kif.ceremony.hold import hold, needs_officer
from kif.ceremony.rehearsal import RehearsalPeople, drawn_sheets
from kif.ceremony.restoring import restore_site
from kif.ceremony.seal import holders, unseal
from kif.formats.keyref import KeyRef
from kif.formats.pan import with_check_digit
from kif.formats.purpose import BACKUP_KEK, CARD_VERIFICATION, EMV_ISSUER, RETENTION, ZONE_MASTER
from kif.formats.secret import Secret
from kif.ledger.action import FORMED, PARTNERS
from kif.ledger.events.ceremony import Role
from kif.ledger.genesis import SO_PIN, USER_PIN
from kif.ledger.plan import About, Plan
from kif.oracle.home import Home
from kif.oracle.local import LocalOracle, Officer, now, open_oracle
from kif.oracle.messages import ReceivedCard, ReceivedFile, Subject

_SITE = "rehearsal"
_A_MONTH_AND_MORE = timedelta(days=40)


def rehearse(
    plan: Plan,
    load: Callable[[str], Plan],
    certificate: Callable[[str], str],
    scheme: Callable[[str], str],
    folder: Path,
    listener: Callable[[str], None],
) -> Home:
    """Play a plan to its end on a throw-away site in a folder; return its home.

    The folder is empty, or has a new site of ``found``. ``load`` gives a shipped plan by its name,
    for what has to stand before; ``certificate`` the TEST certificate (PEM) of an issuer by its
    name, and ``scheme`` certifies the key of one.
    """
    home = Home(folder)
    if plan.founds:
        return found(plan, folder, listener)
    if not home.exists:
        found(load("genesis"), folder, _silent)
    people = RehearsalPeople(folder / "people", drawn_sheets(plan), listener, scheme=scheme)
    silent = replace(people, listener=_silent)
    with home.alone():
        named = _Before(home, load, certificate, silent).of(plan)
        if plan.restores:
            shutil.rmtree(home.site / "token")
            restore_site(home, plan, people)
        else:
            _hold(home, plan, certificate, people, named)
    return home


def found(genesis: Plan, folder: Path, listener: Callable[[str], None]) -> Home:
    """Make a throw-away site in an empty folder by a plan that does; return its home."""
    home = Home(folder)
    with home.alone():
        people = RehearsalPeople(folder / "people", drawn_sheets(genesis), listener)
        hold_genesis(home, genesis, _SITE, people)
    return home


def _silent(text: str) -> None:
    """Listen to nothing."""


@dataclass(frozen=True)
class _Before:
    """What has to stand before a plan, in the home of its rehearsal."""

    home: Home
    load: Callable[[str], Plan]
    certificate: Callable[[str], str]
    people: RehearsalPeople

    def of(self, plan: Plan) -> KeyRef | None:
        """Make it; return the key that the plan is about, if one is named."""
        of_vendor = plan.about in (About.SITE, About.VENDOR)
        actions = {step.action for step in plan.steps}
        taken = [step.values["key"] for step in plan.steps if step.action == "import-block"]
        made: tuple[KeyRef, ...] = ()
        if plan.named == EMV_ISSUER:
            made = self._make("issuer-pair")
        elif plan.named in (FORMED, PARTNERS) or actions & {"import-block", "supersede"}:
            made = self._make("vendor-keys" if of_vendor else "issuer-keys")
        partner = About.VENDOR if of_vendor else About.ISSUER
        for name, needed in {
            "backup": BACKUP_KEK in plan.used(),
            "zone-keys": ZONE_MASTER in plan.used(),
            "appoint-witness": plan.roles[Role.WITNESS] > 0,
        }.items():
            if needed:
                self._make(name, partner)
        if plan.named == RETENTION:
            return self._past_window()
        if CARD_VERIFICATION in taken:
            made += self._make("card-verification-key")
        for key in made:
            if key.purpose in taken:
                export = self.load("export-block")
                _hold(self.home, export, self.certificate, self.people, key, partner)
        return made[0] if plan.named else None

    def _make(self, name: str, partner: About = About.ISSUER) -> tuple[KeyRef, ...]:
        drawn = replace(self.people, sheets=drawn_sheets(self.load(name)))
        return _hold(self.home, self.load(name), self.certificate, drawn, partner=partner)

    def _past_window(self) -> KeyRef:
        """Receive a batch of one TEST card and cancel it; return its retention key."""
        issuer = f"{_SITE}-issuer"
        by, pin = _unsealed(self.home, self.people, USER_PIN)
        with open_oracle(self.home, pin, by) as oracle:
            _register(oracle, issuer, self.certificate)
            batch = oracle.gateway.admit(_file(issuer), again=False)
            oracle.supervision.cancel_batch(batch.id, "This is a rehearsal.")
            (window,) = oracle.privacy.windows()
            return window.key


def _file(issuer: str) -> ReceivedFile:
    pan = with_check_digit("999999000000001")
    card = ReceivedCard(
        Subject(Secret.of_text(f"{pan}/00"), pan[:8]), date(2031, 2, 28), Secret(b"{}")
    )
    return ReceivedFile(
        issuer=issuer,
        reference="TEST",
        product="test-debit",
        content_digest=Secret(bytes(32)),
        file_digest="00" * 32,
        cards=[card],
    )


def _register(oracle: LocalOracle, issuer: str, certificate: Callable[[str], str]) -> None:
    if issuer not in [known.name for known in oracle.gateway.issuers()]:
        oracle.supervision.register_issuer(issuer, certificate(issuer).encode())


def _hold(
    home: Home,
    plan: Plan,
    certificate: Callable[[str], str],
    people: RehearsalPeople,
    named: KeyRef | None = None,
    partner: About = About.ISSUER,
) -> tuple[KeyRef, ...]:
    by, pin = _unsealed(home, people, USER_PIN)
    officer = _unsealed(home, people, SO_PIN) if needs_officer(plan) else None
    officers = None if officer is None else Officer(officer[1], officer[0])
    whose = partner if plan.about is About.PARTNER else plan.about
    subject = whose.value if whose is About.SITE else f"{_SITE}-{whose.value}"
    clock = _later if plan.named == RETENTION else now
    with open_oracle(home, pin, by, officers, clock) as oracle:
        if whose is About.ISSUER:
            _register(oracle, subject, certificate)
        return hold(oracle.ceremonies, plan, subject, people, named)


def _later() -> datetime:
    """Return a time at which the window of what was received now is over."""
    return datetime.now(UTC) + _A_MONTH_AND_MORE


def _unsealed(home: Home, people: RehearsalPeople, purpose: str) -> tuple[tuple[str, ...], Secret]:
    names, threshold = holders(home.seal, purpose)
    given = {name: people.passphrase(name, purpose) for name in names[:threshold]}
    pin = unseal(home.seal, purpose, given, Destination.of(home.token_place()))
    return tuple(given), pin
