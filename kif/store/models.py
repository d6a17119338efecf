"""The tables. Card data stands in them only encrypted under its batch's key in the HSM."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from kif.store.state import BatchState, JobState


class UtcDateTime(TypeDecorator[datetime]):
    """A time that is aware on both sides of the database, and UTC inside of it."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC without its offset. Raises ``ValueError`` for a naive time."""
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("a time without its offset can't be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the offset back."""
        return None if value is None else value.replace(tzinfo=UTC)


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
        """Give the state back."""
        return None if value is None else self.states(value)


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
    """The key inventory; the key itself is the token object whose label is ``name``."""

    __tablename__ = "key_record"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    usage: Mapped[str] = mapped_column(String(32))
    algorithm: Mapped[str] = mapped_column(String(16))
    kcv: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    ceremony: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Issuer(Base):
    """An issuer and the certificate (PEM) that its files are signed with."""

    __tablename__ = "issuer"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    certificate: Mapped[str] = mapped_column(Text)


class Batch(Base):
    """One accepted file of an issuer. ``content_digest`` is SHA-256 of the clear content (hex)."""

    __tablename__ = "batch"
    __table_args__ = (UniqueConstraint("issuer", "file_reference"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    issuer: Mapped[str] = mapped_column(ForeignKey("issuer.name"))
    file_reference: Mapped[str] = mapped_column(String(64))
    content_digest: Mapped[str] = mapped_column(String(64), unique=True)
    product: Mapped[str] = mapped_column(String(64))
    count: Mapped[int]
    state: Mapped[BatchState] = mapped_column(StateText(BatchState))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Approval(Base):
    """One person's signature (armoured SSH signature) over a batch's release statement."""

    __tablename__ = "approval"

    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), primary_key=True)
    signature: Mapped[str] = mapped_column(Text)


class CardJob(Base):
    """One card to be made. ``record`` and ``script`` are AES-GCM under the batch's data key."""

    __tablename__ = "card_job"
    __table_args__ = (
        UniqueConstraint("batch_id", "number"),
        Index("ix_card_job_next", "batch_id", "state", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"))
    number: Mapped[int]
    bin: Mapped[str] = mapped_column(String(8))
    pseudonym: Mapped[str] = mapped_column(String(32))
    valid_until: Mapped[date]
    state: Mapped[JobState] = mapped_column(StateText(JobState))
    record: Mapped[bytes] = mapped_column(LargeBinary)
    script: Mapped[bytes | None] = mapped_column(LargeBinary)
    station: Mapped[str | None] = mapped_column(String(64))
    card_serial: Mapped[str | None] = mapped_column(String(40), unique=True)
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
    """A signed note over the tree at ``size``; ``frontier`` is the tree's compact range there."""

    __tablename__ = "ledger_checkpoint"

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    frontier: Mapped[bytes] = mapped_column(LargeBinary)
