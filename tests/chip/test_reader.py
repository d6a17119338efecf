"""Readers that are not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kif.chip.reader import open_reader
from kif.formats.error import DeviceFailed
from kif.simulator.card import Card
from kif.simulator.kept import keep
from kif.simulator.vendor import OTHER_TEST_VENDOR
from tests.machine import LoadedMachine

OPEN = """
from kif.chip.reader import open_reader
from kif.formats.error import KifError
try:
    open_reader("VPCD A 00 00")
except KifError as error:
    print(error.exit_code, error)
"""


@pytest.mark.control("KIF-CHIP-01")
def test_a_service_that_does_not_run_is_a_sentence() -> None:
    environment = {**os.environ, "PCSCLITE_CSOCK_NAME": "/nowhere/pcscd.comm"}
    said = subprocess.run(
        [sys.executable, "-c", OPEN], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert said.startswith("3 The PC/SC service does not answer")
    assert "[KIF-CHIP-01]" in said


@pytest.mark.control("KIF-CHIP-01")
def test_a_reader_that_is_not_there_names_those_that_are(machine: LoadedMachine) -> None:
    with pytest.raises(DeviceFailed, match=r"no reader 'Acme'; found: 'VPCD A 00 00'"):
        open_reader("Acme")


GONE = """
import os, sys
from kif.chip.reader import open_reader
from kif.chip.transport import Transport
from kif.formats.error import KifError
from kif.simulator.machine import Machine

with Machine() as machine:
    os.environ["PCSCLITE_CSOCK_NAME"] = machine.socket
    (name, path), = machine.readers
    Transport.connect(path).feed()
    reader = open_reader(name)
    if sys.argv[1] == "in use":
        reader.connect()
        print(reader.transmit(bytes.fromhex("00A40400")).hex()[-4:])
    machine._pcscd._process.kill()
    machine._pcscd._process.wait()
    try:
        reader.transmit(bytes(4)) if sys.argv[1] == "in use" else reader.connect()
    except KifError as error:
        print(error.exit_code, error)
    reader.disconnect()
"""


@pytest.mark.control("KIF-CHIP-01")
@pytest.mark.parametrize("moment", ["in use", "between cards"])
def test_a_service_that_dies_is_no_fault_of_the_card(moment: str) -> None:
    command = [sys.executable, "-c", GONE, moment]
    *before, said = (
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    ).stdout.splitlines()
    assert before == (["9000"] if moment == "in use" else [])
    assert said.startswith("3 The reader 'VPCD A 00 00' can't be used: ")
    assert said.endswith("[KIF-CHIP-01]")


EXTENDED = """
import os, sys
from pathlib import Path
from kif.chip.reader import open_reader
from kif.formats.apdu import Command
from kif.formats.dgi import Dgi
from kif.simulator.machine import Machine
from kif.simulator.vendor import OTHER_TEST_VENDOR
from tests.simulator.host import Host
from tests.simulator.script import groups, store
from tests.simulator.test_card import SELECT_APPLICATION

with Machine(inserted=Path(sys.argv[1])) as machine:
    os.environ["PCSCLITE_CSOCK_NAME"] = machine.socket
    reader = open_reader(machine.readers[0][0])
    reader.connect()
    assert reader.transmit(SELECT_APPLICATION.encode())[-2:] == bytes.fromhex("9000")
    host = Host(reader.transmit, 0x33, OTHER_TEST_VENDOR.keys[0])
    assert host.open().ok
    print(f"{host.secured(Command(0x80, 0xE2, 0x08, 0, Dgi(0x9102, bytes(900)).encode())).sw:04X}")
    reader.disconnect()
"""


def test_a_command_of_extended_length_reaches_the_card(tmp_path: Path) -> None:
    keep(Card(vendor=OTHER_TEST_VENDOR), tmp_path / "card.json")
    command = [sys.executable, "-c", EXTENDED, str(tmp_path / "card.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("9000\n", "")


RELAY = """
import os, sys
from pathlib import Path
from kif.chip.reader import open_reader
from kif.simulator.machine import Machine

SELECT, UNKNOWN, DATA = (bytes.fromhex(each) for each in ("00A4040000", "80CA123400", "80CA004200"))
with Machine(inserted=Path(sys.argv[1])) as machine:
    os.environ["PCSCLITE_CSOCK_NAME"] = machine.socket
    reader = open_reader(machine.readers[0][0])
    reader.connect()
    for whole in (False, True):
        answers = reader.relay((SELECT, UNKNOWN, DATA), whole=whole)
        print(*(each[-2:].hex().upper() for each in answers))
    assert reader.relay((DATA, DATA)) == [reader.transmit(DATA)] * 2
    reader.disconnect()
"""


def test_commands_are_relayed_until_one_fails_or_all_of_them(tmp_path: Path) -> None:
    keep(Card(), tmp_path / "card.json")
    command = [sys.executable, "-c", RELAY, str(tmp_path / "card.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("9000 6A88\n9000 6A88 9000\n", "")
