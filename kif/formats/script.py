"""The personalisation script of one card: what data preparation makes, and the oracle executes.

Data groupings stand in the order in which the card gets them. A key is never in a script: a
grouping *names* the keys (``emv-ac``) or their check values, and the oracle derives and wraps them
inside the HSM when the card is there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kif.formats import canonical
from kif.formats.secret import Secret


@dataclass(frozen=True)
class Group:
    """One DGI, exactly one of: ``data`` (hex), names of ``keys``, or names of keys to check."""

    dgi: str
    data: str | None = None
    keys: tuple[str, ...] = ()
    check_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artwork:
    """What is printed on the card's front: number in groups of four, name, validity MM/YY."""

    number: str
    name: str
    valid_thru: str


@dataclass(frozen=True)
class Script:
    """A card's whole personalisation. Digits in ``pan`` and ``psn``; everything else hex."""

    pan: str
    psn: str
    application: str
    """AID of the application that is personalised."""
    security_domain: str
    """AID of the security domain that opens the channel."""
    key_version: int
    """Key version number of the card's transport keys."""
    security_level: int
    """SCP03 security level: 01, 03, 11, 13 or 33."""
    groups: tuple[Group, ...]
    artwork: Artwork

    def __repr__(self) -> str:
        return f"Script({len(self.groups)} groups, redacted)"

    def encode(self) -> Secret:
        """Return the canonical JSON."""
        return Secret(canonical.encode(asdict(self)))

    @classmethod
    def decode(cls, raw: Secret) -> Script:
        """Read what ``encode`` wrote."""
        fields: dict[str, Any] = canonical.decode(raw.reveal())
        groups = tuple(
            Group(g["dgi"], g["data"], tuple(g["keys"]), tuple(g["check_values"]))
            for g in fields.pop("groups")
        )
        artwork = Artwork(**fields.pop("artwork"))
        return cls(groups=groups, artwork=artwork, **fields)
