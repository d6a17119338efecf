"""The draft of a restore becomes the next group of the log, signed by a key of the new token."""

from __future__ import annotations

import os

from kif.ceremony.ending import Ending
from kif.ceremony.room import Room
from kif.formats.keyref import SITE
from kif.formats.purpose import LOG_SIGNER
from kif.hsm.keypair import destroy_pair, generate_log_signer
from kif.hsm.memory import LogMemory
from kif.ledger.events.ceremony import LogSignerReplaced, Role, StepDone
from kif.ledger.note import NoteSigner
from kif.ledger.tail import Tail
from kif.ledger.verify import follow
from kif.oracle.audit import verifier_of
from kif.oracle.group import Step
from kif.oracle.home import Home
from kif.oracle.record import Record
from kif.oracle.rows import key_row, move_keys
from kif.store.engine import open_store

NEXT_SIGNER = "which key signs the log from here on"


def replace_log_signer(home: Home, room: Room) -> None:
    """Have everyone sign which key signs the log, and write the draft under it."""
    token, running = room.require_token(), room.running
    key = running.key(LOG_SIGNER)
    destroy_pair(token, str(key))
    signer = generate_log_signer(token, str(key), running.site)
    statement = running.succession(room.draft.state.head, signer.public_key)
    ending = Ending.ask(room.people, running.everyone, statement, room.verify, NEXT_SIGNER)
    LogMemory.forget(token)
    memory = LogMemory.create(token)
    operators = running.of_role(Role.OPERATOR)
    people, signatures = tuple(ending.signed), tuple(ending.signed.values())

    def work(step: Step) -> None:
        before = step.state.keys.in_use(SITE, LOG_SIGNER)
        for event, time in room.draft.events:
            step.record(event, time)
        for person, wrong in ending.misses:
            step.record(running.missed(person, wrong))
        public = signer.public_key
        step.record(
            LogSignerReplaced(operators, key, public, statement.decode(), people, signatures)
        )
        step.record(StepDone(running.done + 1))
        step.session.add(key_row(step.state, key))
        move_keys(step, (known for known in step.state.keys.known if known not in (key, before)))
        move_keys(step, (before,))

    store = open_store(home.database)
    try:
        with store.reading() as tx:
            tail = Tail.of(verifier_of(tx))
            follow(tail, tx.ledger)
        signers: dict[bytes, NoteSigner] = {signer.public_key: signer}
        record = Record(store, tail, signers, memory, operators, room.clock, os.urandom)
        record.write(work)
    finally:
        store.close()
    room.people.tell(f"The log is signed by {key} from here on. It goes on where it ended.")
