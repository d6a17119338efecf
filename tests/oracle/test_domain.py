"""The last session with a card: whose keys open it, and that it is closed for good."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.error import CheckFailed, DeviceFailed, Refused
from kif.formats.lifecycle import CardState
from kif.formats.state import JobState
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView, JobRef, JobView
from kif.quality.chip import check_chip
from kif.simulator.card import DOMAIN_AID, Card
from kif.simulator.keyset import KeySet
from tests.hsm.objects import nothing_left
from tests.oracle.test_chip import Wire, batch, card, make, token
from tests.simulator.host import Host

__all__ = ["batch"]
ISSUERS_VERSION = 0x30


def printed(oracle: LocalOracle, batch: BatchView, chip: Card) -> JobRef:
    job = make(oracle, batch, chip).view
    assert job.state is JobState.PERSONALISED, job.reason
    return oracle.graphics.printed(job.id).id


def checked(oracle: LocalOracle, batch: BatchView, chip: Card) -> JobView:
    return check_chip(printed(oracle, batch, chip), Wire(chip), oracle.quality, secrets.token_bytes)


@pytest.mark.control("KIF-CHIP-08", "KIF-QC-03")
def test_a_good_card_is_secured_and_its_vendor_opens_it_no_more(
    oracle: LocalOracle, batch: BatchView
) -> None:
    chip = card()
    with nothing_left(token(oracle)):
        assert checked(oracle, batch, chip).state is JobState.GOOD
    assert (chip.registry.state, chip.keyset.version) == (CardState.SECURED, ISSUERS_VERSION)
    chip.reset()
    update = Command(0x80, 0x50, 1, 0, bytes(8), 256)
    assert Response.decode(chip.apdu(update.encode())).sw == 0x6A88
    with pytest.raises(AssertionError):
        Host(chip.apdu)


def test_each_card_has_keys_of_its_own(oracle: LocalOracle, batch: BatchView) -> None:
    first, second = card(), card()
    for chip in (first, second):
        make(oracle, batch, chip)
    keys = [key for chip in (first, second) for key in vars(chip.keyset.keys).values()]
    assert len(set(keys)) == 6
    assert {len(key) for key in keys} == {16}


LYING = {
    "keeps-keys@1": ("KIF-CHIP-08", "The vendor's keys were answered 9000, not 6A88"),
    "stays-open@1": ("KIF-QC-03", "does not say that it is SECURED"),
}


@pytest.mark.control("KIF-CHIP-08", "KIF-QC-03")
@pytest.mark.parametrize("fault", LYING)
def test_a_card_that_lies_about_its_keys_or_state_is_suspect(
    oracle: LocalOracle, batch: BatchView, fault: str
) -> None:
    with nothing_left(token(oracle)):
        job = checked(oracle, batch, card(fault))
    control, told = LYING[fault]
    assert job.state is JobState.SUSPECT
    assert told in (job.reason or "")
    assert control in (job.reason or "")


@pytest.mark.control("KIF-CHIP-08")
@pytest.mark.parametrize("lost", ["a key", "the version", "the other card"])
def test_other_keys_than_the_issuers_are_found(
    oracle: LocalOracle, batch: BatchView, lost: str
) -> None:
    chip, other = card(), card()
    job = printed(oracle, batch, chip)
    if lost == "a key":
        chip.keyset.keys = replace(chip.keyset.keys, mac=bytes(16))
    elif lost == "the version":
        chip.keyset.version = 2
    else:
        printed(oracle, batch, other)
        chip.serial, chip.keyset.keys = other.serial, other.keyset.keys
    with nothing_left(token(oracle)):
        view = check_chip(job, Wire(chip), oracle.quality, secrets.token_bytes)
    assert view.state is JobState.SUSPECT
    assert "does not open with the issuer's keys" in (view.reason or "")
    assert chip.registry.state is CardState.OP_READY


@pytest.mark.control("KIF-CHIP-08")
def test_another_key_set_beside_the_issuers_is_found(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card()
    job = printed(oracle, batch, chip)
    chip.registry.domains[DOMAIN_AID].sets.append(KeySet(chip.keyset.keys, 2))
    with nothing_left(token(oracle)):
        view = check_chip(job, Wire(chip), oracle.quality, secrets.token_bytes)
    assert view.state is JobState.SUSPECT
    assert "The card's security domain does not have the issuer's keys and no others" in (
        view.reason or ""
    )
    assert chip.registry.state is CardState.OP_READY


def test_a_card_that_is_further_than_its_delivery_is_suspect(
    oracle: LocalOracle, batch: BatchView
) -> None:
    chip = card()
    chip.registry.state = CardState.INITIALIZED
    job = checked(oracle, batch, chip)
    assert job.state is JobState.SUSPECT
    assert "Command 3 of 5 was answered 6985" in (job.reason or "")


@pytest.mark.control("KIF-QC-03")
def test_nothing_is_secured_before_it_was_checked_nor_good_before_it_is_secured(
    oracle: LocalOracle, batch: BatchView
) -> None:
    job, quality = printed(oracle, batch, card()), oracle.quality
    with pytest.raises(Refused, match="no verified cryptograms"):
        quality.secure(job, [])
    with pytest.raises(Refused, match="was not asked yet"):
        quality.require_secured(job, [])
    chip = card()
    job, wire = printed(oracle, batch, chip), Wire(chip)
    answers = [wire.transmit(each) for each in quality.open_domain(job)]
    with pytest.raises(CheckFailed, match="Nothing was asked"):
        quality.require_secured(job, [])
    with pytest.raises(Refused, match="no verified cryptograms"):
        quality.secure(job, answers)
    assert chip.registry.state is CardState.OP_READY
    quality._checks[job].verified = True
    with pytest.raises(Refused, match="is not SECURED"):
        quality.accept(job, ["hope"])
    for cut in (0, 3):
        with pytest.raises(DeviceFailed, match=f"answered {cut} of 4 commands"):
            quality.secure(job, answers[:cut])
    secured = [wire.transmit(each) for each in quality.secure(job, answers)]
    with pytest.raises(DeviceFailed, match="answered 4 of 5 commands"):
        quality.require_secured(job, secured[:-1])
    quality.require_secured(job, secured)
    assert quality.accept(job, ["tried"]).state is JobState.GOOD


OPENING, SCRIPT, CHECK = 2, 14, 19
"""How many commands a card has before any key leaves, in its script, and when it is checked."""


@pytest.mark.control("KIF-CHIP-03")
@pytest.mark.parametrize("at", range(1, OPENING + SCRIPT + CHECK + 2))
def test_power_lost_at_any_command_makes_no_good_card(
    oracle: LocalOracle, batch: BatchView, at: int
) -> None:
    """Before a key left the job is ready again; after it the card is suspect; never good."""
    chip = card(f"vanish@1:{at}")
    with nothing_left(token(oracle)):
        job = make(oracle, batch, chip).view
        if job.state is JobState.PERSONALISED:
            job = oracle.graphics.printed(job.id)
            job = check_chip(job.id, Wire(chip), oracle.quality, secrets.token_bytes)
    if at <= OPENING:
        assert job.state is JobState.PREPARED
        assert chip.keyset.version == 1
    else:
        whole = at > OPENING + SCRIPT + CHECK
        assert job.state is (JobState.GOOD if whole else JobState.SUSPECT)
