"""What the HSM remembers of the log, whatever happens to the process that writes it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pkcs11 import Attribute, ObjectClass

from kif.formats.error import DeviceFailed
from kif.hsm.memory import EMPTY, Head, LogMemory
from kif.hsm.token import Token

ROOT = bytes(range(32))


def objects(token: Token) -> list[object]:
    wanted = {Attribute.CLASS: ObjectClass.DATA, Attribute.APPLICATION: "kif log-head"}
    return list(token.session.get_objects(wanted))


@pytest.fixture
def memory(token: Token) -> LogMemory:
    """A memory of this test's own."""
    for native in objects(token):
        native.destroy()  # type: ignore[attr-defined]
    return LogMemory.create(token)


def test_a_new_memory_remembers_an_empty_log(token: Token, memory: LogMemory) -> None:
    assert LogMemory(token).recall() == EMPTY


@pytest.mark.control("KIF-LOG-05")
def test_the_last_head_is_remembered(token: Token, memory: LogMemory) -> None:
    for size in range(1, 8):
        memory.remember(Head(size, ROOT))
        assert LogMemory(token).recall() == Head(size, ROOT)
    assert len(objects(token)) == 2


def test_a_memory_goes_on_where_another_left_it(token: Token, memory: LogMemory) -> None:
    for size in range(1, 6):
        again = LogMemory(token)
        again.recall()
        again.remember(Head(size, ROOT))
    assert sorted(Head.parse(n[Attribute.LABEL]).size for n in objects(token)) == [4, 5]  # type: ignore[index,union-attr]


@pytest.mark.parametrize("label", ["", "x", "5", f"5 {'0' * 63}", f"-5 {'0' * 64}"])
def test_one_damaged_object_is_made_good_from_the_other(
    token: Token, memory: LogMemory, label: str
) -> None:
    memory.remember(Head(4, ROOT))
    memory.remember(Head(5, ROOT))
    for native in objects(token):
        if native[Attribute.LABEL].startswith("5 "):  # type: ignore[index]
            native[Attribute.LABEL] = label  # type: ignore[index]
    again = LogMemory(token)
    assert again.recall() == Head(4, ROOT)
    again.remember(Head(6, ROOT))
    again.remember(Head(7, ROOT))
    assert LogMemory(token).recall() == Head(7, ROOT)


@pytest.mark.control("KIF-LOG-05")
def test_a_token_that_remembers_nothing_is_a_sentence(token: Token, memory: LogMemory) -> None:
    first, second = objects(token)
    first.destroy()  # type: ignore[attr-defined]
    memory = LogMemory(token)
    assert memory.recall() == EMPTY
    for native in objects(token):
        native.destroy()  # type: ignore[attr-defined]
    with pytest.raises(DeviceFailed, match="The HSM remembers no log"):
        LogMemory(token).recall()
    assert second is not None


WRITER = """
import sys
from pathlib import Path
from kif.formats.secret import Secret
from kif.hsm import softhsm
from kif.hsm.library import softhsm_library
from kif.hsm.memory import Head, LogMemory
from kif.hsm.provision import provision
from kif.hsm.token import Token, TokenPlace
place = TokenPlace(softhsm_library(), "TEST", Path(sys.argv[1]))
pin = Secret(b"TEST-1234")
if sys.argv[2] == "make":
    softhsm.use_directory(place.softhsm_directory)
    provision(place.library, place.label, pin, pin)
    with Token.open(place, pin) as token:
        LogMemory.create(token)
    sys.exit()
with Token.open(place, pin) as token:
    memory = LogMemory(token)
    size = memory.recall().size
    print(size, flush=True)
    while sys.argv[2] == "write":
        size += 1
        memory.remember(Head(size, bytes(32)))
"""


@pytest.mark.control("KIF-LOG-05")
def test_a_process_that_is_killed_while_it_writes_leaves_a_head(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "token")]
    subprocess.run([*command, "make"], check=True)
    last = 0
    for _ in range(5):
        with subprocess.Popen([*command, "write"], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            began = int(writer.stdout.readline())
            assert began >= last
            last = began
            try:
                writer.wait(0.15)
            except subprocess.TimeoutExpired:
                os.kill(writer.pid, signal.SIGKILL)
    out = subprocess.run([*command, "read"], check=True, capture_output=True, text=True).stdout
    assert int(out) > last
