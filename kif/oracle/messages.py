"""What the oracle and its stages hand to and fro: no key, no handle; what is secret is typed so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from kif.formats.keyref import KeyRef
from kif.formats.pan import bin_of
from kif.formats.secret import Secret
from kif.formats.state import BatchState, JobState, KeyState


@dataclass(frozen=True, order=True)
class JobRef:
    """A card job by its batch and its number in it: what stages hand to and fro."""

    batch: str
    number: int

    def __str__(self) -> str:
        return f"Card {self.number} of batch {self.batch}"


@dataclass(frozen=True)
class Subject:
    """Whom or what a card is of, for one issuer: never given out again."""

    identity: Secret
    """The same bytes for the same subject, e.g. PAN and PAN sequence number of an EMV card."""
    display: str
    """What everybody may see of it, at most 32 characters, e.g. the BIN."""


@dataclass(frozen=True)
class Account:
    """The account of a payment card: what its subject is. ``repr`` shows none of it."""

    pan: str
    psn: str
    """The PAN sequence number, two digits."""

    def __repr__(self) -> str:
        return "Account(redacted)"

    @property
    def subject(self) -> Subject:
        """The card's subject."""
        return Subject(Secret.of_text(f"{self.pan}/{self.psn}"), bin_of(self.pan))


@dataclass(frozen=True)
class ReceivedCard:
    """One valid record of an issuer's file: its subject, and the whole of it (JSON)."""

    subject: Subject
    valid_until: date
    record: Secret


@dataclass(frozen=True)
class ReceivedFile:
    """A file that passed every check: who sent it, which product, its digests and its cards."""

    issuer: str
    reference: str
    product: str
    content_digest: Secret
    """SHA-256 of the clear content, 32 bytes: whoever has it can find a PAN in it by trying."""
    file_digest: str
    """SHA-256 of the file as it came, hex."""
    cards: Sequence[ReceivedCard]


@dataclass(frozen=True)
class BatchView:
    """A batch as anyone may see it."""

    id: str
    issuer: str
    reference: str
    product: str
    count: int
    state: BatchState
    approvals: Sequence[str]
    """The people who have approved its release."""
    jobs: dict[JobState, int]
    """How many of its cards stand in each state."""


@dataclass(frozen=True)
class JobView:
    """A card job as anyone may see it: its subject's pseudonym and display name, nothing else."""

    id: JobRef
    batch: str
    number: int
    display: str
    pseudonym: str
    state: JobState
    card_serial: str | None
    reason: str | None


@dataclass(frozen=True)
class KeyView:
    """A key as anyone may see it."""

    key: KeyRef
    usage: str
    algorithm: str
    kcv: str | None
    state: KeyState


@dataclass(frozen=True)
class WindowView:
    """What came from one issuer in one month, and how long it is kept."""

    key: KeyRef
    batches: int
    still_open: int
    """How many of them are not closed."""
    until: date
    """The day from which it is due for erasure."""
    due: bool
    erased: bool


@dataclass(frozen=True)
class Ibm3624:
    """How an issuer's host verifies a PIN by an offset: validation data of the PAN, and a table."""

    start: int
    digits: int
    pad: str
    table: str


@dataclass(frozen=True)
class PinTerms:
    """How a PIN is made: its length, and by what the issuer's host verifies it, with which key."""

    length: int
    verification: KeyRef
    method: str | Ibm3624
    """The index of a PVV, or IBM 3624."""
    permits: Sequence[str]
    """What may be clear on the host, by name (:mod:`kif.hsm.boundary`)."""


@dataclass(frozen=True)
class CardTerms:
    """What a card's verification values are computed over beside its account number."""

    expiry: str
    """YYMM."""
    service_code: str
    printed_expiry: str
    """YYMM or MMYY, as the issuer's host has it for a CVV2."""


@dataclass(frozen=True)
class CardValues:
    """A card's verification values, three digits each. ``repr`` shows none."""

    stripe: str
    """CVV, on the magnetic stripe."""
    chip: str
    """iCVV, in the chip's track 2 equivalent data."""
    printed: str
    """CVV2."""

    def __repr__(self) -> str:
        return "CardValues(redacted)"


@dataclass(frozen=True)
class CardKey:
    """A card's public key as the card shows it: tags 9F46, 9F48 and 9F47."""

    certificate: bytes
    remainder: bytes
    exponent: bytes


@dataclass(frozen=True)
class IssuerView:
    """An issuer of the register; ``certificate`` is PEM."""

    name: str
    certificate: str


@dataclass(frozen=True)
class Lease:
    """A job that one station works on, until then."""

    job: JobRef
    station: str
    until: datetime


@dataclass(frozen=True)
class Segment:
    """Commands for the card, to be sent as they are; the first segment of a job has number 1."""

    number: int
    commands: Sequence[bytes]


@dataclass(frozen=True)
class Claim:
    """A job that a station holds, and what it sends first: SELECT and INITIALIZE UPDATE."""

    lease: Lease
    segment: Segment


@dataclass(frozen=True)
class Done:
    """The oracle is done with a card: PERSONALISED, SUSPECT, or PREPARED again.

    It is PREPARED when the blank was rejected before any key left: ``rejected`` says why.
    """

    view: JobView
    rejected: str | None = None


@dataclass(frozen=True)
class PinBlock:
    """A card's PIN for its issuer: by its number in the batch. ``repr`` shows none of it."""

    number: int
    block: bytes
    """Of format 4 (ISO 9564-1), 16 bytes; under 2TDEA of format 0, 8 bytes."""
    verification_value: str
    """PVV, or IBM 3624 offset."""

    @property
    def format(self) -> int:
        """The format of the block."""
        return 4 if len(self.block) == 16 else 0

    def __repr__(self) -> str:
        return f"PinBlock({self.number}, redacted)"


@dataclass(frozen=True)
class Line:
    """A command of a script, in words: secrets by reference, nothing of the cardholder."""

    session: int
    """Which secure channel with the card, from 1."""
    part: int
    """Each part waits for the card's answers to the one before."""
    command: str
    """CLA, INS, P1 and P2, hex; before it is protected."""
    what: str


@dataclass(frozen=True)
class StationView:
    """An enrolled station."""

    name: str
    fingerprint: str
    """Of its public key, as ``ssh-keygen -l`` shows it."""
    stopped: bool
    """Whether its blanks kept failing, so that two people have to look into it."""
