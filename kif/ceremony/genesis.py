"""The genesis ceremony: a site out of nothing, or nothing at all.

Everything is made in ``HOME/site.partial``; the last act is one rename to ``HOME/site``. Whatever
ends the ceremony before it leaves no site: the folder goes with it, after a power cut with the next
run; no key without a record, no record without a key. An attempt that ended leaves a record of
itself in ``HOME/attempts``, and the next genesis takes it into its log.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import insert

from kif.ceremony.attempt import Attempt, earlier_attempts, forget_attempts
from kif.ceremony.making import close_token, generate, make_token
from kif.ceremony.people import People, until_right
from kif.ceremony.plan import AnyStep, Generate, GenesisPlan, in_words
from kif.ceremony.room import Machinery, Room
from kif.ceremony.seal import Destination, require_passphrase, seal
from kif.formats.control import Control
from kif.formats.error import BadInput, KifError, Refused
from kif.formats.secret import Secret
from kif.formats.text import is_name
from kif.hsm import library
from kif.hsm.certificate import ca_certificate, recipient_certificate
from kif.hsm.memory import LogMemory
from kif.hsm.token import TokenPlace
from kif.ledger.approval import CEREMONY
from kif.ledger.event import Event
from kif.ledger.events.ceremony import (
    CeremonyClosed,
    CertificateIssued,
    PersonAppointed,
    PinSealed,
    PlanApproved,
    Role,
)
from kif.ledger.genesis import plan_statement
from kif.ledger.note import encode_verifier
from kif.ledger.tail import Tail
from kif.oracle.cache import rows_of
from kif.oracle.group import Step
from kif.oracle.home import Home, sync, sync_tree, write_token_place
from kif.oracle.keys import CA, RECIPIENT
from kif.oracle.record import Record
from kif.store.engine import make_store
from kif.store.models import Base

USER_PIN, SO_PIN = "user-pin", "so-pin"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,30}[A-Za-z0-9-])?")


def hold_genesis(home: Home, plan: GenesisPlan, digest: str, site: str, people: People) -> None:
    """Hold the ceremony in a home that this process holds (``home.alone()``).

    1. Nothing stands yet; 2. earlier attempts are told; 3. step by step along the plan; 4. the
    token is closed; 5. everything is on the disk; 6. one rename. Raises ``Refused`` (SITE) when
    there is a site already, ``BadInput`` (SITE) for its name; after any error there is none.
    """
    if home.exists:
        raise Refused(
            Control.SITE, f"There is a site in {home.path} already. A site has one genesis."
        )
    if not (_NAME.fullmatch(site) and is_name(site)):
        raise BadInput(
            Control.SITE,
            "A site's name has 1 to 32 letters, digits, dots and hyphens, and no number as long as "
            "a card's: it is the token's label and the log's name. Choose another.",
        )
    folder = home.path / "site.partial"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    place = TokenPlace(library.softhsm_library(), site, folder / "token")
    room = Room(people, plan, digest, site, folder, place, _now)
    for each in earlier_attempts(home.attempts):
        room.note(each)
    attempt = Attempt.begin(home.attempts, site, plan.ceremony, digest, _now())
    try:
        _go(room, attempt)
    except BaseException as exc:
        attempt.fail(exc.sentence if isinstance(exc, KifError) else f"{type(exc).__name__}.")
        shutil.rmtree(folder, ignore_errors=True)
        people.tell(f"The ceremony has ended: there is no site. Its record is {attempt.path}.")
        raise
    sync_tree(folder)
    folder.rename(home.site)
    sync(home.path)
    forget_attempts(home.attempts)


def _now() -> datetime:
    return datetime.now(UTC)


def _go(room: Room, attempt: Attempt) -> None:
    machinery: Machinery | None = None
    try:
        for number, step in enumerate(room.plan.steps, start=1):
            attempt.reach(number, list(room.state.people.appointed))
            room.people.tell(
                f"Step {number} of {len(room.plan.steps)}: {' '.join(step.text.split())}"
            )
            machinery = _act(room, machinery, step)
    finally:
        if machinery is not None:
            close_token(machinery)


def _act(room: Room, machinery: Machinery | None, step: AnyStep) -> Machinery | None:
    match step:
        case Generate() if machinery:
            generate(room, machinery, step.keys)
        case _ if step.action == "make-token":
            return make_token(room)
        case _ if step.action == "appoint":
            _appoint(room)
        case _ if step.action == "approve":
            _approve(room)
        case _ if step.action == "certify" and machinery:
            _certify(room, machinery)
        case _ if step.action == "seal":
            _seal(room)
        case _ if step.action == "close" and machinery:
            _close(room, machinery)
    return machinery


def _appoint(room: Room) -> None:
    roles = room.plan.roles
    for role, count in ((Role.CUSTODIAN, roles.custodian), (Role.OPERATOR, roles.operator)):
        for number in range(1, count + 1):
            until_right(room.people, partial(_appoint_one, room, role, number))


def _appoint_one(room: Room, role: Role, number: int) -> None:
    person = room.people.appoint(role.value, number)
    room.note(PersonAppointed(person.name, role, person.public_key))


def _approve(room: Room) -> None:
    statement = plan_statement(room.site, room.plan.ceremony, room.plan_digest)
    room.people.tell(in_words(room.plan, room.plan_digest))
    for person in list(room.state.people.appointed):
        until_right(room.people, partial(_approve_one, room, person, statement))


def _approve_one(room: Room, person: str, statement: bytes) -> None:
    signature = room.people.sign(person, CEREMONY, statement)
    room.note(PlanApproved(person, statement.decode(), signature))


def _certify(room: Room, machinery: Machinery) -> None:
    if machinery.ca is None or machinery.recipient is None:
        raise Refused(Control.PLAN, "The plan certifies before the key pairs are made.")
    now = room.clock()
    ca = ca_certificate(machinery.ca, room.site, now)
    recipient = recipient_certificate(machinery.ca, machinery.recipient, room.site, now)
    room.note(CertificateIssued(CA, ca))
    room.note(CertificateIssued(RECIPIENT, recipient))


def _seal(room: Room) -> None:
    folder, to = room.folder / "seal", Destination.of(room.place)
    for purpose, role, pin in (
        (USER_PIN, Role.OPERATOR, room.user_pin),
        (SO_PIN, Role.CUSTODIAN, room.so_pin),
    ):
        given: dict[str, Secret] = {}
        for name in room.of_role(role)[:2]:
            until_right(room.people, partial(_choose, room, name, purpose, given))
        halves = seal(folder, purpose, pin, given, to)
        room.note(PinSealed(purpose, tuple(given), tuple(halves)))


def _choose(room: Room, person: str, purpose: str, given: dict[str, Secret]) -> None:
    """Have a person choose a passphrase that is nobody else's."""
    chosen = room.people.passphrase(person, purpose)
    require_passphrase(chosen, given.values())
    given[person] = chosen


def _close(room: Room, machinery: Machinery) -> None:
    """Write the database whole: the log of the day, and the tables that follow from it."""
    signer = machinery.log_signer
    if signer is None:
        raise Refused(Control.PLAN, "The plan closes before the log's signer is made.")
    write_token_place(room.folder, room.place)
    closing = CeremonyClosed(room.site, room.plan.ceremony, room.plan_digest, signer.public_key)
    verifier = encode_verifier(room.site, signer.public_key)
    store = make_store(room.folder / "kif.sqlite")
    try:
        tail = Tail.of(verifier)
        memory = LogMemory.create(machinery.token)
        record = Record(store, tail, signer, memory, (), room.clock, os.urandom)
        events: list[tuple[Event, datetime]] = [*room.events, (closing, room.clock())]
        record.write(lambda step: _write(step, events, verifier))
    finally:
        store.close()
    room.people.tell(f"Note the log's key: {verifier}")
    root = tail.frontier.root().hex()
    room.people.tell(f"The record has {tail.size} entries; its root is {root}.")


def _write(step: Step, events: list[tuple[Event, datetime]], verifier: str) -> None:
    for event, time in events:
        step.record(event, time)
    for table, rows in rows_of(step.state, verifier).items():
        if rows:
            step.session.execute(insert(Base.metadata.tables[table]), rows)
