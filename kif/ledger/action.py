"""What a row of the table of actions has: who acts, what it takes, needs, leaves and makes.

What an action needs and leaves are facts about the room, the token and the ledger, in the words
that a person is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kif.ledger.events.ceremony import Role
from kif.ledger.field import Field

SIGNATURES, TOKEN = "signatures over the plan", "an open token"
PEOPLE, SEALED, CERTIFICATES = "people with their keys", "sealed PINs", "the site's certificates"
SITE, OFFICER = "a site", "the security officer in the session"
FORMED = "formed"
"""A master of an issuer or a vendor."""
PARTNERS = "partners"
"""A key of an issuer or a vendor, a pair included."""


@dataclass(frozen=True)
class Action:
    """A row of the table. Facts may name a parameter: ``the key {key}``; of a list, each."""

    who: tuple[str, ...]
    """Who may act in it."""
    does: str
    """What the HSM, or the program, does in it."""
    takes: Mapping[str, Field] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    hands: Mapping[Role, int] = field(default_factory=dict)
    """How many different people of a role it takes at least; fewer would be single-handed."""
    makes: tuple[str, ...] = ()
    """The purposes of the keys that it makes for the ceremony's subject; may name a parameter."""
    uses: str = ""
    """The purpose of a key that stands already, and that it is about; may name a parameter."""
    named: str = ""
    """Which kind of key is named when it is held, if one is: FORMED, PARTNERS, or a purpose."""
    founding: bool | None = None
    """Whether it is for the plan of a new site alone, or never for it; None: both."""


def facts(named: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield facts with the values of a step's parameters in them."""
    for fact in named:
        lists = [name for name in values if isinstance(values[name], tuple) and name in fact]
        if lists:
            yield from (fact.format(**{lists[0]: each}) for each in values[lists[0]])
        else:
            yield fact.format(**values)
