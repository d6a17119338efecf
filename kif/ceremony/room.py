"""The ceremony room: who is there, what was made so far, and the record that grows with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from kif.ceremony.people import People
from kif.ceremony.plan import GenesisPlan
from kif.ceremony.seal import new_pin
from kif.formats.secret import Secret
from kif.hsm.keypair import LogSigner, SiteCa
from kif.hsm.token import Token, TokenPlace
from kif.ledger.event import Event, checked
from kif.ledger.events.ceremony import Role
from kif.ledger.state import State

_NO_KEY = b""
"""The log's key is not made yet when the ceremony begins; the closing compares it."""


@dataclass
class Room:
    """What the genesis has made; it stands on disk only under its partial folder.

    Every event is admitted by the log's own state machine as it happens.
    """

    people: People
    plan: GenesisPlan
    plan_digest: str
    site: str
    folder: Path
    place: TokenPlace
    clock: Callable[[], datetime]
    events: list[tuple[Event, datetime]] = field(default_factory=list)
    state: State = field(default_factory=lambda: State(_NO_KEY))
    user_pin: Secret = field(default_factory=new_pin)
    so_pin: Secret = field(default_factory=new_pin)

    def of_role(self, role: Role) -> list[str]:
        """Return the names of the people of a role, in the order of their appointment."""
        return self.state.people.of_role(role)

    def note(self, event: Event) -> None:
        """Put an event on the record. Raises what the state machine says of it."""
        time = self.clock()
        self.state.admit(checked(event), time)
        self.events.append((event, time))


@dataclass
class Machinery:
    """The open token, and what its key pairs are needed for before the site stands."""

    token: Token
    log_signer: LogSigner | None = None
    ca: SiteCa | None = None
    recipient: rsa.RSAPublicKey | None = None
