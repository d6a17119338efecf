"""``kif card read``: a finished card behind a real PC/SC reader, as a terminal reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kif.simulator.card import Card
from kif.simulator.kept import keep
from kif.simulator.machine import Machine
from tests.simulator.host import Host
from tests.simulator.script import personalise


def read(machine: Machine, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kif.cli.main", "--home", str(home), "card", "read", *arguments],
        env=dict(os.environ, PCSCLITE_CSOCK_NAME=machine.socket),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_finished_card_is_read_in_a_reader(tmp_path: Path) -> None:
    card = Card()
    personalise(Host(card.apdu))
    keep(card, tmp_path / "card.json")
    with Machine(inserted=tmp_path / "card.json") as machine:
        ((name, _),) = machine.readers
        (application,) = json.loads(read(machine, tmp_path, "--reader", name, "--json").stdout)
        table = read(machine, tmp_path, "--reader", name)
        missing = read(machine, tmp_path, "--reader", "Acme")
    assert application["application"] == "A0000000999999"
    found = {each["tag"]: each for each in application["objects"]}
    assert found["5F20"]["value"] == b"TEST/CARD".hex().upper()
    assert (found["82"]["name"], found["82"]["value"]) == (
        "Application Interchange Profile",
        "1C00",
    )
    assert table.stdout.startswith("Application A0000000999999\n")
    assert "Cardholder Name" in table.stdout
    assert (missing.returncode, "no reader 'Acme'" in missing.stderr) == (3, True)


@pytest.mark.control("KIF-QC-01")
def test_a_blank_shows_no_application_data(tmp_path: Path) -> None:
    card = Card()
    card.registry.application = None
    keep(card, tmp_path / "card.json")
    with Machine(inserted=tmp_path / "card.json") as machine:
        ((name, _),) = machine.readers
        done = read(machine, tmp_path, "--reader", name)
    assert done.returncode == 1
    assert "none of the applications that the products have" in done.stderr
