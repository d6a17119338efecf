"""The draft of a restore becomes the next group of the log, signed by a key of the new token."""

from __future__ import annotations

import os

from kif.ceremony.ending import Ending
from kif.ceremony.room import Room
from kif.formats.purpose import LOG_SIGNER
from kif.hsm.memory import LogMemory
from kif.ledger.events.ceremony import Role, StepDone
from kif.ledger.note import NoteSigner
from kif.ledger.tail import Tail
from kif.ledger.verify import follow
from kif.oracle.audit import verifier_of
from kif.oracle.group import Step
from kif.oracle.home import Home
from kif.oracle.record import Record
from kif.oracle.rows import move_keys
from kif.oracle.succession import new_log_signer, record_succession
from kif.store.engine import open_store

NEXT_SIGNER = "which key signs the log from here on"


def replace_log_signer(home: Home, room: Room) -> None:
    """Have everyone sign which key signs the log, and write the draft under it."""
    token, running = room.require_token(), room.running
    key = running.key(LOG_SIGNER)
    signer = new_log_signer(token, key)
    statement = running.succession(room.draft.state.head, signer.public_key)
    ending = Ending.ask(room.people, running.everyone, statement, room.verify, NEXT_SIGNER)
    LogMemory.forget(token)
    memory = LogMemory.create(token)
    operators = running.of_role(Role.OPERATOR)
    succession = (key, signer.public_key, statement, ending.signed, ending.misses)

    def work(step: Step) -> None:
        for event, time in room.draft.events:
            step.record(event, time)
        record_succession(*succession, step)
        step.record(StepDone(running.done + 1))
        move_keys(step, step.state.keys.known)  # what was lost, as well

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
