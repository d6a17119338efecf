"""The room of a genesis: who is there, what was made so far, and the draft of its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kif.ceremony.draft import Draft
from kif.ceremony.people import People
from kif.ceremony.seal import new_pin
from kif.formats.control import Control
from kif.formats.error import KifError, Refused
from kif.formats.secret import Secret
from kif.hsm.token import Token, TokenPlace
from kif.ledger.approval import CEREMONY
from kif.ledger.event import Event
from kif.ledger.events.ceremony import Role
from kif.ledger.running import Running


@dataclass
class Room:
    """What a genesis works with; everything that it makes stands under ``folder``."""

    people: People
    folder: Path
    place: TokenPlace
    draft: Draft
    clock: Callable[[], datetime]
    user_pin: Secret = field(default_factory=new_pin)
    so_pin: Secret = field(default_factory=new_pin)
    token: Token | None = None
    """The token, once it is open."""

    @property
    def running(self) -> Running:
        """Return the ceremony as it stands."""
        return self.draft.state.ceremonies.require_running()

    def require_token(self) -> Token:
        """Return the open token. Raises ``Refused`` (SITE) when there is none yet."""
        if self.token is None:
            raise Refused(Control.SITE, "There is no open token yet.")
        return self.token

    def of_role(self, role: Role) -> tuple[str, ...]:
        """Return the names of those who take part in a role, in order."""
        return self.running.of_role(role)

    def verify(self, person: str, statement: bytes, signature: str) -> None:
        """Verify somebody's signature. Raises ``Refused`` or ``BadInput`` (APPROVAL_SIGNATURE)."""
        self.draft.state.people.verify(person, CEREMONY, statement.decode(), signature)

    def note(self, event: Event) -> None:
        """Put an event on the record. Raises what the state machine says of it."""
        self.draft.note(event, self.clock())

    def miss(self, person: str, wrong: KifError) -> None:
        """Put an attempt that was not taken on the record."""
        self.note(self.running.missed(person, wrong))
