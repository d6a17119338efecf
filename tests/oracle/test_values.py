"""Verification values of a card, and where each of them comes to stand."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import pytest

from kif.chip.personalise import personalise
from kif.formats.keyref import KeyRef
from kif.formats.script import Script
from kif.formats.state import JobState
from kif.formats.tlv import find
from kif.formats.track2 import Track2
from kif.graphics.print import SimulatedLaser, print_card
from kif.graphics.stripe import SimulatedEncoder
from kif.ledger.events.batch import BatchPrepared
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView, CardTerms, JobRef
from kif.quality.chip import check_chip
from kif.simulator.issuer import TestIssuer
from kif.simulator.transaction import des3
from tests.oracle.test_chip import Wire, antenna, card, entries
from tests.oracle.test_offline import batch
from tests.oracle.test_pin import account
from tests.site import ISSUER, claimed, received_file

__all__ = ["batch"]
KEY = KeyRef(ISSUER, "card-verification", 1)


def independent(pan: str, expiry: str, code: str) -> str:
    """Compute a CVV in software: single DES by the first half, then 3DES; digits first."""
    key = TestIssuer(Path(), ISSUER).master_key("card-verification")
    text = f"{pan}{expiry}{code}".ljust(32, "0")
    first, second = bytes.fromhex(text[:16]), bytes.fromhex(text[16:])
    single = des3(key[:8] * 2, first)
    cryptogram = des3(key, bytes(a ^ b for a, b in zip(single, second, strict=True))).hex()
    digits = [each for each in cryptogram if each.isdigit()]
    digits += [str(int(each, 16) - 10) for each in cryptogram if not each.isdigit()]
    return "".join(digits[:3])


def printed_script(oracle: LocalOracle, batch: BatchView) -> Script:
    view = personalise(claimed(oracle, batch.id), Wire(card()), oracle.chip).view
    return Script.decode(oracle.graphics.script(view.id))


@pytest.mark.control("KIF-HSM-04")
def test_each_value_is_the_issuers_and_stands_in_its_place(
    oracle: LocalOracle, batch: BatchView
) -> None:
    script = printed_script(oracle, batch)
    assert script.pin is not None
    assert script.stripe is not None
    record = next(group.data for group in script.groups if group.dgi == "0101")
    content = bytes.fromhex(record or "")
    chip = Track2.decode(find(find(content, 0x70) or b"", 0x57) or b"")
    before = f"1{script.pin.verification_value}"
    pan, expiry, code = chip.pan, chip.expiry, chip.service_code
    in_chip = before + independent(pan, expiry, "999")
    on_stripe = before + independent(pan, expiry, code)
    assert chip.discretionary_data == in_chip
    assert find(find(content, 0x70) or b"", 0x9F1F) == in_chip.encode()
    assert script.stripe.track_2 == f";{pan}={expiry}{code}{on_stripe}?"
    assert script.stripe.track_1.endswith(f"^{expiry}{code}{on_stripe}?")
    assert script.artwork["card_value"] == independent(pan, expiry, "000")
    assert in_chip != on_stripe
    assert KEY not in script.named_keys()  # it is used before the script is made


def test_a_host_that_has_months_first_gets_its_own_cvv2(oracle: LocalOracle) -> None:
    view = oracle.gateway.admit(received_file("MONTHS", 1, 9300, "test-credit"), again=True)
    whose, terms = account(9300), CardTerms("2802", "201", "0228")
    values = oracle.preparation.card_values(JobRef(view.id, 1), whose, KEY, terms)
    assert values.printed == independent(whose.pan, "0228", "000")
    assert values.stripe == independent(whose.pan, "2802", "201")
    assert "9999" not in repr(whose)
    assert values.chip not in repr(values)


class Worn:
    """An encoder whose head writes nothing."""

    def encode(self, tracks: Sequence[bytes]) -> Sequence[bytes]:
        return [b"" for _ in tracks]


@pytest.mark.control("KIF-GFX-01")
def test_a_card_whose_stripe_does_not_read_back_is_suspect(
    oracle: LocalOracle, batch: BatchView
) -> None:
    view = personalise(claimed(oracle, batch.id), Wire(card()), oracle.chip).view
    found = print_card(view.id, oracle.graphics, SimulatedLaser(), Worn())
    assert found.state is JobState.SUSPECT
    assert "does not read back" in (found.reason or "")


def test_the_key_is_frozen_with_the_batch(oracle: LocalOracle, batch: BatchView) -> None:
    (prepared,) = (
        entry.event for entry in entries(oracle, batch) if isinstance(entry.event, BatchPrepared)
    )
    assert KEY in prepared.keys


def test_a_card_with_a_stripe_becomes_good(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card()
    view = personalise(claimed(oracle, batch.id), Wire(chip), oracle.chip).view
    job: JobRef = view.id
    print_card(job, oracle.graphics, SimulatedLaser(), SimulatedEncoder())
    good = check_chip(job, Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))
    assert good.state is JobState.GOOD
