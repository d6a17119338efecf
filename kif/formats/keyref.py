"""Keys by reference: whose it is, what it is for, which version; never what it is.

``bank/emv-ac/2`` is the text form: in events, statements, listings, and as the label in the token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.text import is_name

SITE = "site"
_TEXT = re.compile(r"([^/]+)/([a-z][a-z0-9-]{0,31})/([1-9][0-9]{0,7})")


@dataclass(frozen=True, order=True)
class KeyRef:
    """A key's name: ``owner`` is the site, an issuer or a card vendor; ``version`` from 1."""

    owner: str
    purpose: str
    version: int

    def __str__(self) -> str:
        return f"{self.owner}/{self.purpose}/{self.version}"

    def before(self, others: Iterable[KeyRef]) -> list[KeyRef]:
        """Return the older versions of the same key among others, newest first."""
        same = (self.owner, self.purpose)
        older = (k for k in others if (k.owner, k.purpose) == same and k.version < self.version)
        return sorted(older, reverse=True)

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, text: str) -> KeyRef:
        """Read the text form. Raises ``BadInput`` (BYTES)."""
        found = _TEXT.fullmatch(text)
        if found is None or not is_name(found[1]):
            raise BadInput(
                Control.BYTES,
                "This is not a key's reference, which has the form owner/purpose/version, e.g. "
                "bank/emv-ac/1.",
            )
        return cls(found[1], found[2], int(found[3]))


def of_site(purpose: str) -> KeyRef:
    """Return the reference of the first version of a key of the site."""
    return KeyRef(SITE, purpose, 1)
