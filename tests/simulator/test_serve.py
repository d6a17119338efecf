"""The machine as a process: what it says, what it writes down, and that nothing of it stays."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kif.chip.transport import Transport
from kif.simulator import folder

SERVE = """
import sys
from pathlib import Path
from kif.simulator.machine import serve
serve(readers=int(sys.argv[1]), cards=None, faults=(), record=Path(sys.argv[2]))
"""
PARENT = """
import subprocess, sys, time
from kif.simulator.tied import tied
subprocess.Popen(tied("TERM", [sys.executable, "-c", *sys.argv[1:]]))
time.sleep(60)
"""
STATION = """
import sys
from kif.chip.reader import open_reader
for name in sys.argv[1:]:
    reader = open_reader(name)
    reader.connect()
    print(reader.transmit(bytes.fromhex("8050010008000000000000000000"))[:10].hex())
    reader.disconnect()
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary directory of the test's own, with a name that is short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="kt-"))
    yield made
    shutil.rmtree(made)


def start(temporary: Path, *parent: str, readers: int = 1) -> "subprocess.Popen[str]":
    """Start the machine, below a parent if there is one, with its folders in ``temporary``."""
    return subprocess.Popen(
        [sys.executable, "-c", *parent, SERVE, str(readers), str(temporary / "stacks")],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, TMPDIR=str(temporary)),
    )


def told(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def running(temporary: Path) -> list[str]:
    """The command lines that name the directory."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = each.read_bytes()
        except OSError:
            continue  # It ended meanwhile.
        if os.fsencode(temporary) in command:
            found.append(command.decode(errors="replace"))
    return found


def all_gone(temporary: Path) -> bool:
    """Whether within a few seconds no process of the directory is left."""
    for _ in range(100):
        if not running(temporary):
            return True
        time.sleep(0.05)
    return False


def folders(temporary: Path) -> list[Path]:
    return list(temporary.glob("kif-sim-*"))


def test_every_reader_has_a_card_of_its_own(temporary: Path) -> None:
    with start(temporary, readers=3) as process:
        answer = told(process)
        for each in answer["readers"]:
            Transport.connect(Path(each["transport"])).feed()
        station = subprocess.run(
            [sys.executable, "-c", STATION, *(each["name"] for each in answer["readers"])],
            env=dict(os.environ, PCSCLITE_CSOCK_NAME=answer["pcscd"]),
            capture_output=True,
            text=True,
            check=False,
        )
        process.terminate()
    assert station.returncode == 0, station.stderr
    assert len(set(station.stdout.split())) == 3


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_it_is_told_to_end(temporary: Path, end: signal.Signals) -> None:
    with start(temporary) as process:
        told(process)
        assert any("pcscd" in each for each in running(temporary))
        process.send_signal(end)
    assert process.returncode == 0
    assert not running(temporary)
    assert not folders(temporary)


def test_no_process_is_left_when_it_is_killed(temporary: Path) -> None:
    with start(temporary) as process:
        told(process)
        assert any("pcscd" in each for each in running(temporary))
        process.kill()
    assert all_gone(temporary)


def test_no_process_is_left_when_it_is_killed_while_it_starts(temporary: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)  # noqa: S311
    for _ in range(12):
        with start(temporary) as process:
            time.sleep(moments.uniform(0.05, 0.4))
            process.kill()
    assert all_gone(temporary)


def test_nothing_is_left_when_its_parent_is_killed(temporary: Path) -> None:
    with start(temporary, PARENT) as parent:
        told(parent)
        parent.kill()
    assert all_gone(temporary)
    assert not folders(temporary)


def test_the_next_run_removes_what_a_killed_one_left(temporary: Path) -> None:
    with start(temporary) as process:
        told(process)
        process.kill()
    (left,) = folders(temporary)
    os.utime(left, (0, 0))
    with start(temporary) as process:
        told(process)
        assert not left.exists()
        (held,) = folders(temporary)
        os.utime(held, (0, 0))
        folder.remove_abandoned(temporary)
        assert held.exists()
        process.terminate()


def test_the_witness_writes_down_each_card(temporary: Path) -> None:
    with start(temporary) as process:
        belt = Transport.connect(Path(told(process)["readers"][0]["transport"]))
        for good in (True, False):
            belt.feed()
            belt.stack(good)
        process.terminate()
    noted = [json.loads(line) for line in (temporary / "stacks").read_text().splitlines()]
    assert [each["stack"] for each in noted] == ["good", "reject"]
    assert [each["personalised"] for each in noted] == [False, False]
    assert len({each["serial"] for each in noted}) == 2
