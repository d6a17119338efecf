"""Cards that are kept are the same cards when they are put in again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kif.formats.error import BadInput
from kif.simulator.card import Card
from kif.simulator.kept import keep, take
from kif.simulator.vendor import BARE_TEST_VENDOR
from tests.cli.kif import kif
from tests.simulator.host import Host
from tests.simulator.script import personalise

READ = """
import sys
from kif.chip.reader import open_reader
reader = open_reader(sys.argv[1])
reader.connect()
for command in sys.argv[2:]:
    print(reader.transmit(bytes.fromhex(command)).hex())
reader.disconnect()
"""
SELECT, OPTIONS = "00A4040007A000000099999900", "80A8000002830000"
ATC = "80CA9F3600"


def finished() -> Card:
    card = Card()
    personalise(Host(card.apdu))
    return card


def told(card: Card, *commands: str) -> list[bytes]:
    return [card.apdu(bytes.fromhex(command)) for command in commands]


def test_a_card_comes_back_with_all_of_its_memory(tmp_path: Path) -> None:
    card = finished()
    told(card, SELECT, OPTIONS)
    keep(card, tmp_path / "good" / "card.json")
    again = take(tmp_path / "good" / "card.json")
    assert (again.serial, again.keyset) == (card.serial, card.keyset)
    for record in ("00B2010C00", "00B2011400", ATC):
        assert told(card, SELECT, OPTIONS, record) == told(again, SELECT, OPTIONS, record)
    assert (tmp_path / "good" / "card.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "{}", '{"kif-test-card-3":{}}', "[1]"])
def test_what_is_no_card_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "card.json").write_text(content)
    with pytest.raises(BadInput, match="is not a card that"):
        take(tmp_path / "card.json")


def test_a_kept_card_is_put_into_a_reader_and_its_counter_goes_on(tmp_path: Path) -> None:
    keep(finished(), path := tmp_path / "card.json")
    counters = []
    for _ in range(2):
        command = [sys.executable, "-m", "kif.cli.main", "simulate", "--insert", str(path)]
        machine = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert machine.stdout is not None
        place = json.loads(machine.stdout.readline())
        read = subprocess.run(
            [sys.executable, "-c", READ, place["readers"][0]["name"], SELECT, OPTIONS, ATC],
            env=os.environ | {"PCSCLITE_CSOCK_NAME": place["pcscd"]},
            capture_output=True,
            text=True,
            check=True,
        )
        counters.append(read.stdout.splitlines()[-1])
        machine.terminate()
        assert machine.wait(20) == 0
    assert counters == ["9f360200019000", "9f360200029000"]


def test_a_machine_is_fed_and_stacked_by_command(tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    command = [sys.executable, "-m", "kif.cli.main", "simulate", "--cards", "2"]
    command += ["--vendor", BARE_TEST_VENDOR.name, "--keep", str(folder)]
    machine = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert machine.stdout is not None
    belt = ("--transport", json.loads(machine.stdout.readline())["readers"][0]["transport"])
    try:
        for where in ("good", "reject"):
            assert kif(tmp_path, "station", "feed", *belt).out == "A card is in the reader.\n"
            assert kif(tmp_path, "station", "stack", where, *belt).code == 0
            (kept,) = (folder / where).iterdir()
            assert take(kept).vendor is BARE_TEST_VENDOR
        assert kif(tmp_path, "station", "feed", *belt).code == 3
        none = kif(tmp_path, "station", "stack", "good", *belt)
        assert none.code == 3
        assert "no card in the reader" in none.err
    finally:
        machine.terminate()
        machine.wait(20)
