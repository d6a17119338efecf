"""The desk of people: who is appointed and released, and the PINs that are sealed to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kif.formats.secret import Secret
from kif.hsm.token import TokenPlace
from kif.ledger.approval import fingerprint
from kif.ledger.events.ceremony import PersonAppointed, PersonReleased, PinSealed, Role
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.store.models import Person


@dataclass(frozen=True)
class Staff:
    """What a ceremony asks for about people."""

    desk: Desk
    seal: Path
    """The folder of the sealed PINs."""
    place: TokenPlace
    """Where they go."""
    pins: Mapping[str, Secret]
    """Those that were opened for this session, by purpose."""

    def moved(self) -> Sequence[str]:
        """Return who was appointed or released in the open step, before an interruption."""
        with self.desk.record.deciding() as state:
            return state.ceremonies.require_running().moved

    def appointed(self, role: Role) -> int:
        """Return how many people were ever appointed to a role."""
        with self.desk.record.deciding() as state:
            return sum(each.role is role for each in state.people.appointed.values())

    def leaving(self, role: Role) -> Sequence[str]:
        """Return who of a role could be released: whoever takes no part in the ceremony."""
        with self.desk.record.deciding() as state:
            there = state.ceremonies.require_running().everyone
            return [name for name in state.people.of_role(role) if name not in there]

    def appoint(self, name: str, role: Role, public_key: str, manager: str | None) -> None:
        """Appoint somebody, who takes part in the ceremony from here on."""

        def work(step: Step) -> None:
            step.record(PersonAppointed(name, role, public_key, manager))
            row = {
                "name": name,
                "role": role.value,
                "public_key": public_key,
                "fingerprint": fingerprint(public_key),
            }
            step.session.merge(Person(**row))

        self.desk.record.write(work)

    def release(self, name: str, role: Role) -> None:
        """End somebody's role."""
        self.desk.record.write(lambda step: step.record(PersonReleased(step.by, name, role)))

    def sealed(self, purpose: str, threshold: int, files: Mapping[str, str], quorum: str) -> None:
        """Record that a PIN is sealed anew: SHA-256 (hex) of each holder's file and the PIN's."""
        event = PinSealed(purpose, threshold, tuple(files), tuple(files.values()), quorum)
        self.desk.record.write(lambda step: step.record(event))
