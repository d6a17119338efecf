"""Quality control's desk: a card is good only with an ARQC that the HSM verified, and SECURED."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, Refused
from kif.formats.issuercertificate import SchemeKey
from kif.formats.keyref import KeyRef
from kif.formats.offline import PublicKey, icc_certificate
from kif.formats.pinverify import PIN_FRAME, enciphered, verify, wrong_pin
from kif.formats.script import Clear, Script
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.hsm.boundary import permitting
from kif.hsm.emv import issuer_authentication, verify_cryptogram
from kif.hsm.pinkeeping import KeptPin, in_clear
from kif.ledger.events.card import CardVerified
from kif.oracle.certifying import offline_of
from kif.oracle.desk import Desk
from kif.oracle.domain import Domain
from kif.oracle.group import Step
from kif.oracle.messages import CardKey, JobRef, JobView
from kif.oracle.rows import moved
from kif.oracle.securechannel import open_channel

_PURPOSE = "emv-ac"


@dataclass
class Checking:
    """A card that is being checked, and how far it came."""

    script: Script
    asked: tuple[bytes, bytes] | None = None
    """ATC and ARQC, once the ARQC verified."""
    verified: bool = False
    """Whether it gave a TC on the issuer's answer to it."""
    contactless: bool = False
    """Whether it gave an ARQC over the air that verified."""
    domain: Domain | None = None
    secured: bool = False

    def end(self) -> None:
        """Destroy the keys of its last session."""
        if self.domain is not None:
            self.domain.close()


@dataclass(frozen=True)
class Quality:
    """Implements :class:`kif.oracle.interface.QualityOracle`."""

    desk: Desk
    _checks: dict[JobRef, Checking] = field(default_factory=dict)

    def script(self, job: JobRef) -> Secret:
        """Return the prepared personalisation script (JSON) of a card that was printed.

        Its checks begin with that: nothing of an earlier try counts.
        """
        clear = self.desk.script(job, JobState.PRINTED)
        self._forget(job)
        self._checks[job] = Checking(Script.decode(clear))
        return clear

    def scheme_key(self, job: JobRef) -> SchemeKey:
        """Return the key of the scheme that certified the issuer's key of the card."""
        offline = self._check(job).script.offline
        if offline is None:
            raise Refused(Control.ISSUER_CERTIFICATE, f"{job} has no certificate of an issuer.")
        with self.desk.record.deciding() as state:
            return state.schemes.of(KeyRef.parse(offline.signer)).scheme

    def check_pin(self, job: JobRef) -> tuple[bytes, bytes]:
        """Return VERIFY with a wrong PIN, and with the card's."""
        right = self._pin(job)
        return verify(wrong_pin(right)), verify(right)

    def encipher_pin(self, job: JobRef, card: CardKey, number: bytes, *, right: bool) -> bytes:
        """Return VERIFY with the card's PIN, or a wrong one, under its certified public key.

        The key is the one that the issuer's certified for this card: whoever relays the command
        can't have it enciphered to another. Raises ``CheckFailed`` (CHIP_AUTHENTIC).
        """
        key, pin = self._certified(job, card), self._pin(job)
        padding = self.desk.keys.token.random(key.size - PIN_FRAME)
        return enciphered(pin if right else wrong_pin(pin), number, padding, key)

    def _pin(self, job: JobRef) -> Secret:
        pin = self._check(job).script.pin
        if pin is None:
            raise Refused(Control.JOB_STATE, f"{job} has no PIN.")
        storage, kept = self.desk.pin_storage(job.batch), KeptPin.decode(pin.kept)
        with permitting(*pin.permits):
            return in_clear(self.desk.keys.token, storage, kept, Clear.CHECKED)

    def _certified(self, job: JobRef, card: CardKey) -> PublicKey:
        """Return the public key that the issuer certified for this very card."""
        offline = offline_of(self._check(job).script)
        issuer = self.desk.signer(job.batch, KeyRef.parse(offline.signer)).public
        shown = (card.certificate, card.remainder, card.exponent)
        try:
            found = icc_certificate(*shown, issuer, bytes.fromhex(offline.static))
        except (BadInput, CheckFailed) as fault:
            raise CheckFailed(Control.CHIP_AUTHENTIC, fault.sentence) from None
        if found.identifier != offline.subject.rstrip("F"):
            raise CheckFailed(
                Control.CHIP_AUTHENTIC, "The card's certificate is of another account number."
            )
        return found.key

    def verify_arqc(self, job: JobRef, atc: bytes, data: bytes, arqc: bytes) -> None:
        """Verify a chip's ARQC in the HSM. Raises ``CheckFailed`` (CHIP_CRYPTOGRAM)."""
        check = self._check(job)
        self._verify(job, check.script, atc, data, arqc)
        check.asked = (atc, arqc)

    def verify_contactless(self, job: JobRef, atc: bytes, data: bytes, arqc: bytes) -> None:
        """Verify an ARQC that was given over the air (``CheckFailed``, CHIP_CRYPTOGRAM)."""
        check = self._check(job)
        self._verify(job, check.script, atc, data, arqc)
        check.contactless = True

    def answer_arqc(self, job: JobRef) -> bytes:
        """Return issuer authentication data for the ARQC that verified, made in the HSM."""
        script, (atc, arqc) = self._asked(job)
        master = self.desk.master(job.batch, _cryptogram_key(script))
        card = bytes.fromhex(script.diversification)
        return issuer_authentication(master, card, atc, arqc, script.arpc_method)

    def verify_tc(self, job: JobRef, data: bytes, tc: bytes) -> None:
        """Verify the TC of the same transaction. Raises ``CheckFailed`` (CHIP_CRYPTOGRAM)."""
        script, (atc, _) = self._asked(job)
        self._verify(job, script, atc, data, tc)
        self._checks[job].verified = True

    def open_domain(self, job: JobRef) -> tuple[bytes, ...]:
        """Return the commands that ask the security domain whose keys it has."""
        check = self._check(job)
        check.end()
        check.domain = Domain(check.script, self.desk.challenge(check.script))
        return check.domain.selection()

    def secure(self, job: JobRef, answers: Sequence[bytes]) -> tuple[bytes, ...]:
        """Judge the answers; return the commands by which the card becomes SECURED.

        Raises ``Refused`` (CHIP_CRYPTOGRAM) before its other checks were passed.
        """
        self._require_verified(job)
        domain = self._domain(job)
        opens = partial(open_channel, self.desk, job.batch, domain.script)
        return domain.open(opens, self.desk.key_size, self.desk.chip(job), answers)

    def require_secured(self, job: JobRef, answers: Sequence[bytes]) -> None:
        """Judge the answers to those. Raises ``CheckFailed`` or ``DeviceFailed``."""
        self._domain(job).require_secured(answers)
        self._checks[job].secured = True

    def accept(self, job: JobRef, checks: Sequence[str]) -> JobView:
        """Declare the card good, by these checks. Its ARQC and TC verified, and it is SECURED."""
        if not self._require_verified(job).secured:
            raise Refused(Control.CARD_SECURED, f"{job} is not SECURED. Check it again.")
        view = self.desk.record.write(partial(_good, job, tuple(checks)))
        self._forget(job)
        return view

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare the card suspect: it is never tried again."""
        self._forget(job)
        return self.desk.suspect(job, control, sentence)

    def _verify(
        self, job: JobRef, script: Script, atc: bytes, data: bytes, cryptogram: bytes
    ) -> None:
        master = self.desk.master(job.batch, _cryptogram_key(script))
        verify_cryptogram(master, bytes.fromhex(script.diversification), atc, data, cryptogram)

    def _check(self, job: JobRef) -> Checking:
        if job not in self._checks:
            self.script(job)
        return self._checks[job]

    def _asked(self, job: JobRef) -> tuple[Script, tuple[bytes, bytes]]:
        check = self._checks.get(job)
        if check is None or check.asked is None:
            raise _not_verified(job)
        return check.script, check.asked

    def _require_verified(self, job: JobRef) -> Checking:
        check = self._checks.get(job)
        if check is None or not check.verified:
            raise _not_verified(job)
        if check.script.proximity and not check.contactless:
            raise _not_verified(job)
        return check

    def _domain(self, job: JobRef) -> Domain:
        check = self._checks.get(job)
        if check is None or check.domain is None:
            raise Refused(Control.JOB_STATE, f"The security domain of {job} was not asked yet.")
        return check.domain

    def _forget(self, job: JobRef) -> None:
        check = self._checks.pop(job, None)
        if check is not None:
            check.end()


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
