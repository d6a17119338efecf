"""Histories for tests: a signer, a store, and events that make a whole batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kif.ledger.event import Boundary, Event, Kind
from kif.ledger.log import Log
from kif.ledger.note import encode_verifier

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SoftwareSigner:
    """An Ed25519 key in software, for tests."""

    name: str = "kif.test/log"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def verifier(self) -> str:
        return encode_verifier(self.name, self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)


class Clock:
    """A clock that goes on by a second at each look."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


def new_log(signer: SoftwareSigner) -> Log:
    """Return a log with a clock of its own and a salt that is known."""
    return Log(signer, Clock(), lambda size: b"\x5a" * size)


def event(kind: Kind, **subject: str | int) -> Event:
    """Return an event."""
    return Event(kind, "test", Boundary.HSM, subject)


def received(count: int, batch: str = "b") -> Event:
    return event(Kind.BATCH_RECEIVED, batch=batch, count=count)


def made(number: int, *, batch: str = "b", serial: str | None = None) -> list[Event]:
    """Return what is recorded of a card that is good."""
    card: dict[str, str | int] = {"batch": batch, "number": number}
    chip = serial or f"C{batch}{number}"
    return [
        event(Kind.INJECTION_AUTHORISED, **card, card_serial=chip),
        event(Kind.INJECTION_DONE, **card, card_serial=chip),
        event(Kind.CARD_VERIFIED, **card, card_serial=chip),
    ]


def closed(good: int, suspect: int, left: int, batch: str = "b") -> Event:
    return event(Kind.BATCH_CLOSED, batch=batch, good=good, suspect=suspect, left=left)


def flat(*parts: Event | Iterable[Event]) -> list[Event]:
    """Return one list of events."""
    events: list[Event] = []
    for part in parts:
        events += [part] if isinstance(part, Event) else list(part)
    return events
