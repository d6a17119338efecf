"""Where keys are not: in no buffer that goes to the library or comes from it, and not in the host.

Every value is computed here in software from the components, which the run itself never adds up.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kif.formats import emv, scp03
from kif.formats.apdu import Command, Response
from kif.formats.cmac import xor
from kif.formats.scp03 import Constant, StaticKey
from kif.formats.weak import odd_parity
from kif.hsm.library import softhsm_library
from kif.simulator.securechannel import CardChannel, CardKeys
from tests.hsm import derivation_run as run
from tests.hsm.software import aes_cbc, cmac, kdf3, option_a, tdes_ecb, tdes_kcv

SOURCE = Path(__file__).with_name("recorder.c")


def whole(name: str) -> bytes:
    one, other = map(bytes.fromhex, run.COMPONENTS[name])
    return xor(one, other)


ISSUER, MANAGER = odd_parity(whole("issuer")), whole("manager")
STATIC = CardKeys(*(kdf3(MANAGER, int(which), run.CARD)[:16] for which in StaticKey))


def session_key(static: bytes, constant: Constant) -> bytes:
    (message,) = scp03.derivation_messages(constant, run.HOST + run.OF_CARD, 128)
    return cmac(static, message)


ICC = option_a(ISSUER, run.PAN, run.PSN)
AC = odd_parity(tdes_ecb(ICC, emv.session_key_data(emv.of_atc(run.ATC))))
KEYS = {
    "issuer master": ISSUER,
    "issuer master as entered": whole("issuer"),
    "card manager master": MANAGER,
    "ICC master key": ICC,
    "session key for cryptograms": AC,
    "left half of it twice": AC[:8] * 2,
    "Key-ENC": STATIC.enc,
    "Key-MAC": STATIC.mac,
    "Key-DEK": STATIC.dek,
    "S-ENC": session_key(STATIC.enc, Constant.S_ENC),
    "S-MAC": session_key(STATIC.mac, Constant.S_MAC),
    "S-RMAC": session_key(STATIC.mac, Constant.S_RMAC),
}


def spoken() -> tuple[str, str]:
    """Return the card's cryptogram, and its answers to the run's commands."""
    chip = CardChannel(STATIC, run.HOST, run.OF_CARD)
    twin = CardChannel(STATIC, run.HOST, run.OF_CARD)
    # The host's side in software: what it sends does not change what R-MACs are over but its C-MAC.
    answers = []
    for protected in protected_by_software(twin):
        chip.unwrap(protected) if chip.open else chip.authenticate(protected)
        if protected.ins != 0x82:
            answers.append(chip.wrap(Response(b"", 0x9000)).data.hex())
    return chip.card_cryptogram.hex(), ",".join(answers)


def protected_by_software(twin: CardChannel) -> Iterator[Command]:
    """Yield EXTERNAL AUTHENTICATE and the commands as the host will send them."""
    s_enc, s_mac = KEYS["S-ENC"], KEYS["S-MAC"]
    (message,) = scp03.derivation_messages(Constant.HOST_CRYPTOGRAM, run.HOST + run.OF_CARD, 64)
    plain = [Command(0x84, 0x82, 0x33, 0x00, cmac(s_mac, message)[:8]), *run.COMMANDS]
    chaining = bytes(16)
    for number, command in enumerate(plain):
        data = command.data
        if number:
            vector = aes_cbc(s_enc, bytes(16), scp03.encryption_iv_block(number))
            data = aes_cbc(s_enc, vector, scp03.pad(data))
        header = bytes((command.cla | 4, command.ins, command.p1, command.p2, len(data) + 8))
        chaining = cmac(s_mac, chaining + header + data)
        yield Command(command.cla | 4, command.ins, command.p1, command.p2, data + chaining[:8])


@dataclass(frozen=True)
class Ran:
    """A run that is over: what it said, its buffers, and its memory when its keys were there."""

    said: dict[str, str]
    buffers: bytes
    memory: bytes


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Do the run on SoftHSM behind the recorder."""
    folder = tmp_path_factory.mktemp("run")
    recorder = folder / "librecorder-softhsm2.so"
    subprocess.run(
        ["cc", "-O1", "-shared", "-fPIC", "-o", recorder, SOURCE, "-ldl"],
        check=True,
        capture_output=True,
    )
    record = folder / "record"
    seen = {"RECORDED_LIBRARY": str(softhsm_library()), "RECORD": str(record)}
    command = [sys.executable, "-m", run.__name__, str(recorder), str(folder / "token"), *spoken()]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=os.environ | seen
    ) as process:
        assert process.stdout is not None
        said = {}
        for line in process.stdout:
            name, _, value = line.strip().partition(" ")
            said[name] = value
            if name == "ready":
                break
        memory = memory_of(process.pid)
        process.communicate()
    assert process.returncode == 0
    return Ran(said, record.read_bytes(), memory)


def memory_of(pid: int) -> bytes:
    """Return everything that a process can write to: heap, stacks, data of its libraries."""
    parts = []
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found and "[vvar]" not in line:
                begin, end = int(found[1], 16), int(found[2], 16)
                file.seek(begin)
                parts.append(file.read(end - begin) or b"")
    return b"".join(parts)


def test_the_run_made_the_keys_that_are_looked_for(ran: Ran) -> None:
    assert ran.said["wrapped"] == aes_cbc(STATIC.dek, bytes(16), ICC).hex()
    assert ran.said["kcv"] == tdes_kcv(ICC).hex()
    assert "ready" in ran.said


@pytest.mark.control("KIF-HSM-04")
def test_the_recorder_sees_every_buffer(ran: Ran) -> None:
    for component in (bytes.fromhex(each) for each in run.COMPONENTS["issuer"]):
        for piece in (component[:8], component[8:]):
            assert piece in ran.buffers  # a custodian's component does pass, eight bytes at a time
    assert bytes.fromhex(ran.said["wrapped"]) in ran.buffers
    assert bytes.fromhex(ran.said["ac"]) in ran.buffers
    assert emv.option_a(run.PAN, run.PSN) in ran.buffers
    assert run.SO_PIN.reveal() not in ran.buffers  # C_InitToken is not recorded


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("name", KEYS)
def test_no_key_is_in_a_buffer_that_goes_to_the_library_or_comes_from_it(
    ran: Ran, name: str
) -> None:
    key = KEYS[name]
    assert key not in ran.buffers
    for at in range(0, len(key), 8):
        assert key[at : at + 8] not in ran.buffers


def test_the_memory_that_is_searched_is_that_of_the_run(ran: Ran) -> None:
    for component in run.COMPONENTS["issuer"]:
        assert component.encode() in ran.memory


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("name", KEYS)
def test_no_key_is_in_the_memory_of_the_process(ran: Ran, name: str) -> None:
    assert KEYS[name] not in ran.memory
    assert KEYS[name].hex() not in ran.memory.decode("latin-1").lower()
