"""Blanks of other vendors than the first, for products of a site's own."""

from __future__ import annotations

import secrets

from kif.chip.personalise import personalise
from kif.formats.state import JobState
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.simulator.fault import Fault, Faults
from kif.simulator.vendor import Vendor
from tests.oracle.test_chip import Wire, antenna
from tests.site import TestSite, claimed, released_batch


def released(site: TestSite, oracle: LocalOracle, *, product: str) -> BatchView:
    """Release two cards more of a product."""
    number = len(oracle.supervision.batches())
    return released_batch(site, oracle, f"B-{number}", 2, number * 100 + 1, product)


def blank(vendor: Vendor, *faults: str) -> Card:
    """Return a vendor's blank with faults."""
    return Card(Faults.of_card([Fault.parse(each) for each in faults], 1), vendor)


def verdict(oracle: LocalOracle, batch: BatchView, chip: Card) -> JobState:
    """Have the next card of a batch made of a blank, and checked."""
    view = personalise(claimed(oracle, batch.id), Wire(chip), oracle.chip).view
    if view.state is not JobState.PERSONALISED:
        return view.state
    oracle.graphics.printed(view.id)
    check = (Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))
    return check_chip(view.id, *check).state
