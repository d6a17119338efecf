"""Custody: who has ever held which part of a secret, and that nobody ever has enough of one.

A secret has parts (a key's components, a quorum's shares), and so many different ones give it. A
person who held a part once knows it for ever, deputies and former custodians too. No person, and
no manager with all who ever reported to that manager, may come to have held that many of them.

>>> custody.make("bank/emv-ac/1", threshold=2)
>>> custody.hold("bank/emv-ac/1", "component 1", "anna")
>>> custody.hold("bank/emv-ac/1", "component 2", "anna")
Refused: anna would have held component 1 and component 2 of bank/emv-ac/1, and 2 of them give it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef
from kif.ledger.journal import Journal


@dataclass(frozen=True)
class Parted:
    """A secret in parts: how many different ones give it, and which there are so far."""

    threshold: int
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptFile:
    """A public file: its SHA-256 (hex), and the masters in it, if it is a backup."""

    digest: str
    keys: tuple[KeyRef, ...] = ()


QUORUM, MASTERS = "quorum", "masters"
"""What is kept of a quorum's key: its own public file, and the masters wrapped under it."""


@dataclass(frozen=True)
class Reach:
    """Why somebody would reach a secret: the parts, each with who held it, and whose manager."""

    secret: str
    threshold: int
    held: tuple[tuple[str, str], ...]
    """Part and person."""
    manager: str | None

    def __str__(self) -> str:
        by_person: dict[str, list[str]] = {}
        for part, person in self.held:
            by_person.setdefault(person, []).append(part)
        told = [f"{_and(parts)} (by {person})" for person, parts in by_person.items()]
        enough = f"of {self.secret}, and {self.threshold} of them give it"
        if self.manager is None:
            (person,) = by_person
            return f"{person} would have held {_and(by_person[person])} {enough}."
        others = [person for person in by_person if person != self.manager]
        whose = f"{_and(others)} reported to {self.manager}"
        return f"Together, {_and(told)} would have been held {enough}; {whose}."


class Custody:
    """Everything that was ever held by anybody. Nothing is forgotten."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.secrets: dict[str, Parted] = {}
        self.holders: dict[str, tuple[str, ...]] = {}
        """Who ever held a part; a part has one name wherever it appears."""
        self.managers: dict[str, tuple[str, ...]] = {}
        """Whom a person ever reported to."""
        self.files: dict[tuple[str, KeyRef], KeptFile] = {}
        """What is kept in public: the file of a quorum, and of the masters under its key."""

    def make(self, secret: str, threshold: int) -> None:
        """Enter a secret of which so many different parts give it; once more is no matter."""
        if secret not in self.secrets:
            self._journal.put(self.secrets, secret, Parted(threshold))

    def unmake(self, secret: str) -> None:
        """Forget a secret that did not come about; who held its parts is not forgotten."""
        if secret in self.secrets:
            self._journal.drop(self.secrets, secret)

    def hold(self, secret: str, part: str, person: str) -> None:
        """Note that a person holds a part of a secret. Raises ``Refused`` (CUSTODY)."""
        parted = self.secrets[secret]
        if part not in parted.parts:
            parts = replace(parted, parts=(*parted.parts, part))
            self._journal.put(self.secrets, secret, parts)
        held = self.holders.get(part, ())
        if person not in held:
            self._journal.put(self.holders, part, (*held, person))
        self._require_out_of_reach(part)

    def require_none(self, person: str) -> None:
        """Require that somebody never held a part of anything: only such a person is a witness."""
        for part, held in self.holders.items():
            if person in held:
                raise Refused(
                    Control.CUSTODY,
                    f"{person} held {part}, so is no witness: that is somebody who never held a "
                    "part of a key.",
                )

    def keep(self, what: str, key: KeyRef, file: KeptFile) -> None:
        """Note what is kept in public of a quorum's key."""
        self._journal.put(self.files, (what, key), file)

    def drop(self, what: str, key: KeyRef) -> None:
        """Note that what was kept of a quorum's key is destroyed."""
        if (what, key) in self.files:
            self._journal.drop(self.files, (what, key))

    def backups_of(self, key: KeyRef) -> list[KeyRef]:
        """Return the quorums whose backup holds a master, as far as it is in use."""
        return [quorum for (_, quorum), file in self.files.items() if key in file.keys]

    def report(self, person: str, manager: str) -> None:
        """Note that a person reports to a manager. Raises ``Refused`` (CUSTODY)."""
        known = self.managers.get(person, ())
        if manager not in known:
            self._journal.put(self.managers, person, (*known, manager))
        self._require_out_of_reach()

    def shares(self, key: KeyRef) -> dict[int, str]:
        """Return who holds which share of a quorum's key, by number."""
        parts = self.secrets[str(key)].parts if str(key) in self.secrets else ()
        numbers = range(1, len(parts) + 1)
        return {number: self.holders[share_of(key, number)][-1] for number in numbers}

    def require_possible(self, wanted: Iterable[tuple[str, int, str, str]]) -> None:
        """Require that assignments could all be made: secret, threshold, part and person.

        Raises ``Refused`` (CUSTODY); nothing is changed in either case.
        """
        mark = self._journal.mark()
        try:
            for secret, threshold, part, person in wanted:
                self.make(secret, threshold)
                self.hold(secret, part, person)
        finally:
            self._journal.back(mark)

    def reaches(self, part: str | None = None) -> Iterator[Reach]:
        """Yield why somebody reaches a secret, the shortest reason for each who does.

        With a part: of the secrets that it is of.
        """
        groups = list(self._groups())
        for secret, parted in self.secrets.items():
            if part is not None and part not in parted.parts:
                continue
            for manager, people in groups:
                found = self._shortest(parted, people)
                if found is not None:
                    alone = len({person for _, person in found}) == 1
                    yield Reach(secret, parted.threshold, found, None if alone else manager)

    def _require_out_of_reach(self, part: str | None = None) -> None:
        shortest = min(self.reaches(part), key=_length, default=None)
        if shortest is not None:
            raise Refused(
                Control.CUSTODY,
                f"{shortest} Nothing was done: somebody else has to take part.",
            )

    def _groups(self) -> Iterator[tuple[str | None, frozenset[str]]]:
        """Yield everyone alone, and each manager with all who ever reported to that manager."""
        everyone = sorted({person for held in self.holders.values() for person in held})
        yield from ((None, frozenset({person})) for person in everyone)
        for manager in sorted({name for names in self.managers.values() for name in names}):
            reports = {person for person, names in self.managers.items() if manager in names}
            yield manager, frozenset({manager, *reports})

    def _shortest(
        self, parted: Parted, people: frozenset[str]
    ) -> tuple[tuple[str, str], ...] | None:
        """Return so many parts with their holders, of as few people as possible; None if not."""
        holders = {part: people & set(self.holders.get(part, ())) for part in parted.parts}
        if sum(bool(each) for each in holders.values()) < parted.threshold:
            return None
        concerned = sorted(frozenset[str]().union(*holders.values()))
        for count in range(1, len(concerned) + 1):
            for few in combinations(concerned, count):
                found = _of(holders, few)
                if len(found) >= parted.threshold:
                    return tuple(sorted(found.items())[: parted.threshold])
        return None

    def encode(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "secrets": [
                [name, each.threshold, list(each.parts)] for name, each in self.secrets.items()
            ],
            "holders": {part: list(names) for part, names in self.holders.items()},
            "managers": {person: list(names) for person, names in self.managers.items()},
            "files": [
                [what, str(key), file.digest, list(map(str, file.keys))]
                for (what, key), file in self.files.items()
            ],
        }

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.secrets = {
            name: Parted(threshold, tuple(parts)) for name, threshold, parts in fields["secrets"]
        }
        self.holders = {part: tuple(names) for part, names in fields["holders"].items()}
        self.managers = {person: tuple(names) for person, names in fields["managers"].items()}
        self.files = {
            (what, KeyRef.parse(key)): KeptFile(digest, tuple(map(KeyRef.parse, keys)))
            for what, key, digest, keys in fields["files"]
        }


def share_of(key: KeyRef, number: int) -> str:
    """Return the name of a share of a quorum's key."""
    return f"share {number} of {key}"


def _of(holders: Mapping[str, frozenset[str]], few: tuple[str, ...]) -> dict[str, str]:
    """Return the parts that these people held, each with the first of them who did."""
    return {
        part: next(person for person in few if person in held)
        for part, held in holders.items()
        if held & set(few)
    }


def _length(reach: Reach) -> tuple[int, int]:
    return len({person for _, person in reach.held}), len(reach.held)


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
