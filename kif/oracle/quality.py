"""Quality control's desk: a card is good only with an ARQC that the HSM verified, and SECURED."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from kif.formats.control import Control
from kif.formats.error import CheckFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.script import Script
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.hsm.emv import issuer_authentication, verify_cryptogram
from kif.ledger.events.card import CardVerified
from kif.oracle.desk import Desk
from kif.oracle.domain import Domain
from kif.oracle.group import Step
from kif.oracle.interface import JobRef, JobView
from kif.oracle.rows import moved

_PURPOSE = "emv-ac"


@dataclass(frozen=True)
class Quality:
    """Implements :class:`kif.oracle.interface.QualityOracle`."""

    desk: Desk
    _checked: dict[JobRef, Script] = field(default_factory=dict)
    """The scripts of cards that are being checked."""
    _asked: dict[JobRef, tuple[bytes, bytes]] = field(default_factory=dict)
    """ATC and ARQC of a card whose ARQC verified."""
    _verified: set[JobRef] = field(default_factory=set)
    """Cards that gave a TC on the issuer's answer to it."""
    _domains: dict[JobRef, Domain] = field(default_factory=dict)
    _secured: set[JobRef] = field(default_factory=set)

    def script(self, job: JobRef) -> Secret:
        """Return the prepared personalisation script (JSON) of a card that was printed."""
        clear = self.desk.script(job, JobState.PRINTED)
        self._checked[job] = Script.decode(clear)
        return clear

    def verify_arqc(self, job: JobRef, atc: bytes, data: bytes, arqc: bytes) -> None:
        """Verify a chip's ARQC in the HSM. Raises ``CheckFailed`` (CHIP_CRYPTOGRAM)."""
        self._verify(job, atc, data, arqc)
        self._asked[job] = (atc, arqc)

    def answer_arqc(self, job: JobRef) -> bytes:
        """Return issuer authentication data for the ARQC that verified, made in the HSM."""
        if job not in self._asked:
            raise _not_verified(job)
        script, (atc, arqc) = self._script(job), self._asked[job]
        master = self.desk.master(job.batch, _cryptogram_key(script))
        card = bytes.fromhex(script.diversification)
        return issuer_authentication(master, card, atc, arqc, script.arpc_method)

    def verify_tc(self, job: JobRef, data: bytes, tc: bytes) -> None:
        """Verify the TC of the same transaction. Raises ``CheckFailed`` (CHIP_CRYPTOGRAM)."""
        if job not in self._asked:
            raise _not_verified(job)
        self._verify(job, self._asked[job][0], data, tc)
        self._verified.add(job)

    def open_domain(self, job: JobRef) -> tuple[bytes, ...]:
        """Return the commands that ask the security domain whose keys it has."""
        script = self._script(job)
        self._end_domain(job)
        self._domains[job] = Domain(script, self.desk.challenge(script))
        return self._domains[job].selection()

    def secure(self, job: JobRef, answers: Sequence[bytes]) -> tuple[bytes, ...]:
        """Judge the answers; return the commands by which the card becomes SECURED.

        Raises ``Refused`` (CHIP_CRYPTOGRAM) before its other checks were passed.
        """
        if job not in self._verified:
            raise _not_verified(job)
        domain = self._domain(job)
        key = KeyRef.parse(domain.script.domain_key)
        master, chip = self.desk.cmac_master(job.batch, key), self.desk.chip(job)
        return domain.open(master, chip, answers)

    def require_secured(self, job: JobRef, answers: Sequence[bytes]) -> None:
        """Judge the answers to those. Raises ``CheckFailed`` or ``DeviceFailed``."""
        self._domain(job).require_secured(answers)
        self._secured.add(job)

    def accept(self, job: JobRef, checks: Sequence[str]) -> JobView:
        """Declare the card good, by these checks. Its ARQC and TC verified, and it is SECURED."""
        if job not in self._verified:
            raise _not_verified(job)
        if job not in self._secured:
            raise Refused(Control.CARD_SECURED, f"{job} is not SECURED. Check it again.")
        view = self.desk.record.write(partial(_good, job, tuple(checks)))
        self._forget(job)
        return view

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare the card suspect: it is never tried again."""
        self._forget(job)
        return self.desk.suspect(job, control, sentence)

    def _verify(self, job: JobRef, atc: bytes, data: bytes, cryptogram: bytes) -> None:
        script = self._script(job)
        master = self.desk.master(job.batch, _cryptogram_key(script))
        verify_cryptogram(master, bytes.fromhex(script.diversification), atc, data, cryptogram)

    def _script(self, job: JobRef) -> Script:
        if job not in self._checked:
            self.script(job)
        return self._checked[job]

    def _domain(self, job: JobRef) -> Domain:
        if job not in self._domains:
            raise Refused(Control.JOB_STATE, f"The security domain of {job} was not asked yet.")
        return self._domains[job]

    def _end_domain(self, job: JobRef) -> None:
        domain = self._domains.pop(job, None)
        if domain is not None:
            domain.close()

    def _forget(self, job: JobRef) -> None:
        self._asked.pop(job, None)
        self._verified.discard(job)
        self._secured.discard(job)
        self._checked.pop(job, None)
        self._end_domain(job)


def _not_verified(job: JobRef) -> Refused:
    return Refused(
        Control.CHIP_CRYPTOGRAM,
        f"{job} has no verified cryptograms; a card is good only with them. Check it again.",
    )


def _cryptogram_key(script: Script) -> KeyRef:
    """Return the key of the script that the card's cryptograms are made with."""
    found = [key for key in script.named_keys() if key.purpose == _PURPOSE]
    if len(found) != 1:
        raise CheckFailed(
            Control.CHIP_CRYPTOGRAM, f"The script names {len(found)} keys for cryptograms, not one."
        )
    return found[0]


def _good(job: JobRef, checks: tuple[str, ...], step: Step) -> JobView:
    step.record(CardVerified(step.by, job.batch, job.number, checks))
    return moved(step, job, station=None)
