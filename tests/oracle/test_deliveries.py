"""Deliveries of blanks: of a vendor that registers them, no other blank gets a key."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from kif.chip.personalise import personalise
from kif.formats.error import Refused
from kif.formats.scp03 import StaticKey
from kif.formats.state import JobState
from kif.ledger.snapshot import encode_snapshot, restore_snapshot
from kif.oracle.local import LocalOracle
from kif.oracle.messages import Done
from kif.simulator.vendor import OTHER_TEST_VENDOR, TEST_VENDOR
from tests.cli.kif import kif, operators
from tests.hsm.objects import nothing_left
from tests.oracle.test_chip import Wire, card, token
from tests.site import TestSite, claimed, make_site, released_batch

VENDOR = TEST_VENDOR.name


@pytest.fixture
def own(tmp_path: Path) -> TestSite:
    """A site of this test's own: what is registered counts for all of its batches."""
    return make_site(tmp_path / "home")


def serials(count: int) -> list[bytes]:
    return [b"KIFT" + secrets.token_bytes(6) for _ in range(count)]


def tried(oracle: LocalOracle, batch: str, serial: bytes | None = None) -> Done:
    chip = card()
    if serial is not None:
        chip.serial = serial
        chip.keyset.keys = type(chip.keyset.keys)(
            *(TEST_VENDOR.static_key(which, serial, 1) for which in StaticKey)
        )
    return personalise(claimed(oracle, batch), Wire(chip), oracle.chip)


@pytest.mark.control("KIF-CHIP-09")
def test_a_blank_of_no_delivery_is_rejected_before_a_key_leaves(own: TestSite) -> None:
    delivered = serials(2)
    with own.oracle() as oracle:
        batch = released_batch(own, oracle, "DELIVERED", 3).id
        assert tried(oracle, batch).view.state is JobState.PERSONALISED  # nothing is registered yet
        oracle.supervision.register_delivery(VENDOR, "D-1", delivered)
        with nothing_left(token(oracle)):
            foreign = tried(oracle, batch)
        assert foreign.view.state is JobState.PREPARED
        assert "is of no delivery of test-vendor" in (foreign.rejected or "")
        assert tried(oracle, batch, delivered[1]).view.state is JobState.PERSONALISED


@pytest.mark.control("KIF-CHIP-07")
def test_a_blank_with_another_operating_system_is_rejected_before_a_key_leaves(
    own: TestSite,
) -> None:
    with own.oracle() as oracle:
        batch = released_batch(own, oracle, "CHIPS", 2, product="test-credit").id
        other = card()
        other.vendor = replace(TEST_VENDOR, chip=bytes.fromhex("4B494654000160010200"))
        with nothing_left(token(oracle)):
            done = personalise(claimed(oracle, batch), Wire(other), oracle.chip)
        assert done.view.state is JobState.PREPARED
        assert "The card's chip is 4B494654000160010200 by its CPLC" in (done.rejected or "")
        untagged = card()
        real = untagged.apdu
        untagged.apdu = lambda raw: real(raw)[3:] if raw[1] == 0xCA else real(raw)  # type: ignore[method-assign]
        done = personalise(claimed(oracle, batch), Wire(untagged), oracle.chip)
        assert done.view.state is JobState.PERSONALISED


@pytest.mark.control("KIF-CHIP-07")
def test_a_blank_that_tells_no_cplc_is_rejected(own: TestSite) -> None:
    with own.oracle() as oracle:
        batch = released_batch(own, oracle, "MUTE", 1, product="test-credit").id
        done = personalise(claimed(oracle, batch), Wire(card("refuse@1:2")), oracle.chip)
    assert "GET DATA of the CPLC was answered 6A80, not 9000" in (done.rejected or "")


WRONG = {
    "the same number": (VENDOR, "D-1", 1, "delivery D-1 is registered already"),
    "somebody who delivers nothing": ("nobody", "D-1", 1, "nobody is no vendor whose keys"),
    "a vendor without keys": (OTHER_TEST_VENDOR.name, "D-1", 1, "is no vendor whose keys"),
}


@pytest.mark.control("KIF-CHIP-09")
def test_a_delivery_is_taken_once_of_a_vendor_whose_keys_are_here(own: TestSite) -> None:
    first = serials(2)
    with own.oracle() as oracle:
        batch = released_batch(own, oracle, "USED", 1).id
        register = oracle.supervision.register_delivery
        register(VENDOR, "D-1", first)
        for vendor, name, count, told in WRONG.values():
            with pytest.raises(Refused, match=told):
                register(vendor, name, serials(count))
        with pytest.raises(Refused, match="was delivered or used before"):
            register(VENDOR, "D-2", [first[1]])
        with pytest.raises(Refused, match="a serial is in it twice"):
            register(VENDOR, "D-2", serials(1) * 2)
        assert tried(oracle, batch, first[0]).view.state is JobState.PERSONALISED
        with oracle.gateway.desk.record.deciding() as state:
            assert first[0] in state.chips
        tail = oracle.gateway.desk.record.tail
        known = tail.state.deliveries.known
        again = restore_snapshot(encode_snapshot(tail), tail.verifier).state.deliveries
        assert (again.known, list(again.known)) == (known, [(VENDOR, "D-1")])
        again.require(VENDOR, first[1])


@pytest.mark.control("KIF-CHIP-09")
def test_deliveries_are_registered_and_listed_by_command(own: TestSite, tmp_path: Path) -> None:
    home, opened, file = own.home.path, operators(own), tmp_path / "serials.txt"
    file.write_text("".join(f"{each.hex()}\n" for each in serials(3)))
    done = kif(home, "delivery", "register", VENDOR, "D-7", file, given=opened)
    assert (done.code, done.out.strip().endswith("3 blanks of test-vendor are registered.")) == (
        0,
        True,
    )
    assert kif(home, "delivery", "list", "--json").json() == [
        {"vendor": VENDOR, "delivery": "D-7", "blanks": 3, "used": 0, "left": 3}
    ]
    for content in ("", "00" * 9, "no hex", "00" * 10 + "\n" + "00" * 11):
        file.write_text(content)
        wrong = kif(home, "delivery", "register", VENDOR, "D-8", file)
        assert wrong.code == 2
        assert "is no list of 1 to 5000 serials" in wrong.err
    assert kif(home, "log", "verify").code == 0
