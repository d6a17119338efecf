"""After any end, also a kill: every card that was on the line is accounted for.

A claimed job whose keys never left the oracle is ready again. A job whose script had left is
suspect, however far it came: nobody can say what the card did with it. A batch key without a batch
is residue of an admission that did not commit, and is destroyed.
"""

from sqlalchemy import select

from kif.formats.control import Control
from kif.hsm.data import BATCH_KEYS, batches_with_key, find_batch_key
from kif.ledger.event import Boundary, Event, Kind
from kif.oracle.desk import ORACLE, Desk, job_event, step
from kif.store.engine import Transaction
from kif.store.models import Batch, CardJob
from kif.store.state import JobState

_ON_THE_LINE = (JobState.PERSONALISING, JobState.PERSONALISED, JobState.PRINTED)
_INTERRUPTED = (
    "The line stopped while this card was being made ({state}). Nobody can say what reached the "
    "chip: the card goes to the reject box."
)


def recover(desk: Desk) -> None:
    """Bring every job to a state that holds without the process that ended."""
    with desk.store.transaction() as tx:
        for row in _rows(tx, (JobState.CLAIMED,)):
            step(row, JobState.PREPARED)
            desk.record(tx, job_event(Kind.CLAIM_WITHDRAWN, row, Boundary.HSM))
            row.station = None
        for row in _rows(tx, _ON_THE_LINE):
            sentence = _INTERRUPTED.format(state=row.state.value)
            desk.mark_suspect(tx, row, Control.CARD_PRESENT.value, sentence)
        _destroy_residue(desk, tx)


def _rows(tx: Transaction, states: tuple[JobState, ...]) -> list[CardJob]:
    wanted = select(CardJob).where(CardJob.state.in_(states)).order_by(CardJob.id)
    return list(tx.session.scalars(wanted))


def _destroy_residue(desk: Desk, tx: Transaction) -> None:
    known = set(tx.session.scalars(select(Batch.id)))
    for batch in batches_with_key(desk.keys.token):
        if batch not in known:
            find_batch_key(desk.keys.token, batch).destroy()
            subject: dict[str, str | int] = {"key": BATCH_KEYS + batch}
            desk.record(tx, Event(Kind.RESIDUE_DESTROYED, ORACLE, Boundary.HSM, subject))
