"""The state machine that every entry obeys: what may happen, given all that happened before.

``State.admit`` decides and judges. The oracle admits an event before it acts on it; verification
admits the same events afterwards, by this same code, from the log and its verifier key alone.

Invariants:

- the first events are a genesis, the ceremony that makes the site: people, their signatures over
  its plan, a token, its keys, and the key that signs this log;
- a ceremony goes step by step along a plan that can work, by people who signed it, to its end;
- whatever is done is done by two different operators whom the genesis appointed;
- a batch is released by two operators' signatures over one statement, and a card is claimed by a
  station of those terms, before they end;
- a job moves along its states; a chip is used once; a closed batch balances;
- time does not go back, except where two operators record that the clock was wrong.

>>> state = State(log_key)
>>> for entry in entries:
...     state.admit(entry.event, entry.time)

An event that is not admitted raises a ``KifError`` with its control id, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed, Refused
from kif.formats.keyref import SITE
from kif.formats.state import JobState, KeyState
from kif.ledger.batch import terms_of
from kif.ledger.batches import Batches
from kif.ledger.ceremonies import Ceremonies
from kif.ledger.chips import Chips
from kif.ledger.custody import Custody
from kif.ledger.deliveries import Deliveries
from kif.ledger.event import Event
from kif.ledger.events import batch as of_batch
from kif.ledger.events import card as of_card
from kif.ledger.events import ceremony as of_ceremony
from kif.ledger.events import custody as of_custody
from kif.ledger.events import key as of_key
from kif.ledger.events import site as of_site
from kif.ledger.exchange import Exchange
from kif.ledger.form import write_time
from kif.ledger.genesis import SO_PIN, Genesis
from kif.ledger.issuers import Issuers
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys
from kif.ledger.merkle import EMPTY_ROOT
from kif.ledger.packages import Packages
from kif.ledger.parts import Parts
from kif.ledger.people import People
from kif.ledger.pins import Pins
from kif.ledger.retention import Retention
from kif.ledger.running import Head
from kif.ledger.schemes import Schemes
from kif.ledger.staffing import Staffing
from kif.ledger.stations import Stations
from kif.ledger.succession import Succession

_Rule = Callable[[Any, datetime], None]


class State:
    """All that follows from the log so far. ``log_key`` is the Ed25519 key that signs it."""

    def __init__(self, log_key: bytes) -> None:
        self.journal = Journal()
        self.time: datetime | None = None
        """The time of the last event."""
        self.head: Head = (0, EMPTY_ROOT.hex())
        """The last head of the log that was signed: its size, and its root (hex)."""
        self.people = People(self.journal)
        self.keys = Keys(self.journal)
        self.genesis = Genesis(self.journal, self.people, self.keys, log_key)
        self.issuers = Issuers(self.journal)
        self.custody = Custody(self.journal)
        self.ceremonies = Ceremonies(
            self.journal, self.people, self.keys, self.issuers, self.custody
        )
        self.parts = Parts(self.ceremonies, self.keys, self.custody)
        self.exchange = Exchange(self.journal, self.ceremonies, self.keys)
        self.schemes = Schemes(self.journal, self.ceremonies, self.keys)
        self.succession = Succession(self.ceremonies, self.people, self.keys, self.genesis)
        self.batches = Batches(self.journal, self.people, self.keys, self.issuers)
        self.retention = Retention(self.keys, self.batches)
        self.pins = Pins(self.batches)
        self.staffing = Staffing(self.ceremonies)
        self.packages = Packages(self.journal)
        self.stations = Stations(self.journal)
        self.chips = Chips()
        self.deliveries = Deliveries(self.journal, self.keys)
        ceremony = self._ceremony_rules()
        self._of_genesis = frozenset(ceremony)
        """Kinds that a genesis has as well, so that they come before there is a site."""
        self._rules: dict[type[Event], _Rule] = {
            **ceremony,
            **self._key_rules(),
            **self._site_rules(),
            **self._batch_rules(),
            **self._card_rules(),
        }

    def admit(self, event: Event, time: datetime) -> None:
        """Take an event at a time, or raise a ``KifError`` and stay as before."""
        mark = self.journal.mark()
        try:
            self._check_time(event, time)
            self._check_hands(event)
            self.ceremonies.take_step(type(event))
            self._rules[type(event)](event, time)
            self.journal.set(self, "time", time)
        except BaseException:
            self.journal.back(mark)
            raise

    def settle(self) -> None:
        """Make everything that was admitted final: it can't be taken back any more."""
        self.journal.clear()
        self.chips.settle()
        self.deliveries.settle()

    def _check_time(self, event: Event, time: datetime) -> None:
        if self.time is None or time >= self.time:
            return
        if isinstance(event, of_site.ClockCorrected) and event.was == self.time:
            return
        raise CheckFailed(
            Control.CLOCK,
            f"The time {write_time(time)} is behind the ledger's last entry, of "
            f"{write_time(self.time)}.",
        )

    def _check_hands(self, event: Event) -> None:
        """Require that whoever does something may: a site stands, and two operators opened it."""
        if type(event) not in self._of_genesis:
            self.genesis.require_site()
        by = getattr(event, "by", None)
        if by is not None:
            self.people.require_openers(by, self.genesis.openers())

    def _ceremony_rules(self) -> dict[type[Event], _Rule]:
        genesis, ceremonies = self.genesis, self.ceremonies
        return {
            of_ceremony.GenesisAborted: lambda e, _: self._before_genesis(),
            of_ceremony.GenesisBegun: lambda e, _: self._begin_genesis(e),
            of_ceremony.PersonAppointed: lambda e, _: self._appointed(e),
            of_ceremony.PlanApproved: lambda e, _: ceremonies.approve(e),
            of_ceremony.PinSealed: lambda e, _: self._sealed(e),
            of_ceremony.TokenMade: lambda e, _: genesis.make_token(e),
            of_ceremony.KeyGenerated: lambda e, _: self._generated(e),
            of_ceremony.CertificateIssued: lambda e, _: genesis.certify(e),
            of_ceremony.SiteFounded: lambda e, _: self._founded(e),
            of_ceremony.StepDone: lambda e, _: ceremonies.done(e),
            of_ceremony.StepMissed: lambda e, _: ceremonies.miss(e),
            of_ceremony.CeremonyDeviated: lambda e, _: ceremonies.deviate(e),
            of_ceremony.CeremonyResumed: lambda e, _: self._resumed(e),
            of_ceremony.CeremonyAttested: lambda e, _: ceremonies.attest(e, self.head),
            of_ceremony.CeremonyClosed: lambda e, _: self._closed(e),
        }

    def _before_genesis(self) -> None:
        if self.ceremonies.running is not None or self.genesis.closed:
            raise Refused(
                Control.SITE, "Earlier attempts are told before the genesis begins, not later."
            )

    def _begin_genesis(self, event: of_ceremony.GenesisBegun) -> None:
        self._before_genesis()
        self.ceremonies.begin_genesis(event)

    def _appointed(self, event: of_ceremony.PersonAppointed) -> None:
        self.people.appoint(event)
        if event.manager is not None:
            self.custody.report(event.person, event.manager)
        self.staffing.appointed(event.person, event.role)

    def _released(self, event: of_ceremony.PersonReleased) -> None:
        self.genesis.require_openable(event.person)
        self.people.release(event.person, event.role)
        self.staffing.released(event)

    def _sealed(self, event: of_ceremony.PinSealed) -> None:
        """Take a sealed PIN; the security officer's lets keys out, so its parts are in custody."""
        self.genesis.seal(event)
        self.staffing.sealing(event)
        if event.purpose == SO_PIN:
            secret = f"{SO_PIN} in the seal {event.quorum[:8]}"
            self.custody.make(secret, event.threshold)
            for person, digest in zip(event.holders, event.files, strict=True):
                self.custody.hold(secret, f"the seal's part {digest[:8]}", person)

    def _officer_opened(self, event: of_custody.OfficerOpened) -> None:
        self.genesis.open_officer(event.people)
        self.parts.open_officer(event.people)

    def _generated(self, event: of_ceremony.KeyGenerated) -> None:
        self.genesis.require_token(event.kind)
        if self.genesis.closed:
            self.ceremonies.making(event.key, event.algorithm)
        elif event.key.owner != SITE:
            raise Refused(Control.KEY_USAGE, f"A genesis makes no key like {event.key}.")
        self.keys.generated(event)
        self.ceremonies.made(event.key)

    def _founded(self, event: of_ceremony.SiteFounded) -> None:
        running = self.ceremonies.require_running()
        self.genesis.found(event, running.site, running.plan.digest)

    def _resumed(self, event: of_ceremony.CeremonyResumed) -> None:
        self.ceremonies.resume(event)
        self.genesis.forget_certificates(event.undone)

    def _aborted(self, event: of_ceremony.CeremonyAborted) -> None:
        """Take back what the ceremony made; whoever was appointed in it has no role."""
        running = self.ceremonies.require_running()
        self.genesis.forget_certificates(running.made)
        self.ceremonies.abort(event)
        for name in running.joined:
            role = self.people.appointed[name].role
            self.genesis.require_openable(name)
            self.people.release(name, role)

    def _closed(self, event: of_ceremony.CeremonyClosed) -> None:
        running = self.ceremonies.require_running()
        self.genesis.require_certified(running.made)
        self.ceremonies.close(event)
        if running.plan.founds:
            self.genesis.close()

    def _key_rules(self) -> dict[type[Event], _Rule]:
        ceremonies, parts = self.ceremonies, self.parts
        return {
            of_ceremony.CeremonyBegun: lambda e, _: ceremonies.begin(e, self.genesis.site),
            of_ceremony.CeremonyAborted: lambda e, _: self._aborted(e),
            of_key.ComponentEntered: lambda e, _: parts.component(e),
            of_key.ComponentGiven: lambda e, _: parts.component(e),
            of_key.KeyFormed: lambda e, _: parts.form(e),
            of_ceremony.LogSignerReplaced: lambda e, _: self.succession.replace_log_signer(
                e, self.head
            ),
            of_custody.OfficerOpened: lambda e, _: self._officer_opened(e),
            of_custody.ShareGiven: lambda e, _: parts.give_share(e),
            of_custody.QuorumMade: lambda e, _: parts.make_quorum(e),
            of_custody.ShareEntered: lambda e, _: parts.enter_share(e),
            of_custody.BackupMade: lambda e, _: parts.back_up(e),
            of_custody.MastersRestored: lambda e, _: parts.restore(e),
            of_custody.PackageClosed: lambda e, _: self._package_closed(e),
            of_custody.PackageOpened: lambda e, _: self.packages.open(e),
            of_custody.QuorumRetired: lambda e, _: parts.retire_quorum(e),
            of_ceremony.PersonReleased: lambda e, _: self._released(e),
            of_ceremony.StationEnrolled: lambda e, _: self._enrolled(e),
            of_key.KeyImported: lambda e, _: self.exchange.imported(e),
            of_key.KeyExported: lambda e, _: self.exchange.exported(e),
            of_key.KeyWrapped: lambda e, _: self.exchange.wrapped(e),
            of_key.IssuerCertified: lambda e, now: self.schemes.certified(e, now),
            of_key.KeyStateChanged: lambda e, _: self._key_changed(e),
            of_key.KeyCompromised: lambda e, _: self._key_compromised(e),
            of_key.KeySuperseded: lambda e, _: self.staffing.superseded(
                e, self.batches.depending(e.key)
            ),
        }

    def _package_closed(self, event: of_custody.PackageClosed) -> None:
        self.packages.close(event)
        self.staffing.bagged(event.person)

    def _enrolled(self, event: of_ceremony.StationEnrolled) -> None:
        self.stations.enrol(event, self.people.appointed.values())
        self.staffing.station_enrolled()

    def _key_changed(self, event: of_key.KeyStateChanged) -> None:
        self.keys.changed(event.key, event.state)
        self.staffing.key_changed(event.key, event.state)

    def _key_compromised(self, event: of_key.KeyCompromised) -> None:
        """Take a compromise; the lists have all that is known to depend on the key."""
        batches = set(self.batches.made_with(event.key)) - set(event.batches)
        keys = set(self.exchange.under.get(event.key, ())) - set(event.keys)
        if batches or keys:
            raise Refused(
                Control.KEY_STATE,
                f"{len(batches)} batches and {len(keys)} keys that depend on {event.key} are "
                "missing.",
            )
        self.keys.changed(event.key, KeyState.COMPROMISED)
        self.staffing.compromised(event.key)

    def _site_rules(self) -> dict[type[Event], _Rule]:
        return {
            of_site.TokenOpened: lambda e, _: None,
            of_site.LibraryAccepted: lambda e, _: self.genesis.accept_library(e),
            of_site.LibraryTested: lambda e, _: None,
            of_site.KeysChecked: lambda e, _: None,
            of_site.ClockCorrected: lambda e, now: self._corrected(e, now),
            of_site.StationWithdrawn: lambda e, _: self.stations.withdraw(e.station),
            of_site.StationResumed: lambda e, _: self.stations.resumed(e.station),
            of_site.BlanksDelivered: lambda e, _: self.deliveries.register(e, self.chips),
            of_site.IssuerRegistered: lambda e, _: self.issuers.register(e),
            of_site.IssuerRenewed: lambda e, _: self.issuers.renew(e),
            of_site.IssuerWithdrawn: lambda e, _: self.issuers.withdraw(e),
        }

    def _corrected(self, event: of_site.ClockCorrected, now: datetime) -> None:
        if event.was != self.time or now >= event.was:
            raise Refused(
                Control.CLOCK,
                "A correction of the clock names the time of the entry before, which is ahead of "
                "the right one. This clock is not behind.",
            )

    def _batch_rules(self) -> dict[type[Event], _Rule]:
        batches = self.batches
        return {
            of_batch.FileRefused: lambda e, _: None,
            of_batch.BatchReceived: self.retention.received,
            of_batch.BatchPrepared: self._prepared,
            of_batch.ApprovalGiven: self._approved,
            of_batch.ApprovalRefused: lambda e, _: None,
            of_batch.BatchReleased: lambda e, _: batches.released(e),
            of_batch.BatchDispatched: batches.dispatched,
            of_batch.PinsExported: lambda e, _: self.pins.exported(e),
            of_batch.PinMailersSealed: self.pins.mailers_sealed,
            of_batch.BatchClosed: lambda e, _: batches.closed(e),
            of_batch.BatchClosedShort: lambda e, _: batches.closed_short(e),
            of_batch.BatchCancelled: lambda e, _: batches.cancelled(e),
            of_batch.BatchErased: lambda e, _: self.retention.erased(e),
            of_batch.WindowErased: self._window_erased,
        }

    def _approved(self, event: of_batch.ApprovalGiven, now: datetime) -> None:
        self.batches.approved(event, now)
        for station in terms_of(event.statement).stations:
            self.stations.require_enrolled(station)

    def _window_erased(self, event: of_batch.WindowErased, now: datetime) -> None:
        self.retention.window_erased(event, now)
        self.staffing.window_erased(event.key)

    def _prepared(self, event: of_batch.BatchPrepared, now: datetime) -> None:
        for key in event.keys:
            self.ceremonies.require_lasting(key)
        self.batches.prepared(event, now)

    def _card_rules(self) -> dict[type[Event], _Rule]:
        def moves(to: JobState) -> _Rule:
            return lambda e, _: self.batches.open_jobs(e.batch).step(e.number, to)

        return {
            of_card.JobClaimed: self._claimed,
            of_card.ClaimWithdrawn: lambda e, _: self._withdrawn(e),
            of_card.CardRejected: lambda e, _: self._rejected(e),
            of_card.InjectionAuthorised: self._authorised,
            of_card.InjectionDone: moves(JobState.PERSONALISED),
            of_card.CardPrinted: moves(JobState.PRINTED),
            of_card.CardVerified: moves(JobState.GOOD),
            of_card.CardSuspect: moves(JobState.SUSPECT),
        }

    def _claimed(self, event: of_card.JobClaimed, now: datetime) -> None:
        ends = self.batches.require_released(event.batch, event.station, now).expires
        self.stations.require(event.station)
        if not now <= event.until <= ends:
            raise Refused(
                Control.LEASE, "A lease ends after now, and with its release at the latest."
            )
        self.batches.open_jobs(event.batch).claim(event.number, event.station, event.until)

    def _rejected(self, event: of_card.CardRejected) -> None:
        self.batches.open_jobs(event.batch).reject(event.number, event.station)
        self.stations.rejected(event.station)

    def _withdrawn(self, event: of_card.ClaimWithdrawn) -> None:
        jobs = self.batches.open_jobs(event.batch)
        if jobs.state(event.number) is not JobState.CLAIMED:
            raise Refused(
                Control.JOB_STATE,
                f"Card {event.number} of batch {event.batch} is {jobs.state(event.number).value}; "
                "only a claim is withdrawn.",
            )
        jobs.step(event.number, JobState.PREPARED)

    def _authorised(self, event: of_card.InjectionAuthorised, now: datetime) -> None:
        chip = bytes.fromhex(event.chip)
        if chip in self.chips:
            raise DeviceFailed(
                Control.CARD_ONCE,
                f"The card {event.chip} was used for another job before. No key was sent; put it "
                "in the reject box.",
            )
        self.deliveries.require(self.batches.vendor_of(event.batch), chip)
        jobs = self.batches.open_jobs(event.batch)
        jobs.use(event.number, chip, now)
        self.stations.proved(jobs.holder(event.number).station)
        self.chips.add(chip, self.journal)
