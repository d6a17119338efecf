"""A GlobalPlatform host that nobody here wrote (scll, a Rust crate), and cards of SCP03 and SCP02.

``scripts/test readers`` runs this: it needs cargo. Its S16 mode has another bit of "i" than the
cards that were recorded, so it opens the S8 mode's alone.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

import pytest

from kif.chip.personalise import personalise
from kif.formats.lifecycle import CardState
from kif.formats.scp03 import Options, StaticKey
from kif.formats.state import JobState
from kif.oracle.local import LocalOracle
from kif.quality.chip import check_chip
from kif.simulator.card import DOMAIN_AID, Card
from kif.simulator.content import DOMAIN_MODULE, DOMAIN_PACKAGE
from kif.simulator.emv import APPLICATION_AID
from kif.simulator.securechannel import CardKeys
from kif.simulator.vendor import OLD_TEST_VENDOR, TEST_VENDOR, Vendor
from tests.oracle.test_chip import Wire
from tests.oracle.test_chip import card as blank
from tests.readers.pipe import Spoken, speak
from tests.site import TestSite, claimed, released_batch

pytestmark = pytest.mark.readers
MADE, NEW_VERSION = bytes.fromhex("A0000000990001"), 0x30


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built."""
    made = tmp_path_factory.mktemp("scll")
    source, built = Path(__file__).parent / "scll", dict(os.environ, CARGO_TARGET_DIR=str(made))
    subprocess.run(["cargo", "build", "--quiet"], cwd=source, env=built, check=True, timeout=500)
    return made / "debug" / "host"


def whole(keys: CardKeys) -> str:
    return (keys.enc + keys.mac + keys.dek).hex()


def listed(host: Path, card: Card, version: int, keys: CardKeys) -> Spoken:
    """Have the host open a card by keys of a version, and list it."""
    return speak([str(host), "33", f"{version:02X}", whole(keys)], card)


def managed(host: Path, card: Card, level: int, keys: CardKeys) -> Spoken:
    """Have the host give a card other keys, make and delete a domain, and secure the card."""
    own = card.keyset
    before = (f"{level:02X}", f"{own.version:02X}", whole(own.keys))
    after = (f"{NEW_VERSION:02X}", whole(keys))
    names = (each.hex() for each in (DOMAIN_PACKAGE, DOMAIN_MODULE, MADE))
    return speak([str(host), *before, *after, *names], card)


def keys_of(size: int) -> CardKeys:
    return CardKeys(*(secrets.token_bytes(size) for _ in range(3)))


AES_192, AES_256 = (Vendor("test-vendor", (secrets.token_bytes(size),)) for size in (24, 32))
CARDS = {
    "no R-MAC": (TEST_VENDOR, 0x00, 0x03),
    "random challenge": (TEST_VENDOR, 0x60, 0x33),
    "pseudo-random challenge": (TEST_VENDOR, 0x70, 0x33),
    "C-MAC and R-MAC": (TEST_VENDOR, 0x70, 0x11),
    "C-MAC": (TEST_VENDOR, 0x70, 0x01),
    "AES-192": (AES_192, 0x70, 0x33),
    "AES-256": (AES_256, 0x70, 0x13),
    "SCP02": (OLD_TEST_VENDOR, 0x70, 0x03),
}
"""Vendor, "i" of SCP03, security level."""


@pytest.mark.parametrize("name", CARDS)
def test_another_host_opens_lists_re_keys_and_secures(host: Path, name: str) -> None:
    vendor, options, level = CARDS[name]
    card = Card(vendor=vendor, options=Options(options))
    keys, version = keys_of(len(card.keyset.keys.dek)), card.keyset.version
    done = managed(host, card, level, keys)
    assert done.code == 0, done.told
    there = f"application {APPLICATION_AID.hex().upper()} {DOMAIN_AID.hex().upper()}"
    domain = f"domain {MADE.hex().upper()} 07"
    sessions = [line for line in done.told if line.startswith("open")]
    assert sessions == [f"open {each:02X} {level:02X}" for each in (version, NEW_VERSION)]
    assert (done.told.count(there), done.told.count(domain)) == (2, 1)
    assert done.told[-3:] == ["status Initialized", "status Secured", f"keys {NEW_VERSION:02X}"]
    (left,) = card.registry.domains[DOMAIN_AID].sets
    assert (left.keys, left.version, card.registry.state) == (keys, 0x30, CardState.SECURED)
    assert MADE not in card.registry.applications


def test_it_finds_that_other_keys_are_not_the_cards(host: Path) -> None:
    card = Card()
    done = listed(host, card, 1, keys_of(16))
    assert (done.code, done.told[-1]) == (1, "open CardCryptogramFail")


def test_it_opens_a_finished_card_by_its_issuers_keys_and_finds_it_secured(
    site: TestSite, oracle: LocalOracle, host: Path
) -> None:
    number = 100 * len(oracle.supervision.batches()) + 1
    batch = released_batch(site, oracle, f"S-{number}", 1, first=number)
    chip = blank()
    view = personalise(claimed(oracle, batch.id), Wire(chip), oracle.chip).view
    oracle.graphics.printed(view.id)
    good = check_chip(view.id, Wire(chip), oracle.quality, secrets.token_bytes)
    assert good.state is JobState.GOOD
    done = listed(host, chip, chip.keyset.version, chip.keyset.keys)
    assert (done.code, "status Secured" in done.told) == (0, True), done.told
    assert f"application {APPLICATION_AID.hex().upper()} {DOMAIN_AID.hex().upper()}" in done.told
    vendors = CardKeys(*(TEST_VENDOR.static_key(which, chip.serial, 1) for which in StaticKey))
    for version in (1, chip.keyset.version):
        assert listed(host, chip, version, vendors).code == 1
