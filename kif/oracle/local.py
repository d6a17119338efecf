"""The oracle in process: opens a home's token and database, recovers, and seats its desks.

>>> with home.alone(), open_oracle(home, pin, ("operator-1", "operator-2")) as oracle:
...     receive_file(path, oracle.gateway, now())
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.keyref import SITE
from kif.formats.purpose import LOG_SIGNER
from kif.formats.secret import Secret
from kif.hsm.memory import Head, LogMemory
from kif.hsm.officer import open_with_officer
from kif.hsm.token import Token
from kif.ledger.events.site import ClockCorrected, KeysChecked, TokenOpened
from kif.ledger.genesis import SO_PIN, USER_PIN
from kif.ledger.note import NoteSigner
from kif.ledger.tail import Tail
from kif.oracle.audit import verifier_of
from kif.oracle.cache import require_tables
from kif.oracle.ceremony import Ceremonies
from kif.oracle.chip import Chip
from kif.oracle.custody import Custody
from kif.oracle.desk import Desk
from kif.oracle.exchange import Exchange
from kif.oracle.fulfilment import Fulfilment
from kif.oracle.gateway import Gateway
from kif.oracle.graphics import Graphics
from kif.oracle.group import Step
from kif.oracle.home import Home
from kif.oracle.inventory import Finding, compare
from kif.oracle.keys import KeyRing
from kif.oracle.loadfile import load_file
from kif.oracle.opening import log_at_rest
from kif.oracle.packages import PackageDesk
from kif.oracle.pins import Pins
from kif.oracle.preparation import Preparation
from kif.oracle.privacy import Privacy
from kif.oracle.quality import Quality
from kif.oracle.quorums import Quorums
from kif.oracle.record import Record
from kif.oracle.recovery import recover
from kif.oracle.snapshots import EVERY, save_snapshot
from kif.oracle.staff import Staff
from kif.oracle.stations import Stations
from kif.oracle.succession import Succession
from kif.oracle.supervision import Supervision
from kif.oracle.views import key_views
from kif.store.engine import Store, open_store


@dataclass(frozen=True)
class LocalOracle:
    """Implements :class:`kif.oracle.interface.Oracle`."""

    gateway: Gateway
    preparation: Preparation
    supervision: Supervision
    custody: Custody
    ceremonies: Ceremonies
    privacy: Privacy
    stations: Stations
    chip: Chip
    graphics: Graphics
    quality: Quality
    fulfilment: Fulfilment
    pins: Pins


@dataclass(frozen=True)
class Officer:
    """The security officer's PIN, and the custodians who opened it."""

    pin: Secret
    by: tuple[str, ...]


Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


@contextmanager
def open_oracle(
    home: Home,
    pin: Secret,
    by: tuple[str, ...],
    officer: Officer | None = None,
    clock: Clock | None = None,
) -> Iterator[LocalOracle]:
    """Open the site of a home that this process holds (``home.alone()``), for two operators.

    1. Database and token open; 2. the log is followed to its end, which is not behind what the HSM
    remembers; 3. the tables say what the log says; 4. each key of the record is the token's; 5. the
    opening is on the record; 6. cards that were on the line are accounted for. Raises ``Refused``
    (SITE) without a site, ``DeviceFailed`` for the HSM, ``CheckFailed`` naming what differs.
    ``clock`` is a rehearsal's, which plays what is held later.
    """
    with open_record(home, pin, by, officer=officer, clock=clock) as (keys, record):
        record.write(lambda step: step.record(TokenOpened(step.by)))
        desk = Desk(keys, record)
        recover(desk)
        yield LocalOracle(
            Gateway(desk),
            Preparation(desk),
            Supervision(desk),
            Custody(desk),
            _ceremonies(desk, home, pin, officer),
            Privacy(desk),
            Stations(desk),
            Chip(desk, partial(load_file, home.products)),
            Graphics(desk),
            Quality(desk),
            Fulfilment(desk),
            Pins(desk),
        )


def _ceremonies(desk: Desk, home: Home, pin: Secret, officer: Officer | None) -> Ceremonies:
    pins = {USER_PIN: pin} | ({SO_PIN: officer.pin} if officer else {})
    staff = Staff(desk, home.seal, home.token_place(), pins)
    officers = officer.by if officer else ()
    return Ceremonies(
        desk,
        Quorums(desk, home.backup),
        Succession(desk),
        staff,
        Custody(desk),
        Privacy(desk),
        PackageDesk(desk),
        Stations(desk),
        Exchange(desk, home.exchange),
        officers,
    )


def correct_clock(home: Home, pin: Secret, by: tuple[str, ...]) -> tuple[datetime, datetime]:
    """Record that the clock had been ahead; return the log's last time and the right one."""

    def work(step: Step) -> tuple[datetime, datetime]:
        was = step.state.time
        if was is None or was <= step.now:
            raise CheckFailed(
                Control.CLOCK, "The clock is not behind the log. Nothing was recorded."
            )
        step.record(ClockCorrected(step.by, was))
        return was, step.now

    with open_record(home, pin, by, correcting=True) as (_, record):
        return record.write(work)


def check_keys(home: Home, pin: Secret, by: tuple[str, ...]) -> list[Finding]:
    """Compare registry, token and log, key by key; the result is on the record."""
    with open_record(home, pin, by, checking=True) as (keys, record):
        with record.reading() as (state, tx):
            findings = compare(keys.token, state.keys, key_views(tx.session))
            count = len(state.keys.known)
        record.write(lambda step: step.record(KeysChecked(step.by, count, len(findings))))
        return findings


@contextmanager
def open_record(
    home: Home,
    pin: Secret,
    by: tuple[str, ...],
    *,
    correcting: bool = False,
    checking: bool = False,
    officer: Officer | None = None,
    clock: Clock | None = None,
) -> Iterator[tuple[KeyRing, Record]]:
    """Open token and log of a site, followed to its end and compared with everything else.

    ``checking`` leaves the comparison of keys and tables to the caller, who reports on it.
    """
    home.require_site()
    store = open_store(home.database)
    try:
        with _opened(home, pin, officer) as token:
            keys, memory = KeyRing.open(token), LogMemory(token)
            tail, followed = _follow(store, keys, memory.recall(), comparing=not checking)
            if not checking:
                keys.require(tail.state.keys)
            signer = keys.log_signer(tail.state.keys.in_use(SITE, LOG_SIGNER))
            signers: dict[bytes, NoteSigner] = {signer.public_key: signer}
            record = Record(store, tail, signers, memory, by, clock or now, os.urandom, correcting)
            started = tail.size - followed
            yield keys, record
            if record.tail.size - started >= EVERY:
                record.save(lambda ledger, end: save_snapshot(ledger, end, keys.protection))
    finally:
        store.close()


def _opened(home: Home, pin: Secret, officer: Officer | None) -> Token:
    """Open the token; with the security officer's PIN, masters may leave in this session."""
    place = home.token_place()
    if officer is None:
        return Token.open(place, pin)
    return open_with_officer(place, pin, officer.pin)


def _follow(store: Store, keys: KeyRing, head: Head, *, comparing: bool) -> tuple[Tail, int]:
    """Return the log's end, and how many entries had to be admitted to get there."""
    with store.reading() as tx:
        verifier = verifier_of(tx)
        tail, followed = log_at_rest(tx.ledger, verifier, keys.protection, head)
        if comparing:
            require_tables(tx.session, tail.state, verifier, whole=False)
    return tail, followed
