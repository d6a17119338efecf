"""A ceremony that is running: its plan, who takes part, and how far it has come."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kif.formats import canonical
from kif.formats.error import KifError
from kif.formats.keyref import KeyRef
from kif.formats.purpose import LOG_SIGNER, purpose_of
from kif.formats.text import for_the_record
from kif.ledger.approval import CEREMONY
from kif.ledger.custody import share_of
from kif.ledger.events.ceremony import Role, StepMissed
from kif.ledger.plan import Plan, Step

_LEAST = 2
_OF_COMPONENTS = ("form", "draw-components")
Head = tuple[int, str]
"""Size and root (hex) of the log that a checkpoint was signed over."""


@dataclass(frozen=True)
class Running:
    """A ceremony that is not closed. Steps are counted from 1."""

    plan: Plan
    site: str
    subject: str
    keys: tuple[KeyRef, ...] = ()
    uses: tuple[KeyRef, ...] = ()
    """The keys that stood already, and that it is about."""
    people: tuple[tuple[str, str], ...] = ()
    """Name and role of everyone who takes part; of a genesis, everyone who was appointed."""
    done: int = 0
    """How many steps are done."""
    approved: tuple[str, ...] = ()
    entered: tuple[tuple[KeyRef, int, str], ...] = ()
    """In the open step: which component of which key came from whom."""
    made: tuple[KeyRef, ...] = ()
    """The keys that were made so far."""
    made_here: tuple[KeyRef, ...] = ()
    """Those of them that the open step made."""
    happened: int = 0
    """How many events the open step has."""
    officers: tuple[str, ...] = ()
    """The custodians who opened the security officer's PIN last."""
    moved: tuple[str, ...] = ()
    """Who was appointed or released in the open step."""
    joined: tuple[str, ...] = ()
    """Who was appointed in the ceremony."""
    carried: bool = False
    """Whether the open step has done what it is about: carried keys, or changed one."""
    ending: tuple[KeyRef, ...] = ()
    """The keys that end when it is closed."""
    attested: tuple[str, ...] = ()
    head: Head = (0, "")
    """What was attested."""

    @property
    def name(self) -> str:
        """Return the name of the ceremony."""
        return self.plan.ceremony

    @property
    def open(self) -> Step | None:
        """Return the step that is open; None when all are done."""
        steps = self.plan.steps
        return steps[self.done] if self.done < len(steps) else None

    def of_role(self, role: Role) -> tuple[str, ...]:
        """Return who takes part in a role, in order."""
        return tuple(name for name, known in self.people if known == role.value)

    @property
    def everyone(self) -> tuple[str, ...]:
        """Return the names of all who take part."""
        return tuple(name for name, _ in self.people)

    def key(self, purpose: str) -> KeyRef:
        """Return the key of a purpose that this ceremony makes. Raises ``KeyError``."""
        return {key.purpose: key for key in self.keys}[purpose]

    def used(self, purpose: str) -> KeyRef:
        """Return the key of a purpose that stood already, and that it is about."""
        return {key.purpose: key for key in self.uses}[purpose]

    @property
    def named(self) -> KeyRef:
        """Return the key that was named when the ceremony began."""
        return self.uses[-1]

    @property
    def components(self) -> int:
        """Return how many components a key of this ceremony has: one for each custodian."""
        return max(_LEAST, len(self.of_role(Role.CUSTODIAN)))

    @property
    def threshold(self) -> int:
        """Return how many shares give the key of the quorum that the plan makes; 0 for none."""
        found = [s.values["threshold"] for s in self.plan.steps if s.action == "make-quorum"]
        return found[0] if found else 0

    def assignments(self) -> Iterator[tuple[str, int, str, str]]:
        """Yield what the plan would have people hold: secret, threshold, part and person."""
        formed = {s.values["key"] for s in self.plan.steps if s.action in _OF_COMPONENTS}
        for key in self.keys:
            for number, person in enumerate(self.of_role(Role.CUSTODIAN), start=1):
                row = purpose_of(key)
                if row.quorum:
                    yield str(key), self.threshold, share_of(key, number), person
                elif row.formed and key.purpose in formed:
                    part = f"{key} component {number}"
                    yield f"{key} by this plan", self.components, part, person

    def statement(self) -> bytes:
        """Return exactly what everyone signs at the beginning (canonical JSON)."""
        fields: dict[str, Any] = {
            "approve": CEREMONY,
            "ceremony": self.name,
            "for": self.subject,
            "keys": [str(key) for key in self.keys],
            "plan": self.plan.digest,
            "site": self.site,
            "uses": [str(key) for key in self.uses],
        }
        return canonical.encode(fields)

    def attestation(self, head: Head) -> bytes:
        """Return exactly what everyone signs at the end: the log's head (canonical JSON)."""
        size, root = head
        fields = {
            "attest": CEREMONY,
            "ceremony": self.name,
            "plan": self.plan.digest,
            "root": root,
            "site": self.site,
            "size": size,
        }
        return canonical.encode(fields)

    def succession(self, head: Head, public_key: bytes) -> bytes:
        """Return exactly what everyone signs about the key that signs the log from here on.

        ``head`` is the end of the log that it goes on from. Canonical JSON.
        """
        size, root = head
        fields = {
            "ceremony": self.name,
            "key": str(self.key(LOG_SIGNER)),
            "plan": self.plan.digest,
            "public_key": public_key.hex(),
            "root": root,
            "site": self.site,
            "size": size,
            "succeed": CEREMONY,
        }
        return canonical.encode(fields)

    def deviation(self, step: int, reason: str) -> bytes:
        """Return exactly what two people sign about a deviation (canonical JSON)."""
        fields = {
            "ceremony": self.name,
            "deviate": CEREMONY,
            "plan": self.plan.digest,
            "reason": reason,
            "site": self.site,
            "step": step,
        }
        return canonical.encode(fields)

    def missed(self, person: str, wrong: KifError) -> StepMissed:
        """Return what is recorded of an attempt in the open step that was not taken."""
        sentence = for_the_record(wrong.sentence)
        return StepMissed(person, self.done + 1, wrong.control, sentence)

    def encode(self) -> dict[str, Any]:
        """Return it as JSON values."""
        fields = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return fields | {
            "plan": self.plan.text,
            "keys": _texts(self.keys),
            "uses": _texts(self.uses),
            "moved": list(self.moved),
            "joined": list(self.joined),
            "made": _texts(self.made),
            "made_here": _texts(self.made_here),
            "ending": _texts(self.ending),
            "people": [list(each) for each in self.people],
            "approved": list(self.approved),
            "attested": list(self.attested),
            "officers": list(self.officers),
            "head": list(self.head),
            "entered": [[str(key), number, who] for key, number, who in self.entered],
        }

    @classmethod
    def restore(cls, fields: dict[str, Any]) -> Running:
        """Return what ``encode`` gave."""
        return cls(
            **fields
            | {
                "plan": Plan.decode(fields["plan"]),
                "keys": _keys(fields["keys"]),
                "uses": _keys(fields["uses"]),
                "moved": tuple(fields["moved"]),
                "joined": tuple(fields["joined"]),
                "made": _keys(fields["made"]),
                "made_here": _keys(fields["made_here"]),
                "ending": _keys(fields["ending"]),
                "people": tuple((name, role) for name, role in fields["people"]),
                "approved": tuple(fields["approved"]),
                "attested": tuple(fields["attested"]),
                "officers": tuple(fields["officers"]),
                "head": (fields["head"][0], fields["head"][1]),
                "entered": tuple((KeyRef.parse(k), n, who) for k, n, who in fields["entered"]),
            }
        )


def _texts(keys: Iterable[KeyRef]) -> list[str]:
    return [str(key) for key in keys]


def _keys(texts: Iterable[str]) -> tuple[KeyRef, ...]:
    return tuple(map(KeyRef.parse, texts))
