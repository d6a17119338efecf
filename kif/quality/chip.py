"""The chip's check after personalisation, in its order: read, asked, verified, secured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, DeviceFailed
from kif.formats.interface import CONTACTLESS, CONTACTS
from kif.formats.link import CardLink
from kif.formats.script import Script
from kif.oracle.interface import QualityOracle
from kif.oracle.messages import JobRef, JobView
from kif.quality.entropy import Entropy
from kif.quality.pin import check_pin
from kif.quality.reading import check_reading
from kif.quality.transaction import check_contactless_cryptogram, check_transaction

CHECKS = (
    "directory",
    "selection",
    "processing options",
    "records",
    "arqc",
    "arpc",
    "keys",
    "secured",
)
_CONTACTLESS_CHECKS = tuple(f"contactless {each}" for each in CHECKS[:5])
Antenna = Callable[[], AbstractContextManager[CardLink]]
"""Has the card at a contactless reader for the length of a block, and at its contacts after it."""


def check_chip(
    job: JobRef,
    link: CardLink,
    oracle: QualityOracle,
    entropy: Entropy,
    antenna: Antenna | None = None,
) -> JobView:
    """Check the card in the reader against its script: GOOD or SUSPECT.

    1. Over the air, where it is read so, what comes in 2 to 7; 2. the directory names the
    application; 3. SELECT: the file control information; 4. GET PROCESSING OPTIONS; 5. every record
    of the AFL, byte for byte; 6. its certificates and signatures, from the scheme's key, where it
    has any; 7. an ARQC that the HSM verifies; 8. a TC on the issuer's response, which it verifies
    too; 9. its PIN, where it has one; 10. the vendor's keys open it no more, and the issuer's do;
    11. it becomes SECURED. ``entropy`` gives the terminal's unpredictable number.
    Raises ``DeviceFailed`` (READER) without an ``antenna`` for a card that is read over the air.
    """
    script = Script.decode(oracle.script(job))
    checks: list[str] = []
    if script.proximity and antenna is None:
        raise DeviceFailed(
            Control.READER,
            "The card is to be read over the air, and there is no contactless reader.",
        )
    try:
        if script.proximity and antenna is not None:
            with antenna() as air:
                read = check_reading(job, air, script, oracle, entropy, CONTACTLESS)
                check_contactless_cryptogram(job, air, script, oracle, entropy, read.card)
            checks += [*_CONTACTLESS_CHECKS, *(f"contactless {each}" for each in read.checks)]
        read = check_reading(job, link, script, oracle, entropy, CONTACTS)
        check_transaction(job, link, script, oracle, entropy, read.card)
        verified = check_pin(job, link, script, oracle, read.shown)
        _secure(job, link, oracle)
    except (CheckFailed, DeviceFailed, BadInput) as fault:
        if fault.control in (Control.TOKEN_CALL, Control.TOKEN_PRESENT):
            raise
        return oracle.suspect(job, fault.control, fault.sentence)
    return oracle.accept(job, (*CHECKS, *read.checks, *verified, *checks))


def _secure(job: JobRef, link: CardLink, oracle: QualityOracle) -> None:
    """Relay the last session with the card: the oracle judges whose keys it has, and secures it."""
    answers = link.relay(oracle.open_domain(job), whole=True)
    oracle.require_secured(job, link.relay(oracle.secure(job, answers)))
