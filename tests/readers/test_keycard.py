"""A GlobalPlatform host that nobody here wrote (keycard-go, a Go module), and an SCP02 card.

``scripts/test readers`` runs this: it needs Go. The host opens cards that have GlobalPlatform's
default keys, so the blank gets these.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kif.simulator.card import Card
from kif.simulator.content import APPLICATION_MODULE, APPLICATION_PACKAGE
from kif.simulator.emv import APPLICATION_AID
from kif.simulator.securechannel import CardKeys
from kif.simulator.vendor import OLD_TEST_VENDOR
from tests.readers.pipe import Spoken, speak

pytestmark = pytest.mark.readers
DEFAULT = bytes(range(0x40, 0x50))
NAMES = (APPLICATION_PACKAGE, APPLICATION_MODULE, APPLICATION_AID)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built."""
    made = tmp_path_factory.mktemp("keycard") / "host"
    source = Path(__file__).parent / "keycard"
    subprocess.run(["go", "build", "-o", str(made), "."], cwd=source, check=True, timeout=300)
    return made


def spoken(host: Path, card: Card) -> Spoken:
    return speak([str(host), *(name.hex() for name in NAMES)], card)


def blank() -> Card:
    card = Card(vendor=OLD_TEST_VENDOR)
    card.keyset.keys = CardKeys(DEFAULT, DEFAULT, DEFAULT)
    card.application.personalised = True
    return card


def test_another_host_opens_lists_and_installs_by_scp02(host: Path) -> None:
    card = blank()
    done = spoken(host, card)
    assert (done.code, done.told) == (0, ["OP_READY"])
    assert [raw[:4].hex().upper() for raw in done.sent] == [
        *("00A40400", "80500000", "84820100"),
        *("84F28002", "84E40000", "84E60C00"),
    ]
    assert APPLICATION_AID in card.registry.applications
    assert not card.application.personalised  # it was made anew


def test_it_finds_that_other_keys_are_not_its_own(host: Path) -> None:
    done = spoken(host, Card(vendor=OLD_TEST_VENDOR))
    assert (done.code, len(done.sent)) == (1, 2)
    assert done.told[0].startswith("open ")
