"""The genesis ceremony: a site out of nothing, or nothing at all.

Everything is made in ``HOME/site.partial``; the last act is one rename to ``HOME/site``. Whatever
ends the ceremony before it leaves no site, and the next run clears the residue: no key without a
record, no record without a key.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from kif.ceremony.making import close_token, form, generate, make_token
from kif.ceremony.people import Appointment, People
from kif.ceremony.plan import AnyStep, Form, Generate, Plan
from kif.ceremony.room import Machinery, Room
from kif.ceremony.seal import seal
from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.hsm import library
from kif.hsm.certificate import ca_certificate, recipient_certificate
from kif.hsm.token import TokenPlace
from kif.ledger.event import Boundary, Kind
from kif.ledger.log import Log
from kif.ledger.note import encode_verifier
from kif.oracle.approval import CEREMONY, fingerprint, verify_approval
from kif.oracle.home import Home, write_token_place
from kif.store.engine import open_store
from kif.store.models import Person, Site

USER_PIN, SO_PIN = "user-pin", "so-pin"
_NAME = re.compile(r"[A-Za-z0-9.-]{1,32}")


def hold_genesis(home: Home, plan: Plan, digest: str, site: str, people: People) -> None:
    """Hold the ceremony in a home that this process holds (``home.alone()``).

    1. Nothing stands yet; 2. step by step along the plan; 3. the token is closed; 4. one rename.
    Raises ``Refused`` (SITE) when there is a site already, ``BadInput`` (SITE) for its name;
    after any error there is none.
    """
    if home.exists:
        raise Refused(
            Control.SITE, f"There is a site in {home.path} already. A site has one genesis."
        )
    if not _NAME.fullmatch(site):
        raise BadInput(
            Control.SITE,
            "A site's name has 1 to 32 letters, digits, dots and hyphens: it is the token's label "
            "and the log's name. Choose another.",
        )
    folder = home.path / "site.partial"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    place = TokenPlace(library.softhsm_library(), site, folder / "token")
    room = Room(people, plan, digest, site, folder, place)
    machinery: Machinery | None = None
    try:
        for number, step in enumerate(plan.steps, start=1):
            people.tell(f"Step {number} of {len(plan.steps)}: {' '.join(step.text.split())}")
            machinery = _act(room, machinery, step)
    finally:
        if machinery is not None:
            close_token(machinery)
    folder.rename(home.site)
    _sync_folder(home.path)


def _act(room: Room, machinery: Machinery | None, step: AnyStep) -> Machinery | None:
    match step:
        case Generate() if machinery:
            generate(room, machinery, step.keys)
        case Form() if machinery:
            form(room, machinery, step)
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
    wanted = (("custodian", room.plan.roles.custodian), ("operator", room.plan.roles.operator))
    for role, count in wanted:
        for number in range(1, count + 1):
            _take(room, room.people.appoint(role, number))


def _take(room: Room, person: Appointment) -> None:
    mark = fingerprint(person.public_key)
    for other in room.appointed:
        if person.name == other.name or mark == fingerprint(other.public_key):
            raise Refused(
                Control.CUSTODIANS,
                f"{person.name} and {other.name} are one person, by name or by key; each role "
                "needs somebody else. The ceremony ended and left nothing.",
            )
    room.appointed.append(person)
    room.note(
        Kind.CUSTODIAN_APPOINTED,
        person.name,
        Boundary.HSM,
        person=person.name,
        role=person.role,
        fingerprint=mark,
    )


def _approve(room: Room) -> None:
    statement = canonical.encode(
        {
            "approve": CEREMONY,
            "ceremony": room.plan.ceremony,
            "plan": room.plan_digest,
            "site": room.site,
        }
    )
    for person in room.appointed:
        signature = room.people.sign(person.name, CEREMONY, statement)
        verify_approval(person.public_key, CEREMONY, statement, signature)
        room.note(
            Kind.PLAN_APPROVED,
            person.name,
            Boundary.HSM,
            person=person.name,
            digest=room.plan_digest,
            signature=signature,
        )


def _certify(room: Room, machinery: Machinery) -> None:
    if machinery.ca is None or machinery.recipient is None:
        raise Refused(Control.PLAN, "The plan certifies before the key pairs are made.")
    now = datetime.now(UTC)
    room.certificates["ca"] = ca_certificate(machinery.ca, room.site, now)
    room.certificates["recipient"] = recipient_certificate(
        machinery.ca, machinery.recipient, room.site, now
    )


def _seal(room: Room) -> None:
    folder = room.folder / "seal"
    for purpose, role, pin in (
        (USER_PIN, "operator", room.user_pin),
        (SO_PIN, "custodian", room.so_pin),
    ):
        holders = {name: room.people.passphrase(name, purpose) for name in room.of_role(role)[:2]}
        seal(folder, purpose, pin, holders)


def _close(room: Room, machinery: Machinery) -> None:
    """Write the database whole: people, keys, certificates, and every event of the day."""
    signer = machinery.log_signer
    if signer is None:
        raise Refused(Control.PLAN, "The plan closes before the log's signer is made.")
    write_token_place(room.folder, room.place)
    room.note(Kind.CEREMONY_CLOSED, room.plan.ceremony, Boundary.HSM, digest=room.plan_digest)
    store = open_store(room.folder / "kif.sqlite")
    store.migrate()
    with store.transaction() as tx:
        tx.session.add(
            Site(
                name=room.site,
                ca_certificate=room.certificates["ca"],
                recipient_certificate=room.certificates["recipient"],
                log_verifier=encode_verifier(room.site, signer.public_key),
                plan_digest=room.plan_digest,
            )
        )
        tx.session.add_all(_person(each) for each in room.appointed)
        tx.session.add_all(room.keys)
        log = Log(signer, lambda: datetime.now(UTC), os.urandom)
        checkpoint = log.append(tx.ledger, room.events)
    store.close()
    room.people.tell(f"Note the log's key: {encode_verifier(room.site, signer.public_key)}")
    room.people.tell(
        f"The record has {checkpoint.size} entries; its root is {checkpoint.root.hex()}."
    )


def _person(each: Appointment) -> Person:
    mark = fingerprint(each.public_key)
    return Person(name=each.name, role=each.role, public_key=each.public_key, fingerprint=mark)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
