"""The ceremony room: who is there, what was made so far, and the record that grows with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from kif.ceremony.people import Appointment, People
from kif.ceremony.plan import Plan
from kif.ceremony.seal import new_pin
from kif.formats.kcv import Kcv
from kif.formats.secret import Secret
from kif.hsm.keypair import LogSigner, SiteCa
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import Usage
from kif.ledger.event import Boundary, Event, Kind
from kif.store.models import KeyRecord


@dataclass
class Room:
    """What the genesis has made; it stands on disk only under its partial folder."""

    people: People
    plan: Plan
    plan_digest: str
    site: str
    folder: Path
    place: TokenPlace
    appointed: list[Appointment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    keys: list[KeyRecord] = field(default_factory=list)
    certificates: dict[str, str] = field(default_factory=dict)
    user_pin: Secret = field(default_factory=new_pin)
    so_pin: Secret = field(default_factory=new_pin)

    def of_role(self, role: str) -> list[str]:
        """Return the names of the people of a role, in the order of their appointment."""
        return [person.name for person in self.appointed if person.role == role]

    def note(self, kind: Kind, actor: str, boundary: Boundary, **subject: str | int) -> None:
        """Put an event on the record."""
        self.events.append(Event(kind, actor, boundary, subject))

    def enter_key(
        self, kind: Kind, name: str, usage: Usage, algorithm: str, kcv: Kcv | None
    ) -> None:
        """Put a key on the record and into the inventory, and show its check value."""
        value = "none" if kcv is None else str(kcv)
        self.note(
            kind,
            self.plan.ceremony,
            Boundary.HSM,
            key=name,
            usage=usage.value,
            algorithm=algorithm,
            kcv=value,
        )
        record = KeyRecord(
            name=name,
            usage=usage.value,
            algorithm=algorithm,
            kcv=value,
            state="active",
            ceremony=self.plan.ceremony,
            created_at=datetime.now(UTC),
        )
        self.keys.append(record)
        self.people.tell(f"Key {name}: {usage.value}, {algorithm}, check value {value}.")


@dataclass
class Machinery:
    """The open token, and what its key pairs are needed for before the site stands."""

    token: Token
    log_signer: LogSigner | None = None
    ca: SiteCa | None = None
    recipient: rsa.RSAPublicKey | None = None
