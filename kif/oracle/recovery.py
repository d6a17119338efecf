"""After any end, also a kill: every card that was on the line is accounted for.

A claimed job whose keys never left the oracle is ready again. A job whose script had left is
suspect, however far it came: nobody can say what the card did with it. A ceremony that was running
stands at its step until people resume or abort it. Nothing is destroyed because the database does
not know it.
"""

from kif.formats.control import Control
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.messages import JobRef
from kif.oracle.rows import take_back

_INTERRUPTED = (
    "The line stopped while this card was being made ({state}). Nobody can say what reached the "
    "chip: the card goes to the reject box."
)


def recover(desk: Desk) -> None:
    """Bring every job to a state that holds without the process that ended."""
    desk.record.write(_account)


def _account(step: Step) -> None:
    for batch, number, state in step.state.batches.on_the_line():
        sentence = _INTERRUPTED.format(state=state.value)
        take_back(step, JobRef(batch, number), Control.CARD_PRESENT, sentence)
