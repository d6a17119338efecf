"""The beginning of a ceremony: everyone who takes part reads the plan and signs it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kif.ceremony.people import People, until_right
from kif.ceremony.plan import in_words
from kif.formats.error import KifError
from kif.ledger.approval import CEREMONY
from kif.ledger.running import Running


def have_approved(
    people: People,
    running: Running,
    take: Callable[[str, str], None],
    missed: Callable[[str, KifError], None],
) -> None:
    """Have each person sign who has not yet; ``take`` gets person and signature."""
    people.tell(in_words(running.plan))
    statement = running.statement()
    for person in running.everyone:
        if person not in running.approved:

            def sign(person: str = person) -> None:
                take(person, people.sign(person, CEREMONY, statement))

            until_right(people, sign, partial(missed, person))
