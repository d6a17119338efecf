"""The personalisation script of one card: what data preparation makes, and the oracle executes.

Data groupings stand in the order in which the card gets them. A key is never in a script: a
grouping *names* the keys (``bank/emv-ac/2``) or their check values, and the oracle derives and
wraps them inside the HSM when the card is there, by the script's recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from kif.formats import canonical
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret


@dataclass(frozen=True)
class Group:
    """One DGI, exactly one of: ``data`` (hex), names of ``keys``, or names of keys to check.

    ``repr`` shows none of the data.
    """

    dgi: str
    data: str | None = None
    keys: tuple[str, ...] = ()
    check_values: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Group({self.dgi}, redacted)"


@dataclass(frozen=True)
class Artwork:
    """What is printed on the card, by the names that the product's layout has for it."""

    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields[name]

    def __repr__(self) -> str:
        return f"Artwork({', '.join(sorted(self.fields))}: redacted)"


class Personalization(StrEnum):
    """How a card's application gets its data (GPC 2.3.1, 7.3.2 and 7.3.3)."""

    INSTALL = "install"
    """From its security domain: INSTALL [for personalization], and STORE DATA is handed on."""
    SELECT = "select"
    """Selected itself, over a channel of its own, where the card refuses the other."""


class Recipe(StrEnum):
    """How a script becomes commands and a finished card is checked, one for each family."""

    EMV = "emv"


@dataclass(frozen=True)
class Script:
    """A card's whole personalisation; bytes are hex."""

    recipe: Recipe
    diversification: str
    """What the card's own keys are derived with. EMV: the 16 bytes of option A (Book 2, A1.4.1)."""
    card_manager: str
    """Reference of the vendor's key that the card's transport keys are derived from."""
    application: str
    """AID of the application that is personalised."""
    security_domain: str
    """AID of the security domain that opens the channel."""
    key_version: int
    """Key version number of the card's transport keys."""
    domain_key: str
    """Reference of the issuer's key that the card's own keys are derived from: they replace those
    of the vendor."""
    domain_version: int
    """Key version number that they have."""
    life_cycle: str
    """In which state blanks are delivered: a name of :class:`kif.formats.lifecycle.CardState`."""
    options: int
    """SCP03's parameter "i" (Amendment D, table 5-1) that the card names."""
    security_level: int
    """SCP03 security level: 01, 03, 11, 13 or 33."""
    personalization: Personalization
    largest_command: int
    """How many bytes of data the card takes in one command: 255, or more in extended length."""
    arpc_method: int
    """How the issuer answers an ARQC: by ARPC method 1 or 2 (EMV Book 2, 8.2)."""
    groups: tuple[Group, ...]
    directory: tuple[Group, ...]
    """Those of the card's payment system environment (EMV Book 1, 12.2)."""
    artwork: Artwork

    def __repr__(self) -> str:
        return f"Script({len(self.groups)} groups, redacted)"

    def encode(self) -> Secret:
        """Return the canonical JSON."""
        return Secret(canonical.encode(asdict(self)))

    def named_keys(self) -> frozenset[KeyRef]:
        """Return every key that the script names."""
        named = (name for group in self.groups for name in (*group.keys, *group.check_values))
        return frozenset(map(KeyRef.parse, (self.card_manager, self.domain_key, *named)))

    @classmethod
    def decode(cls, raw: Secret) -> Script:
        """Read what ``encode`` wrote."""
        fields: dict[str, Any] = canonical.decode(raw.reveal())
        fields["recipe"] = Recipe(fields["recipe"])
        fields["personalization"] = Personalization(fields["personalization"])
        groups, directory = (
            tuple(
                Group(g["dgi"], g["data"], tuple(g["keys"]), tuple(g["check_values"]))
                for g in fields.pop(name)
            )
            for name in ("groups", "directory")
        )
        artwork = Artwork(fields.pop("artwork")["fields"])
        return cls(groups=groups, directory=directory, artwork=artwork, **fields)
