"""The tables: a cache of the log, and the card data that it binds.

Nothing is decided on a row. Card data stands in them only encrypted under its batch's key in the
HSM. A home that says something else than its log does not open.
"""

from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Dialect,
    ForeignKey,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.state import BatchState, JobState


class StateText(TypeDecorator[Any]):
    """A state enum, stored as its value."""

    impl = String(16)
    cache_ok = True

    def __init__(self, states: type[StrEnum]) -> None:
        super().__init__()
        self.states = states

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        """Store the value."""
        return None if value is None else self.states(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """Give the state back. Raises ``CheckFailed`` (LEDGER_TABLES) when it is none."""
        try:
            return None if value is None else self.states(value)
        except ValueError:
            raise CheckFailed(
                Control.LEDGER_TABLES,
                f"A row has the state '{value!s:.20}', which is none. The tables differ from the "
                "log; restore the database from a backup.",
            ) from None


class Base(DeclarativeBase):
    """The metadata that the migrations are compared with."""


class Site(Base):
    """The one site of this home: its name, its certificates (PEM) and its log's verifier key."""

    __tablename__ = "site"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    ca_certificate: Mapped[str] = mapped_column(Text)
    recipient_certificate: Mapped[str] = mapped_column(Text)
    log_verifier: Mapped[str] = mapped_column(Text)
    plan_digest: Mapped[str] = mapped_column(String(64))


class Person(Base):
    """Someone with a credential: an OpenSSH public key. One key is one person."""

    __tablename__ = "person"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(32))
    public_key: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)


class KeyRecord(Base):
    """The key inventory, by reference (``bank/emv-ac/1``)."""

    __tablename__ = "key_record"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    usage: Mapped[str] = mapped_column(String(64))
    algorithm: Mapped[str] = mapped_column(String(64))
    kcv: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))


class Issuer(Base):
    """An issuer and the certificate (PEM) that its files are signed with, until it is withdrawn."""

    __tablename__ = "issuer"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    certificate: Mapped[str | None] = mapped_column(Text)


class Batch(Base):
    """One accepted file of an issuer. ``content`` is a keyed digest; the roots are of its events.

    ``place`` counts the batches from 1, in the order of their coming. ``seed`` is what the data key
    is derived over, under the retention key; None once the batch is erased.
    """

    __tablename__ = "batch"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    place: Mapped[int] = mapped_column(unique=True)
    issuer: Mapped[str] = mapped_column(ForeignKey("issuer.name"))
    file_reference: Mapped[str] = mapped_column(String(64))
    product: Mapped[str] = mapped_column(String(64))
    count: Mapped[int]
    state: Mapped[BatchState] = mapped_column(StateText(BatchState))
    records: Mapped[str] = mapped_column(String(64))
    profile: Mapped[str] = mapped_column(String(64))
    scripts: Mapped[str] = mapped_column(String(64))
    retention: Mapped[str] = mapped_column(String(128))
    seed: Mapped[bytes | None] = mapped_column(LargeBinary)


class Approval(Base):
    """An operator's approval of a batch; the signature stands in the log beside the statement."""

    __tablename__ = "approval"

    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), primary_key=True)
    statement: Mapped[str] = mapped_column(Text)


class CardJob(Base):
    """One card to be made. ``record`` and ``script`` are AES-GCM under the batch's data key.

    The digests are SHA-256 of these two as they stand there, sealed.
    """

    __tablename__ = "card_job"

    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    display: Mapped[str] = mapped_column(String(32))
    pseudonym: Mapped[str] = mapped_column(String(32), index=True)
    valid_until: Mapped[date]
    state: Mapped[JobState] = mapped_column(StateText(JobState))
    record: Mapped[bytes] = mapped_column(LargeBinary)
    record_digest: Mapped[bytes] = mapped_column(LargeBinary)
    script: Mapped[bytes | None] = mapped_column(LargeBinary)
    script_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    station: Mapped[str | None] = mapped_column(String(64))
    card_serial: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(Text)


class LedgerEntry(Base):
    """A leaf of the log: canonical JSON exactly as it was hashed. Append-only by trigger."""

    __tablename__ = "ledger_entry"

    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerPayload(Base):
    """What an entry's ``commit`` hides: it may be disclosed to one issuer, or erased."""

    __tablename__ = "ledger_payload"

    index: Mapped[int] = mapped_column(ForeignKey("ledger_entry.index"), primary_key=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    payload: Mapped[bytes] = mapped_column(LargeBinary)


class LedgerCheckpoint(Base):
    """A signed note over the tree at ``size``. Append-only by trigger."""

    __tablename__ = "ledger_checkpoint"

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)


class LedgerSnapshot(Base):
    """The state that follows from the first ``size`` entries, MACed in the HSM: one row at most."""

    __tablename__ = "ledger_snapshot"

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    mac: Mapped[bytes] = mapped_column(LargeBinary)
