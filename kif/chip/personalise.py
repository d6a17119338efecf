"""The station's round trips: a relay between the oracle and one card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kif.formats.apdu import SUCCESS
from kif.formats.error import DeviceFailed
from kif.oracle.interface import ChipOracle
from kif.oracle.messages import Claim, Done


class CardLink(Protocol):
    """A card in a reader: command in, data and status word out."""

    def transmit(self, command: bytes) -> bytes:
        """Raise ``DeviceFailed``: CARD_PRESENT when the card is gone, READER for the reader."""


def personalise(claim: Claim, link: CardLink, oracle: ChipOracle) -> Done:
    """Personalise the card in the reader for a claimed job.

    Each segment is sent until one of its commands fails; the oracle judges the answers and says
    what comes next. What the oracle can't do (ledger, HSM) is raised.
    """
    segment = claim.segment
    while True:
        try:
            responses = _send(link, segment.commands)
        except DeviceFailed as fault:
            return oracle.give_up(claim.lease, fault.control, fault.sentence)
        answer = oracle.next(claim.lease, segment.number, responses)
        if isinstance(answer, Done):
            return answer
        segment = answer


def _send(link: CardLink, commands: Sequence[bytes]) -> list[bytes]:
    responses = []
    for command in commands:
        responses.append(link.transmit(command))
        if responses[-1][-2:] != SUCCESS.to_bytes(2, "big"):
            break
    return responses
