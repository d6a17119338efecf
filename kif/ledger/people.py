"""The people of a site: who was appointed to what, with which key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.ledger.approval import fingerprint, verify_approval
from kif.ledger.events.ceremony import PersonAppointed, Role
from kif.ledger.journal import Journal


@dataclass(frozen=True)
class Person:
    """Someone with a role and an OpenSSH public key."""

    name: str
    role: Role
    public_key: str
    manager: str | None
    released: bool = False
    """Whether the role has ended."""


class People:
    """Everyone who was appointed, by name."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.appointed: dict[str, Person] = {}
        self._openers: set[tuple[str, ...]] = set()
        """Those who were found to be operators, and enough of them."""

    def appoint(self, event: PersonAppointed) -> None:
        """Appoint somebody who is nobody else, neither by name nor by key."""
        mark = fingerprint(event.public_key)
        for other in self.appointed.values():
            again = other.released and event.person == other.name
            if not again and (event.person == other.name or mark == fingerprint(other.public_key)):
                raise Refused(
                    Control.CUSTODIANS,
                    f"{event.person} and {other.name} are one person, by name or by key; each "
                    "role needs somebody else.",
                )
        person = Person(event.person, event.role, event.public_key, event.manager)
        self._journal.put(self.appointed, event.person, person)

    def release(self, name: str, role: Role) -> None:
        """End somebody's role. Raises ``Refused`` (DUAL_CONTROL) when there is no such person."""
        person = self.require(name, role)
        self._journal.put(self.appointed, name, replace(person, released=True))
        self._openers.clear()

    def of_role(self, role: Role) -> list[str]:
        """Return the names of the people who have a role, in the order of their appointment."""
        return [
            person.name
            for person in self.appointed.values()
            if person.role is role and not person.released
        ]

    def require(self, name: str, role: Role) -> Person:
        """Return a person of a role, or raise ``Refused`` (DUAL_CONTROL)."""
        person = self.appointed.get(name)
        if person is not None and person.released:
            raise Refused(
                Control.DUAL_CONTROL, f"{name} was released; nothing is done in that name."
            )
        if person is None or person.role is not role:
            raise Refused(
                Control.DUAL_CONTROL,
                f"{name} is not a registered {role.value}. People are appointed in a ceremony.",
            )
        return person

    def require_openers(self, names: tuple[str, ...], threshold: int) -> None:
        """Require so many different operators, or raise ``Refused`` (DUAL_CONTROL)."""
        if names in self._openers:
            return
        if len(set(names)) < len(names):
            raise Refused(
                Control.DUAL_CONTROL,
                f"{' and '.join(names)} are not different people; {threshold} are needed.",
            )
        if len(names) < threshold:
            raise Refused(
                Control.DUAL_CONTROL,
                f"{' and '.join(names)} opened the token; {threshold} operators do that.",
            )
        for name in names:
            self.require(name, Role.OPERATOR)
        self._openers.add(names)

    def verify(self, name: str, namespace: str, statement: str, signature: str) -> None:
        """Verify a person's signature over a statement under the key of the appointment."""
        person = self.appointed.get(name)
        if person is None or person.released:
            raise Refused(Control.CUSTODIANS, f"{name} is not appointed, so can't sign.")
        verify_approval(person.public_key, namespace, statement.encode(), signature)

    def encode(self) -> list[list[str | bool | None]]:
        """Return everyone as JSON values."""
        return [
            [each.name, each.role.value, each.public_key, each.manager, each.released]
            for each in self.appointed.values()
        ]

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.appointed = {
            name: Person(name, Role(role), key, manager, released)
            for name, role, key, manager, released in fields
        }


def same_statement(found: str, expected: bytes, what: str) -> None:
    """Require that a statement is exactly the expected one (APPROVAL_SIGNATURE)."""
    if found.encode() != expected:
        raise BadInput(
            Control.APPROVAL_SIGNATURE,
            f"The statement that was signed is not the one of {what}: it should be "
            f"{expected.decode()}.",
        )
