"""A finished card, read by a library that phones read bank cards with (emvnfccard, from Maven).

``scripts/test readers`` runs this: it needs a JDK of 16 or newer, and Maven. It reads over the air:
of a directory over contacts the library asks for record 0, and EMV has none (Book 1, 12.2.3).
"""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

import pytest

from kif.chip.personalise import personalise
from kif.formats.pan import with_check_digit
from kif.formats.state import JobState
from kif.oracle.local import LocalOracle
from kif.quality.chip import check_chip
from kif.simulator.kept import keep
from kif.simulator.machine import Machine
from tests.oracle.test_chip import Wire, antenna, card
from tests.site import TestSite, claimed, released_batch

pytestmark = pytest.mark.readers
SOURCE = Path(__file__).parent / "emvnfccard" / "Read.java"
LIBRARIES = (
    "com.github.devnied.emvnfccard:library:3.0.1",
    "com.github.devnied:bit-lib4j:1.4.10",
    "org.apache.commons:commons-lang3:3.9",
    "org.apache.commons:commons-collections4:4.4",
    "commons-io:commons-io:2.6",
    "net.sf.scuba:scuba-smartcards:0.0.18",
    "org.slf4j:slf4j-api:1.7.30",
    "org.slf4j:slf4j-nop:1.7.30",
)
COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy"
PCSC = "/usr/lib/x86_64-linux-gnu/libpcsclite.so.1"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library and the program that uses it, compiled."""
    folder = tmp_path_factory.mktemp("emvnfccard")
    for each in LIBRARIES:
        given = [f"-Dartifact={each}", f"-DoutputDirectory={folder}"]
        subprocess.run(["mvn", "-q", "-B", COPY, *given], check=True, timeout=300)
    compiled = ["javac", "-cp", f"{folder}/*", "-d", str(folder), str(SOURCE)]
    subprocess.run(compiled, check=True, timeout=300)
    return folder


def read(reader: Path, machine: Machine) -> dict[str, str]:
    ((name, _),) = machine.readers
    command = ["java", f"-Dsun.security.smartcardio.library={PCSC}", "-cp", f"{reader}:{reader}/*"]
    done = subprocess.run(
        [*command, "Read", name],
        env=dict(os.environ, PCSCLITE_CSOCK_NAME=machine.socket),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def test_a_finished_card_is_read_by_another_program(
    site: TestSite, oracle: LocalOracle, tmp_path: Path, reader: Path
) -> None:
    number = 100 * len(oracle.supervision.batches()) + 1
    batch = released_batch(site, oracle, f"R-{number}", 1, first=number, product="test-credit")
    chip = card()
    view = personalise(claimed(oracle, batch.id), Wire(chip), oracle.chip).view
    oracle.graphics.printed(view.id)
    over = (Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))
    assert check_chip(view.id, *over).state is JobState.GOOD
    keep(chip, tmp_path / "card.json")
    with Machine(inserted=tmp_path / "card.json", contactless=True) as machine:
        found = read(reader, machine)
    assert found["number"] == with_check_digit(f"99999900{number:07}")
    assert (found["application"], found["label"]) == ("a0000000999999", "TEST CREDIT")
    assert found["step"] == "READ"
    assert (found["expires"], found["service"]) == ("2031-02", "INTERNATIONNAL_ICC")
    assert found["holder"] == "null/null"  # no name goes over the air
    assert int(found["counter"]) > 1
    assert found["tries"] == "3"
