"""The machine behind real PC/SC, and its card transport."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kif.chip.reader import Reader, open_reader
from kif.chip.transport import Transport
from kif.formats.apdu import Command, Response
from kif.formats.error import DeviceFailed
from kif.simulator import pcscd
from tests.machine import LoadedMachine

SELECT = Command(0, 0xA4, 4, 0, le=256).encode()
UPDATE = Command(0x80, 0x50, 1, 0, bytes(8), 256).encode()


def serial(reader: Reader) -> bytes:
    return reader.transmit(UPDATE)[:10]


@pytest.fixture
def reader(machine: LoadedMachine) -> Iterator[Reader]:
    """The machine's reader."""
    opened = open_reader(machine.reader)
    yield opened
    opened.disconnect()


@pytest.fixture
def belt(machine: LoadedMachine) -> Transport:
    """The machine's transport."""
    return Transport.connect(machine.transport)


def test_each_blank_is_another_card(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load()
    serials = []
    for _ in range(5):
        assert belt.feed()
        reader.connect()
        assert Response.decode(reader.transmit(SELECT)).ok
        serials.append(serial(reader))
        reader.disconnect()
        belt.stack(good=True)
    assert len(set(serials)) == 5


def test_a_new_card_starts_without_the_session_of_the_old(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load()
    for _ in range(2):
        belt.feed()
        reader.connect()
        assert Response.decode(reader.transmit(bytes.fromhex("80E62000"))).sw == 0x6982
        serial(reader)
        reader.disconnect()
        belt.stack(good=False)


@pytest.mark.control("KIF-CHIP-03")
def test_a_card_that_vanishes_is_noticed_and_the_next_one_works(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load("vanish@1:2")
    belt.feed()
    reader.connect()
    reader.transmit(SELECT)
    with pytest.raises(DeviceFailed, match="gone from the reader"):
        reader.transmit(SELECT)
    reader.disconnect()
    belt.stack(good=False)
    belt.feed()
    reader.connect()
    assert Response.decode(reader.transmit(SELECT)).ok
    reader.disconnect()


def test_an_empty_hopper_says_so(machine: LoadedMachine, belt: Transport) -> None:
    machine.load(cards=1)
    assert belt.feed()
    belt.stack(good=True)
    assert not belt.feed()


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        (["FEED", "FEED"], "still in the reader"),
        (["STACK GOOD"], "no card in the reader"),
        (["HOPE"], "no request"),
    ],
)
def test_a_request_at_the_wrong_time_is_an_error(
    machine: LoadedMachine, requests: list[str], words: str
) -> None:
    machine.load()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(machine.transport))
        for request in requests:
            raw.sendall(request.encode() + b"\n")
            answer = raw.recv(1000).decode()
    assert answer.startswith("ERROR")
    assert words in answer


def test_a_long_command_goes_through_the_whole_path(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load()
    belt.feed()
    reader.connect()
    answer = reader.transmit(Command(0, 0xA4, 4, 0, bytes(255), 256).encode())
    assert Response.decode(answer).sw == 0x6A82
    reader.disconnect()


def processes(folder: str) -> list[str]:
    found = subprocess.run(["pgrep", "-fa", folder], capture_output=True, text=True, check=False)
    return [line for line in found.stdout.splitlines() if "pgrep" not in line]


PARENT = """
import subprocess, sys, time
from kif.simulator.tied import tied
subprocess.Popen(tied("TERM", [sys.executable, "-m", "kif.cli.main", "simulate", "--record",
                               sys.argv[1]]))
time.sleep(60)
"""


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "stacks")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        told = json.loads(parent.stdout.readline())
        folder = str(Path(told["pcscd"]).parents[1])
        assert processes(folder)
        os.kill(parent.pid, signal.SIGKILL)
    for _ in range(100):
        if not processes(folder) and not Path(folder).exists():
            break
        time.sleep(0.05)
    assert not processes(folder)
    assert not Path(folder).exists()


def test_the_witness_writes_down_each_card(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kif.cli.main", "simulate", "--record", str(tmp_path / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        belt = Transport.connect(
            Path(json.loads(running.stdout.readline())["readers"][0]["transport"])
        )
        for good in (True, False):
            belt.feed()
            belt.stack(good)
        running.terminate()
    noted = [json.loads(line) for line in (tmp_path / "s").read_text().splitlines()]
    assert [each["stack"] for each in noted] == ["good", "reject"]
    assert [each["personalised"] for each in noted] == [False, False]


@pytest.mark.control("KIF-CHIP-01")
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pcscd, "_DRIVER", tmp_path / "nowhere.so")
    with pytest.raises(DeviceFailed, match="apt-get install vsmartcard-vpcd"):
        pcscd.PrivatePcscd()
    monkeypatch.setattr(pcscd, "_SEARCH", str(tmp_path))
    with pytest.raises(DeviceFailed, match="apt-get install pcscd"):
        pcscd.PrivatePcscd()
