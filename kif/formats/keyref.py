"""Keys by reference: whose it is, what it is for, which version; never what it is.

``site/emv-ac/1`` is the text form, in events, statements and listings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput

SITE = "site"
_TEXT = re.compile(r"([a-z0-9][a-z0-9.-]{0,63})/([a-z][a-z0-9-]{0,31})/([1-9][0-9]{0,4})")


@dataclass(frozen=True, order=True)
class KeyRef:
    """A key's name: ``owner`` is the site, an issuer or a card vendor; ``version`` from 1."""

    owner: str
    purpose: str
    version: int

    def __str__(self) -> str:
        return f"{self.owner}/{self.purpose}/{self.version}"

    @classmethod
    def parse(cls, text: str) -> KeyRef:
        """Read the text form. Raises ``BadInput`` (BYTES)."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise BadInput(Control.BYTES, "This is not a key's reference: owner/purpose/version.")
        return cls(found[1], found[2], int(found[3]))


def of_site(purpose: str) -> KeyRef:
    """Return the reference of the first version of a key of the site."""
    return KeyRef(SITE, purpose, 1)
