"""Commands that end with this process."""

import os
import signal
import subprocess
import sys
import time

from kif.simulator import tied as module
from kif.simulator.tied import tied

PARENT = """
import subprocess, time
from kif.simulator.tied import tied
print(subprocess.Popen(tied("KILL", ["sleep", "60"])).pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_child_ends_when_the_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        os.kill(parent.pid, signal.SIGKILL)
    for _ in range(200):
        if not alive(child):
            return
        time.sleep(0.02)
    raise AssertionError("the child is still there")


def test_a_child_whose_parent_is_gone_already_does_not_start() -> None:
    command = tied("KILL", ["echo", "started"])
    command[command.index(module._STILL_OURS) + 1] = "1"  # another parent than we are
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
