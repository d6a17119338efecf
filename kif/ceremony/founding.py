"""The end of a genesis: its draft becomes the log, everyone signs its head, the tables follow."""

from __future__ import annotations

import os
from functools import partial

from sqlalchemy import insert

from kif.ceremony.ending import Ending
from kif.ceremony.room import Room
from kif.hsm.keypair import find_log_signer
from kif.hsm.memory import LogMemory
from kif.hsm.token import Token
from kif.ledger.events.ceremony import Role, SiteFounded
from kif.ledger.genesis import USER_PIN
from kif.ledger.note import NoteSigner, encode_verifier
from kif.ledger.tail import Tail
from kif.oracle.cache import rows_of
from kif.oracle.ceremony import record_closing
from kif.oracle.group import Step
from kif.oracle.home import write_token_place
from kif.oracle.keys import SITE_SIGNER
from kif.oracle.record import Record
from kif.store.engine import Store, make_store
from kif.store.models import Base


def found(room: Room) -> None:
    """Write the database whole: the log of the day, everyone's signature over it, and the tables.

    What an interrupted attempt at this step wrote goes first.
    """
    token, site = room.require_token(), room.running.site
    write_token_place(room.folder, room.place)
    for left in room.folder.glob("kif.sqlite*"):
        left.unlink()
    LogMemory.forget(token)
    signer = find_log_signer(token, str(SITE_SIGNER), site)
    verifier = encode_verifier(site, signer.public_key)
    store = make_store(room.folder / "kif.sqlite")
    try:
        record = _record(room, token, store, verifier)
        record.write(partial(_tell, room, SiteFounded(site, signer.public_key)))
        _attest(room, record, verifier)
    finally:
        store.close()
    room.people.tell(f"Note the log's key: {verifier}")
    root = record.tail.frontier.root().hex()
    room.people.tell(f"The record has {record.tail.size} entries; its root is {root}.")


def _record(room: Room, token: Token, store: Store, verifier: str) -> Record:
    signer = find_log_signer(token, str(SITE_SIGNER), room.running.site)
    threshold = room.draft.state.genesis.sealed[USER_PIN].threshold
    openers = tuple(room.of_role(Role.OPERATOR)[:threshold])
    memory, tail = LogMemory.create(token), Tail.of(verifier)
    signers: dict[bytes, NoteSigner] = {signer.public_key: signer}
    return Record(store, tail, signers, memory, openers, room.clock, os.urandom)


def _tell(room: Room, founded: SiteFounded, step: Step) -> None:
    for event, time in room.draft.events:
        step.record(event, time)
    step.record(founded)


def _attest(room: Room, record: Record, verifier: str) -> None:
    """Have everyone sign the head of the log, and close the genesis over it."""
    running = room.running
    statement = running.attestation(record.tail.state.head)
    ending = Ending.ask(room.people, running.everyone, statement, room.verify)

    def close(step: Step) -> None:
        record_closing(step, statement, ending.signed, ending.misses)
        for table, rows in rows_of(step.state, verifier).items():
            if rows:
                step.session.execute(insert(Base.metadata.tables[table]), rows)

    record.write(close)
