"""What everyone who takes part signs over the head of the log: the end of a ceremony, mostly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from kif.ceremony.people import People, until_right
from kif.formats import canonical
from kif.formats.error import KifError
from kif.formats.words import aloud
from kif.ledger.approval import CEREMONY

Verify = Callable[[str, bytes, str], None]
"""Takes person, statement and signature. Raises what is wrong with it."""


class Ending:
    """What came of asking everyone: the signatures by person, and every miss.

    Misses are recorded with what they sign: before it, they would move the head.
    """

    def __init__(self) -> None:
        self.signed: dict[str, str] = {}
        self.misses: list[tuple[str, KifError]] = []

    @classmethod
    def ask(
        cls,
        people: People,
        names: Sequence[str],
        statement: bytes,
        verify: Verify,
        what: str = "the end of the record",
    ) -> Ending:
        """Have each person sign the statement, three times at most. Raises the last slip."""
        people.tell(f"Everyone signs {what}: {statement.decode()}")
        fields = canonical.decode(statement)
        for name, told in (("root", "root of the log"), ("public_key", "the new key")):
            if name in fields:
                people.tell(f"  Read aloud, {told}: {aloud(fields[name])}")
        ending = cls()
        for name in names:
            sign = partial(ending._sign, people, name, statement, verify)
            until_right(people, sign, partial(ending._miss, name))
        return ending

    def _sign(self, people: People, name: str, statement: bytes, verify: Verify) -> None:
        signature = people.sign(name, CEREMONY, statement)
        verify(name, statement, signature)
        self.signed[name] = signature

    def _miss(self, name: str, wrong: KifError) -> None:
        self.misses.append((name, wrong))
