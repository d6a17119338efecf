"""Two issuers with two key versions each, and two vendors with two each, in one site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kif.chip.personalise import personalise
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import KeyRef
from kif.formats.pan import with_check_digit
from kif.formats.state import JobState, KeyState
from kif.graphics.front import require_fit
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView, Claim, JobView
from kif.preparation.prepare import prepare_batch
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.simulator.fault import Fault, Faults
from kif.simulator.issuer import TestIssuer
from kif.simulator.vendor import OTHER_TEST_VENDOR, TEST_VENDOR, VENDORS
from tests.certificate import issuer_certificate
from tests.hsm.objects import nothing_left
from tests.hsm.software import option_a
from tests.oracle.test_chip import Wire
from tests.site import ISSUER, OPERATORS, TestSite, claimed, new_claim, received_file

OTHER_ISSUER = "other-issuer"
EMV = ("emv-ac", "emv-smi", "emv-smc")
PRODUCTS = {TEST_VENDOR.name: "test-debit", OTHER_TEST_VENDOR.name: "test-prepaid"}


@pytest.fixture(scope="module")
def oracle(site: TestSite, oracle: LocalOracle) -> LocalOracle:
    """The site's oracle, with every key."""
    oracle.supervision.register_issuer(OTHER_ISSUER, issuer_certificate().encode())
    for plan, owner in (
        ("vendor-keys", TEST_VENDOR.name),
        ("vendor-keys", OTHER_TEST_VENDOR.name),
        ("vendor-keys", OTHER_TEST_VENDOR.name),
        ("issuer-keys", ISSUER),
        ("issuer-keys", OTHER_ISSUER),
        ("issuer-keys", OTHER_ISSUER),
        ("issuer-domain-key", ISSUER),
        ("issuer-domain-key", OTHER_ISSUER),
        ("issuer-domain-key", OTHER_ISSUER),
    ):
        site.load_keys(oracle, plan, owner)
    return oracle


def prepared(oracle: LocalOracle, issuer: str, vendor: str, chosen: list[KeyRef]) -> BatchView:
    """Receive and prepare a batch of one card of an issuer on a vendor's blanks."""
    number = len(oracle.supervision.batches())
    file = received_file(f"{issuer}-{number}", 1, first=10 * number + 1)
    view = oracle.gateway.admit(replace(file, issuer=issuer, product=PRODUCTS[vendor]), again=True)
    return prepare_batch(view.id, oracle.preparation, require_fit, lambda: None, chosen)


def pan_of(number: int) -> str:
    """Return the PAN of the card of the batch of this number."""
    return with_check_digit(f"99999900{10 * number + 1:07}")


def release(site: TestSite, oracle: LocalOracle, batch: BatchView) -> None:
    for person in OPERATORS:
        site.approve(oracle, batch.id, person)


def versions(issuer: str, vendor: str, version: int) -> list[KeyRef]:
    keys = [KeyRef(issuer, purpose, version) for purpose in EMV]
    domain = KeyRef(issuer, "issuer-domain", version)
    return [*keys, domain, KeyRef(vendor, "card-manager", version)]


@pytest.mark.control("KIF-HSM-04", "KIF-HSM-05")
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("vendor", PRODUCTS)
@pytest.mark.parametrize("issuer", [ISSUER, OTHER_ISSUER])
def test_a_card_gets_its_own_issuers_keys_on_its_own_vendors_chip(
    site: TestSite, oracle: LocalOracle, issuer: str, vendor: str, version: int
) -> None:
    """What the chip holds is what the issuer's own host derives from its own master keys."""
    chosen = versions(issuer, vendor, version)
    batch = prepared(oracle, issuer, vendor, chosen if version == 1 else [])
    release(site, oracle, batch)
    claim = claimed(oracle, batch.id)
    wire = Wire(Card(vendor=VENDORS[vendor], version=version))
    job = personalise(claim, wire, oracle.chip).view
    assert job.state is JobState.PERSONALISED, job.reason
    oracle.graphics.printed(job.id)
    assert check_chip(job.id, wire, oracle.quality, bytes).state is JobState.GOOD
    host, pan = TestIssuer(Path(), issuer), pan_of(len(oracle.supervision.batches()) - 1)
    assert wire.card.application._keys == [
        option_a(host.master_key(purpose, version), pan, "00") for purpose in EMV
    ]
    with oracle.gateway.desk.record.reading() as (state, _):
        released = dict(state.batches.require(batch.id).keys)
    assert released.keys() == {str(key) for key in chosen}


@pytest.mark.control("KIF-CHIP-02")
def test_another_vendors_chip_or_version_does_not_open(site: TestSite, oracle: LocalOracle) -> None:
    for vendor, version in ((OTHER_TEST_VENDOR, 2), (TEST_VENDOR, 1)):
        batch = prepared(oracle, ISSUER, TEST_VENDOR.name, [])
        release(site, oracle, batch)
        claim = claimed(oracle, batch.id)
        done = personalise(claim, Wire(Card(vendor=vendor, version=version)), oracle.chip)
        assert "KIF-CHIP-02" in (done.rejected or "")
        assert done.view.state is JobState.PREPARED
        wire = Wire(Card(vendor=TEST_VENDOR, version=2))
        personalise(claimed(oracle, batch.id), wire, oracle.chip)


def printed_and_checked(oracle: LocalOracle, job: JobView, wire: Wire) -> JobView:
    oracle.graphics.printed(job.id)
    return check_chip(job.id, wire, oracle.quality, bytes)


DIRECT = (2, 9, 2, 3, 2, 2, 18)
"""Commands of a card whose applications are selected: to open and fill each of the two, to open the
domain and replace its keys, to check it."""


@pytest.mark.control("KIF-CHIP-03", "KIF-CHIP-08")
@pytest.mark.parametrize("at", range(1, sum(DIRECT) + 2))
def test_power_lost_at_any_command_of_two_sessions_makes_no_good_card(
    site: TestSite, oracle: LocalOracle, at: int
) -> None:
    batch = prepared(oracle, ISSUER, OTHER_TEST_VENDOR.name, [])
    release(site, oracle, batch)
    faults = Faults.of_card([Fault.parse(f"vanish@1:{at}")], 1)
    wire = Wire(Card(faults, vendor=OTHER_TEST_VENDOR, version=2))
    with nothing_left(oracle.gateway.desk.keys.token):
        job = personalise(claimed(oracle, batch.id), wire, oracle.chip).view
        if job.state is JobState.PERSONALISED:
            job = printed_and_checked(oracle, job, wire)
    if at <= DIRECT[0]:
        assert job.state is JobState.PREPARED
    else:
        assert job.state is (JobState.GOOD if at > sum(DIRECT) else JobState.SUSPECT), job.reason


class Swapped(Wire):
    """Another card is in the reader from the second selection on."""

    def __init__(self, first: Card, second: Card) -> None:
        super().__init__(first)
        self.second, self.selected = second, 0

    def transmit(self, command: bytes) -> bytes:
        self.selected += command[1] == 0xA4
        if self.selected == 2:
            self.card = self.second
        return super().transmit(command)


@pytest.mark.control("KIF-CHIP-06")
def test_a_card_that_is_changed_between_two_sessions_makes_a_suspect(
    site: TestSite, oracle: LocalOracle
) -> None:
    batch = prepared(oracle, ISSUER, OTHER_TEST_VENDOR.name, [])
    release(site, oracle, batch)
    first, second = (Card(vendor=OTHER_TEST_VENDOR, version=2) for _ in range(2))
    done = personalise(claimed(oracle, batch.id), Swapped(first, second), oracle.chip)
    assert done.view.state is JobState.SUSPECT
    assert "Another card is in the reader now" in (done.view.reason or "")
    assert second.keyset.version == 1


@pytest.mark.control("KIF-HSM-05")
def test_a_key_of_somebody_else_is_not_chosen(oracle: LocalOracle) -> None:
    for key in (KeyRef(OTHER_ISSUER, "emv-ac", 1), KeyRef(ISSUER, "lunch", 1)):
        with pytest.raises(BadInput, match="The batch needs no key like"):
            prepared(oracle, ISSUER, TEST_VENDOR.name, [key])
    with pytest.raises(BadInput, match="There is no key test-issuer/emv-ac/9"):
        prepared(oracle, ISSUER, TEST_VENDOR.name, [KeyRef(ISSUER, "emv-ac", 9)])


@pytest.mark.control("KIF-HSM-08")
def test_a_suspended_key_stops_its_batch_until_it_is_active_again(
    site: TestSite, oracle: LocalOracle
) -> None:
    batch = prepared(oracle, ISSUER, TEST_VENDOR.name, [])
    release(site, oracle, batch)
    key = KeyRef(ISSUER, "emv-smc", 2)
    oracle.custody.change_state(key, KeyState.SUSPENDED, "It may have been seen.")
    with pytest.raises(Refused, match="test-issuer/emv-smc/2 is suspended"):
        new_claim(oracle, batch.id)
    oracle.custody.change_state(key, KeyState.ACTIVE, "It was not.")
    assert isinstance(new_claim(oracle, batch.id), Claim)
