"""A card between round trips: what its station was given, and whether its answers are right."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from kif.formats.apdu import Response
from kif.formats.control import Control
from kif.formats.error import DeviceFailed, Refused
from kif.formats.scp03 import InitializeUpdateResponse
from kif.formats.script import Script
from kif.formats.tlv import find
from kif.oracle.messages import Done, Lease, Segment
from kif.oracle.recipe import Instruction, Material, Part, Session, named
from kif.oracle.securechannel import Answer, Channel

_LIFE_CYCLE = 0x9F7F


@dataclass
class Run:
    """What the oracle remembers of a card between round trips; a crash forgets it on purpose."""

    lease: Lease
    script: Script
    challenge: bytes
    sessions: tuple[Session, ...]
    """The one that is open or being opened, and those after it."""
    segment: Segment
    """What the station has now."""
    channel: Channel | None = None
    card: Material | None = None
    """What is made for the card, once it has proved its keys in the channel."""
    ahead: tuple[Part, ...] = ()
    """What is sent later in the channel."""
    sent: tuple[Instruction, ...] = ()
    """What is asked in this segment; the first one begins with EXTERNAL AUTHENTICATE."""
    checked: int | None = None
    """How many protected commands were answered in earlier segments; None in the first."""
    serial: bytes = b""
    """The card's ten bytes, once its keys were authorised to leave."""
    answered: tuple[bytes, ...] = ()
    """The card's answers to the segment before, or to the last one of a run that is done."""
    done: Done | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """Destroy the channel's keys."""
        if self.channel is not None:
            self.channel.close()
            self.channel = self.card = None


def opened(run: Run, answers: Sequence[bytes]) -> list[bytes]:
    """Return the data of each answer, the last of which is that to INITIALIZE UPDATE."""
    told = []
    for command, raw in zip(run.segment.commands, answers, strict=False):
        response = Response.decode(raw)
        if not response.ok:
            raise DeviceFailed(
                Control.CARD_STATUS,
                f"{named(command)} was answered {response.sw:04X}, not 9000.",
            )
        told.append(response.data)
    if len(answers) != len(run.segment.commands):
        raise DeviceFailed(
            Control.CARD_PRESENT,
            f"The card answered {len(answers)} of {len(run.segment.commands)} commands.",
        )
    return told


def require_card(run: Run, found: Answer, told: Sequence[bytes]) -> None:
    """Require the profile's key version, "i" and chip, and one card throughout (``DeviceFailed``).

    ``told`` has the answers before that to INITIALIZE UPDATE.
    """
    script, version = run.script, run.sessions[0].version
    if run.sessions[0].chip:
        _require_chip(script.chip, told[1])
    if run.serial not in (b"", found.diversification_data):
        raise DeviceFailed(Control.CARD_ONCE, "Another card is in the reader now.")
    i = found.i if isinstance(found, InitializeUpdateResponse) else script.options
    if (found.key_version, i) != (version, script.options):
        raise DeviceFailed(
            Control.CARD_PROFILE,
            f"The card has key version {found.key_version} and SCP03 options (i) {i:02X}; "
            f"its profile says {version} and {script.options:02X}. Check "
            "which delivery the blanks are of.",
        )


def _require_chip(wanted: str, answer: bytes) -> None:
    """Require what the CPLC begins with, with its tag or, as some cards have it, without."""
    chip = (find(answer, _LIFE_CYCLE) if answer.startswith(b"\x9f\x7f") else answer) or b""
    found = chip.hex().upper()[: len(wanted)]
    if found != wanted:
        raise DeviceFailed(
            Control.CARD_PROFILE,
            f"The card's chip is {found or 'unknown'} by its CPLC; its profile says {wanted}. "
            "Check which delivery the blanks are of.",
        )


def check_all(
    channel: Channel,
    sent: Sequence[Instruction],
    answers: Sequence[bytes],
    checked: int | None = None,
) -> list[bytes]:
    """Require 9000, the card's R-MAC and the known answer of each command; return all answers.

    The first is that to EXTERNAL AUTHENTICATE, which a channel begins with; later there is none,
    and so many protected commands were ``checked`` before.
    """
    opening = int(checked is None)
    count, told = opening + len(sent), []
    if len(answers) > count:
        raise Refused(Control.JOB_STATE, "These answers do not belong to a segment of this job.")
    for number, raw in enumerate(answers):
        response = Response.decode(raw)
        if not response.ok:
            raise DeviceFailed(
                Control.CARD_STATUS,
                f"Command {number + 1} of {count} was answered {response.sw:04X}, not 9000.",
            )
        if number >= opening:  # EXTERNAL AUTHENTICATE itself carries no R-MAC.
            told.append(channel.check((checked or 0) + number - opening, response))
            if sent[number - opening].answer not in (None, told[-1]):
                raise DeviceFailed(
                    Control.CARD_KEYS,
                    f"Command {number + 1} of {count} was answered otherwise than a card answers "
                    "that has the issuer's keys and no others.",
                )
    if len(answers) < count:
        raise DeviceFailed(
            Control.CARD_PRESENT, f"The card answered {len(answers)} of {count} commands."
        )
    return told
