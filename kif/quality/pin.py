"""A card's PIN, as quality control has it verified: its counter counts, and comes back."""

from __future__ import annotations

from collections.abc import Sequence

from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.cvm import ENCIPHERED_METHODS, PLAINTEXT_METHODS, methods_of
from kif.formats.error import CheckFailed
from kif.formats.interface import CONTACTS
from kif.formats.link import CardLink
from kif.formats.pinverify import GET_CHALLENGE
from kif.formats.script import Clear, Script
from kif.formats.tlv import tlv
from kif.oracle.interface import QualityOracle
from kif.oracle.messages import CardKey, JobRef
from kif.quality.comparing import ask, compare, object_of

_TRIES = 0x9F17
_ONE_LESS = 0x63C0


def check_pin(
    job: JobRef, link: CardLink, script: Script, oracle: QualityOracle, card: CardKey | None
) -> Sequence[str]:
    """Compare the PIN try counter; have a wrong PIN and the right one verified, by profile.

    Return what was checked: in each way that the CVM list has. A PIN that is checked is clear on
    the host, and on the wire where it is not enciphered to the ``card``.
    """
    if script.pin is None:
        return ()
    tries = script.pin.tries
    _require_left(link, tries)
    if Clear.CHECKED not in script.pin.permits:
        return ("pin try counter",)
    told = ["pin try counter"]
    methods = methods_of(object_of(script, CONTACTS, 0x8E) or b"")
    if methods & PLAINTEXT_METHODS:
        wrong, right = oracle.check_pin(job)
        _require(link, wrong, _ONE_LESS | tries - 1)
        _require_left(link, tries - 1)
        _require(link, right, 0x9000)
        _require_left(link, tries)
        told.append("pin")
    if methods & ENCIPHERED_METHODS and card is not None:
        for right_one, status in ((False, _ONE_LESS | tries - 1), (True, 0x9000)):
            number = ask(link, GET_CHALLENGE)
            command = oracle.encipher_pin(job, card, number, right=right_one)
            _require(link, command, status)
        _require_left(link, tries)
        told.append("enciphered pin")
    return told


def _require_left(link: CardLink, tries: int) -> None:
    answer = ask(link, Command(0x80, 0xCA, _TRIES >> 8, _TRIES & 0xFF, le=256))
    compare("PIN try counter", answer, tlv(_TRIES, bytes((tries,))))


def _require(link: CardLink, command: bytes, status: int) -> None:
    found = Response.decode(link.transmit(command)).sw
    if found != status:
        raise CheckFailed(
            Control.CHIP_PIN,
            f"The chip answered VERIFY with {found:04X}, not {status:04X}: it has another PIN, or "
            "counts otherwise.",
        )
