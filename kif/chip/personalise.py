"""The station's round trips: a relay between the oracle and one card."""

from __future__ import annotations

from kif.formats.error import DeviceFailed
from kif.formats.link import CardLink
from kif.oracle.interface import ChipOracle
from kif.oracle.messages import Claim, Done


def personalise(claim: Claim, link: CardLink, oracle: ChipOracle) -> Done:
    """Personalise the card in the reader for a claimed job.

    Each segment is sent until one of its commands fails; the oracle judges the answers and says
    what comes next. What the oracle can't do (ledger, HSM) is raised.
    """
    segment = claim.segment
    while True:
        try:
            responses = link.relay(segment.commands)
        except DeviceFailed as fault:
            return oracle.give_up(claim.lease, fault.control, fault.sentence)
        answer = oracle.next(claim.lease, segment.number, responses)
        if isinstance(answer, Done):
            return answer
        segment = answer
