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


def spoken(host: Path, card: Card) -> tuple[int, str, list[bytes]]:
    """Have the host speak to a card; return its exit code, what it said, and its commands."""
    sent = []
    command = [str(host), *(name.hex() for name in NAMES)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            sent.append(bytes.fromhex(line))
            process.stdin.write(card.apdu(sent[-1]).hex() + "\n")
            process.stdin.flush()
        said = process.stderr.read()
    return process.returncode, said, sent


def blank() -> Card:
    card = Card(vendor=OLD_TEST_VENDOR)
    card.keyset.keys = CardKeys(DEFAULT, DEFAULT, DEFAULT)
    card.application.personalised = True
    return card


def test_another_host_opens_lists_and_installs_by_scp02(host: Path) -> None:
    card = blank()
    code, said, sent = spoken(host, card)
    assert (code, said.split()) == (0, ["OP_READY"])
    assert [raw[:4].hex().upper() for raw in sent] == [
        *("00A40400", "80500000", "84820100"),
        *("84F28002", "84E40000", "84E60C00"),
    ]
    assert APPLICATION_AID in card.registry.applications
    assert not card.application.personalised  # it was made anew


def test_it_finds_that_other_keys_are_not_its_own(host: Path) -> None:
    code, said, sent = spoken(host, Card(vendor=OLD_TEST_VENDOR))
    assert (code, len(sent)) == (1, 2)
    assert said.startswith("open ")
