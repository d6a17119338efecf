"""The oracle as a stage sees it: verbs of the trade, no key, no handle.

Every verb that changes a state is admitted by the state machine of the log, and its entry is
durable and signed before the verb returns. Errors are those of :mod:`kif.formats.error`:
``Refused`` where people or policy say no, ``DeviceFailed`` for the HSM, ``LedgerUnavailable`` when
the ledger can't be written and nothing may happen.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from cryptography.x509 import Certificate

from kif.formats.control import Control
from kif.formats.issuercertificate import IssuerCertificate, SchemeKey
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.state import KeyState
from kif.oracle.messages import (
    Account,
    BatchView,
    CardKey,
    CardTerms,
    CardValues,
    Claim,
    Done,
    IssuerView,
    JobRef,
    JobView,
    KeyView,
    Lease,
    Line,
    PinBlock,
    PinTerms,
    ReceivedFile,
    Segment,
    StationView,
    WindowView,
)


class Envelope(Protocol):
    """A content-encryption key that was unwrapped into the HSM."""

    def decrypt(self, initialisation_vector: bytes, segment: bytes) -> bytes:
        """Decrypt whole AES-CBC blocks; the padding stays. IV: 16 bytes."""


class GatewayOracle(Protocol):
    """What the gateway asks for."""

    def recipient_certificate(self) -> str:
        """Return the bureau's certificate (PEM) that issuers envelope to."""

    def recipients(self) -> Sequence[tuple[KeyRef, str]]:
        """Return each key that files are taken under, with its certificate (PEM), newest first."""

    def issuers(self) -> Sequence[IssuerView]:
        """Return the issuer register."""

    def open_envelope(
        self, recipient: KeyRef, encrypted_key: bytes, oaep: bool
    ) -> AbstractContextManager[Envelope]:
        """Unwrap an AES content key (RSA PKCS#1 v1.5 or OAEP) into the HSM; destroyed on exit.

        When it is not a key for this bureau, a random one opens nothing in its place (RFC 3218).
        """

    def admit(self, file: ReceivedFile, *, again: bool = False) -> BatchView:
        """Make the batch, or raise ``Refused`` (FILE_REPLAY) and leave nothing behind.

        ``again`` says that cards of it may have come in another batch of the issuer before.
        """

    def refuse_file(self, file_digest: str, control: Control, sentence: str) -> None:
        """Record that a file was refused, and why."""


class PreparationOracle(Protocol):
    """What data preparation asks for."""

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch that are to be prepared, in their order."""

    def resolve(
        self,
        batch: str,
        wanted: Mapping[str, str],
        chosen: Sequence[KeyRef] = (),
        ciphers: Mapping[str, str] | None = None,
    ) -> Mapping[str, KeyRef]:
        """Return the key for each purpose of ``wanted`` (purpose -> vendor, or "" for the issuer).

        The newest active one, unless one of ``chosen`` is of that owner and purpose. Raises
        ``Refused`` (KEY_FOUND, KEY_STATE).
        """

    def certificate(self, key: KeyRef) -> IssuerCertificate:
        """Return the scheme's certificate of an issuer's key, or raise ``Refused`` (KEY_FOUND)."""

    def record(self, job: JobRef) -> Secret:
        """Return the clear record (JSON) of a card job that is not yet prepared."""

    def card_values(
        self, job: JobRef, account: Account, key: KeyRef, terms: CardTerms
    ) -> CardValues:
        """Return a card's verification values, computed in the HSM. Raises as ``make_pin`` does."""

    def make_pin(self, job: JobRef, account: Account, terms: PinTerms) -> tuple[str, str]:
        """Draw a card's PIN; return it as the HSM keeps it (hex), and its PVV or offset.

        Raises ``Refused`` (KEY_BOUNDARY) unless ``pin-on-host`` is permitted.
        """

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare a card suspect whose record can't be opened; the rest of its batch goes on."""

    def save_scripts(
        self,
        batch: str,
        profile: str,
        keys: Sequence[KeyRef],
        scripts: Iterable[tuple[JobRef, Secret]],
    ) -> BatchView:
        """Keep the personalisation scripts (JSON) of a whole batch: it is PREPARED then.

        Each is sealed as it comes, so that no more than one is clear; all are kept at the end.
        ``profile`` is the SHA-256 (hex) of the product's profile that they were made by, ``keys``
        are those that they name.
        """


class ChipOracle(Protocol):
    """The station's round trips. Each may be repeated when its answer was lost."""

    def claim(self, batch: str, station: str, request: str) -> Claim | JobView | None:
        """Take the next ready job of a released batch; None when there is none left.

        A job whose data can't be opened is suspect, and its view is returned: no card was touched.
        ``request`` is the station's own word for this claim: repeated, it gets the same answer.
        Raises ``Refused`` (STATION) for a station whose blanks keep failing.
        """

    def next(self, lease: Lease, number: int, responses: Sequence[bytes]) -> Segment | Done:
        """Take the card's answers (with SW) to the segment of this number; say what comes next.

        Repeated with the same answers it gives the same bytes; nothing is protected twice. The
        ledger entry is durable before a segment leaves. Raises ``Refused`` (LEASE).
        """

    def give_up(self, lease: Lease, control: Control, sentence: str) -> Done:
        """Say that the card, or the reader, gave no answer: SUSPECT once a key has left.

        Before that its job is ready again, and the blank is rejected; but READER is no fault of it.
        """


class GraphicsOracle(Protocol):
    """What the printing stage asks for."""

    def script(self, job: JobRef) -> Secret:
        """Return the prepared personalisation script (JSON) of a card that is to be printed."""

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare the card suspect: it is never tried again."""

    def printed(self, job: JobRef) -> JobView:
        """Record that the card was printed."""


class QualityOracle(Protocol):
    """What quality control asks for."""

    def script(self, job: JobRef) -> Secret:
        """Return the prepared personalisation script (JSON) of a card that was printed."""

    def scheme_key(self, job: JobRef) -> SchemeKey:
        """Return the scheme's key by which the card's certificates verify (``Refused``)."""

    def check_pin(self, job: JobRef) -> tuple[bytes, bytes]:
        """Return VERIFY with a wrong PIN, and with the card's.

        Raises ``Refused`` (KEY_BOUNDARY) unless ``pin-check`` is permitted.
        """

    def encipher_pin(self, job: JobRef, card: CardKey, number: bytes, *, right: bool) -> bytes:
        """Return VERIFY with the card's PIN, or a wrong one, under its certified public key.

        ``number`` is what it answered GET CHALLENGE with. Raises ``CheckFailed`` (CHIP_AUTHENTIC)
        for a key that is not certified as this card's.
        """

    def verify_arqc(self, job: JobRef, atc: bytes, data: bytes, arqc: bytes) -> None:
        """Verify a chip's ARQC in the HSM: ATC 2 bytes, data as the card MACed it, ARQC 8 bytes.

        Raises ``CheckFailed`` (CHIP_CRYPTOGRAM).
        """

    def verify_contactless(self, job: JobRef, atc: bytes, data: bytes, arqc: bytes) -> None:
        """Verify an ARQC that a chip gave over the air. Raises ``CheckFailed``."""

    def answer_arqc(self, job: JobRef) -> bytes:
        """Return the issuer's answer (tag 91) to the ARQC that verified: 8 or 10 bytes."""

    def verify_tc(self, job: JobRef, data: bytes, tc: bytes) -> None:
        """Verify the TC that follows, in the HSM. Raises ``CheckFailed`` (CHIP_CRYPTOGRAM)."""

    def open_domain(self, job: JobRef) -> Sequence[bytes]:
        """Return the commands that ask the card's security domain whose keys it has."""

    def secure(self, job: JobRef, answers: Sequence[bytes]) -> Sequence[bytes]:
        """Judge the card's answers; return the commands by which it becomes SECURED.

        Raises ``CheckFailed`` (CARD_KEYS): the vendor's keys open it, or the issuer's do not, or it
        has others besides.
        """

    def require_secured(self, job: JobRef, answers: Sequence[bytes]) -> None:
        """Judge the answers to those. Raises ``CheckFailed`` or ``DeviceFailed``."""

    def accept(self, job: JobRef, checks: Sequence[str]) -> JobView:
        """Declare the card good, by these checks: its cryptograms verified, and it is SECURED."""

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        """Declare the card suspect: it is never tried again."""


class FulfilmentOracle(Protocol):
    """What fulfilment asks for."""

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch, in their order."""

    def dispatched(self, batch: str, count: int, list_digest: str) -> BatchView:
        """Record that the good cards left, by a list of as many with this SHA-256 (hex)."""


class PinOracle(Protocol):
    """What is asked for about PINs that leave."""

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""

    def blocks(self, batch: str) -> tuple[KeyRef, Sequence[PinBlock]]:
        """Return the zone's key, and a PIN block of each dispatched card (``Refused``)."""

    def exported(self, batch: str, key: KeyRef, count: int, digest: str) -> None:
        """Record that the blocks left in a file with this SHA-256 (hex)."""

    def mailers(self, batch: str, printer: Certificate) -> tuple[int, bytes]:
        """Return how many PINs there are, and all of them sealed to a printer (CMS, DER)."""

    def mailed(self, batch: str, count: int, recipient: str, digest: str) -> None:
        """Record that they were sealed. Raises ``Refused`` (PIN_APART)."""


class CustodyOracle(Protocol):
    """The keys, for whoever lists them or changes the state of one."""

    def inventory(self) -> Sequence[KeyView]:
        """Return every key, by reference."""

    def certificates(self) -> Mapping[KeyRef, IssuerCertificate]:
        """Return the certificate that a scheme gave, of each issuer's key that has one."""

    def change_state(self, key: KeyRef, to: KeyState, reason: str) -> KeyView:
        """Move a key of an issuer or a vendor along its states (NIST SP 800-57 part 1, 7).

        Raises ``Refused`` (KEY_STATE) when there is no such step.
        """


class PrivacyOracle(Protocol):
    """What is kept how long, and its erasure."""

    def windows(self) -> Sequence[WindowView]:
        """Return every window, oldest first."""

    def erase_batch(self, batch: str, reason: str) -> BatchView:
        """Erase a closed batch in the live database, before its window.

        Raises ``Refused`` (BATCH_STATE) for a batch that is not closed.
        """

    def erase_window(self, key: KeyRef, reason: str) -> Sequence[BatchView]:
        """Destroy a retention key, and with it what every batch of its window holds.

        Raises ``Refused`` (RETENTION) while the month lasts, or a batch is not closed.
        """


class SupervisionOracle(Protocol):
    """What supervisors, operators and compliance staff do themselves."""

    def batches(self) -> Sequence[BatchView]:
        """Return every batch, oldest first."""

    def batch(self, batch: str) -> BatchView:
        """Return a batch, or raise ``BadInput`` when there is none of that id."""

    def jobs(self, batch: str) -> Sequence[JobView]:
        """Return the cards of a batch, in their order."""

    def dry_run(self, job: JobRef) -> Sequence[Line]:
        """Return what a prepared card would be sent, without a card and without a secret."""

    def register_issuer(self, name: str, certificate: bytes) -> None:
        """Enter an issuer and its signing certificate (PEM or DER) in the register."""

    def renew_issuer(self, name: str, certificate: bytes, reason: str) -> None:
        """Give an issuer another signing certificate, or take it back in with one."""

    def withdraw_issuer(self, name: str, reason: str) -> None:
        """Accept no file of an issuer from here on; its batches go on."""

    def register_delivery(self, vendor: str, delivery: str, chips: Sequence[bytes]) -> None:
        """Note the blanks that a vendor delivered, by their serials, ten bytes each.

        From then on no other blank of that vendor gets a key. Raises ``Refused`` (CARD_DELIVERED).
        """

    def release_statement(
        self, batch: str, stations: Sequence[str] = (), expires: datetime | None = None
    ) -> bytes:
        """Return exactly what a person signs to release a batch (canonical JSON, ASCII).

        Where somebody has signed already, the terms are that person's, unless others are given.
        """

    def approve_release(
        self, batch: str, person: str, statement: bytes, signature: str
    ) -> BatchView:
        """Take a person's SSH signature over the statement; the second releases the batch.

        Raises ``Refused`` (DUAL_CONTROL, APPROVAL_SIGNATURE).
        """

    def record_test(
        self, library: str, library_digest: str, vectors: str, counts: tuple[int, int, int]
    ) -> None:
        """Record a run of known answers: how many passed, failed and were skipped.

        The two digests are SHA-256 in hex.
        """

    def close_batch(self, batch: str, reason: str | None = None) -> BatchView:
        """Close a batch whose cards are all accounted for, or raise ``CheckFailed``.

        ``reason`` says why cards are left over; without one there may be none.
        """

    def cancel_batch(self, batch: str, reason: str) -> BatchView:
        """End a batch of which no card was made; its file may come again."""


class StationsOracle(Protocol):
    """Which stations there are."""

    def all(self) -> Sequence[StationView]:
        """Return every enrolled station, by name."""

    def withdraw(self, name: str, reason: str) -> None:
        """Take a station out: nothing is made at it from here on. Raises ``Refused`` (STATION)."""

    def resume(self, name: str, reason: str) -> None:
        """Let a station go on that was stopped because its blanks kept failing."""


class Oracle(Protocol):
    """The whole door: one desk for each stage. A stage is handed its own desk and sees no other."""

    @property
    def gateway(self) -> GatewayOracle:
        """The desk of the issuer gateway."""

    @property
    def preparation(self) -> PreparationOracle:
        """The desk of data preparation."""

    @property
    def supervision(self) -> SupervisionOracle:
        """The desk of people: registers, release, closing."""

    @property
    def custody(self) -> CustodyOracle:
        """The desk of custodians: key ceremonies, states of keys."""

    @property
    def privacy(self) -> PrivacyOracle:
        """The desk of privacy: what is due, and its erasure."""

    @property
    def stations(self) -> StationsOracle:
        """The register of stations."""

    @property
    def chip(self) -> ChipOracle:
        """The desk of perso stations."""

    @property
    def graphics(self) -> GraphicsOracle:
        """The desk of printing stations."""

    @property
    def quality(self) -> QualityOracle:
        """The desk of quality control."""

    @property
    def fulfilment(self) -> FulfilmentOracle:
        """The desk of fulfilment."""
