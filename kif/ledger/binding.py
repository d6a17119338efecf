"""What binds card data to the log: roots over a batch's sealed records and its sealed scripts.

A leaf names the card and the SHA-256 of its *sealed* data: AES-GCM with a random nonce under a key
in the HSM. So a digest says nothing about what is inside, it can't be made without the HSM, and
everybody who holds the tables can compare them with the log without it (docs/adr/0007).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from kif.formats import canonical
from kif.ledger.merkle import Frontier


@dataclass(frozen=True)
class BoundRecord:
    """A card of a batch as it was received; ``digest`` is SHA-256 of its sealed record."""

    number: int
    display: str
    """What everybody may see of the subject."""
    pseudonym: str
    valid_until: str
    """YYYY-MM-DD."""
    digest: bytes

    def leaf(self) -> bytes:
        """Return the leaf's bytes."""
        return canonical.encode(
            {
                "number": self.number,
                "display": self.display,
                "pseudonym": self.pseudonym,
                "valid_until": self.valid_until,
                "record": self.digest.hex(),
            }
        )


@dataclass(frozen=True)
class BoundScript:
    """A card's sealed script, by its SHA-256."""

    number: int
    digest: bytes

    def leaf(self) -> bytes:
        """Return the leaf's bytes."""
        return canonical.encode({"number": self.number, "script": self.digest.hex()})


def sealed_digest(sealed: bytes) -> bytes:
    """Return the SHA-256 of sealed data."""
    return hashlib.sha256(sealed).digest()


def root_over(bound: Iterable[BoundRecord] | Iterable[BoundScript]) -> str:
    """Return the RFC 6962 root over leaves in the order of their numbers, hex."""
    frontier = Frontier()
    for each in bound:
        frontier = frontier.append(each.leaf())
    return frontier.root().hex()
