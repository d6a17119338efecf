"""The TEST component sheets of simulated issuers and vendors, by the key that they form."""

from __future__ import annotations

from pathlib import Path

from kif.formats.keyref import KeyRef
from kif.formats.purpose import CARD_MANAGER, PIN_ZONE
from kif.simulator.issuer import TestIssuer
from kif.simulator.vendor import VENDORS, Sheet, aes_sheets


def test_sheets(key: KeyRef) -> tuple[Sheet, Sheet]:
    """Return the two sheets of a key: component and check value, hex."""
    if key.purpose == CARD_MANAGER:
        return VENDORS[key.owner].sheets(key.version)
    if key.purpose == PIN_ZONE:
        return aes_sheets(TestIssuer(Path(), key.owner).components(key.purpose, key.version))
    return TestIssuer(Path(), key.owner).sheets(key.purpose, key.version)


test_sheets.__test__ = False  # type: ignore[attr-defined]
