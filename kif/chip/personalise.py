"""The station's three round trips: a relay between the oracle and one card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from kif.formats.apdu import SUCCESS, Response
from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.oracle.interface import ChipOracle, Claim, JobView


class CardLink(Protocol):
    """A card in a reader: command in, data and status word out."""

    def transmit(self, command: bytes) -> bytes:
        """Raise ``DeviceFailed`` (CARD_PRESENT) when the card is gone."""


def personalise(claim: Claim, link: CardLink, oracle: ChipOracle) -> JobView:
    """Personalise the card in the reader for a claimed job: PERSONALISED or SUSPECT.

    1. SELECT and INITIALIZE UPDATE; 2. the oracle checks the card and answers with every protected
    command; 3. they are sent until one fails; 4. the oracle checks every answer. What the card does
    wrong makes the card suspect; what the oracle can't do (ledger, HSM) is raised.
    """
    try:
        response = _send_plain(link, claim.commands)  # 1
        segment = oracle.open(claim.job, response)  # 2
        responses = _send_all(link, segment.commands)  # 3
        return oracle.finish(claim.job, responses)  # 4
    except (DeviceFailed, BadInput) as fault:
        if fault.control not in _CARD_FAULTS:
            raise
        return oracle.suspect(claim.job, fault.control, fault.sentence)


_CARD_FAULTS = frozenset(
    {
        Control.CARD_CRYPTOGRAM,
        Control.CARD_PRESENT,
        Control.CARD_STATUS,
        Control.CARD_RESPONSE_MAC,
        Control.CARD_ONCE,
        Control.BYTES,
    }
)


def _send_plain(link: CardLink, commands: Sequence[bytes]) -> bytes:
    response = b""
    for command in commands:
        response = link.transmit(command)
        status = Response.decode(response).sw
        if status != SUCCESS:
            raise DeviceFailed(
                Control.CARD_STATUS,
                f"Command {command[:4].hex().upper()} was answered {status:04X}, not 9000. No key "
                "was sent.",
            )
    return response


def _send_all(link: CardLink, commands: Sequence[bytes]) -> list[bytes]:
    """Send until the first answer that is not 9000; the oracle judges the answers."""
    responses = []
    for command in commands:
        responses.append(link.transmit(command))
        if not Response.decode(responses[-1]).ok:
            break
    return responses
