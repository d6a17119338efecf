"""The PKCS#11 core against a bare C loop on the same token, and against pyemv without any HSM.

    scripts/bench hsm [--rounds N] [--json FILE]

For each operation, kif's own production function and the same PKCS#11 calls in C (``floor.c``: same
templates, built once) take turns, each in a process of its own, so that the machine's drift meets
both. Rounds are short and many, and the ratio is that of the best ones: what disturbs a round makes
it longer, never shorter. It is done with one process and with two at once on one token. Masters are
session objects on both sides.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kif.formats import emv, scp03
from kif.formats.apdu import Command, Response
from kif.formats.scp03 import InitializeUpdateResponse
from kif.formats.secret import Secret
from kif.hsm import softhsm
from kif.hsm.cmac import CmacMaster, CmacPair, key_of_messages, session_keys
from kif.hsm.crypt import encrypt_blocks, mac_of
from kif.hsm.data import protect, reveal
from kif.hsm.deliver import domain_keys, icc_check_values, wrapped_icc_keys
from kif.hsm.derive import derive_2tdea
from kif.hsm.emv import issuer_authentication, verify_cryptogram
from kif.hsm.key import Algorithm, Key, generate, released
from kif.hsm.keypair import generate_log_signer
from kif.hsm.library import softhsm_library
from kif.hsm.mac import derived_mac_key
from kif.hsm.memory import Head, LogMemory
from kif.hsm.provision import provision
from kif.hsm.scp03 import Channel, static_keys
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import Usage
from kif.hsm.wrap import wrap_cbc
from kif.simulator.card import DOMAIN_AID
from kif.simulator.securechannel import CardChannel, CardKeys, card_challenge
from kif.simulator.vendor import cmac
from tests.bench.floor import Floor, compiled_floor
from tests.hsm.objects import imported

COUNTS = {
    "option-a": 500,
    "cmac-2": 400,
    "derive-wrap": 400,
    "session-keys": 150,
    "cmac": 2000,
    "card": 10,
}
PIN = Secret(b"TEST-USER-PIN-0001")
PAN, PSN = "5413330000000019", "01"
MANAGER = bytes.fromhex("404142434445464748494A4B4C4D4E4F")
CARD, CHALLENGE, OF_CARD = bytes(range(10)), bytes(range(8)), bytes(range(8, 16))
STATIC = CardKeys(
    *(
        b"".join(cmac(MANAGER, message) for message in scp03.kdf3_messages(which, CARD, 128))
        for which in scp03.StaticKey
    )
)
Operation = Callable[[], object]


def aes(token: Token, usage: Usage, value: bytes = MANAGER) -> Key:
    return imported(token, usage, Algorithm.AES_128, value)


def tdea(token: Token, value: bytes) -> Key:
    return imported(token, Usage.CARD_DERIVATION, Algorithm.TDES_2, value)


def operation(token: Token, name: str) -> Operation:
    """Return what is measured, with its keys ready."""
    if name == "card":
        return Card(token).made
    master = tdea(token, bytes(range(1, 17)))
    pair = CmacPair(aes(token, Usage.CARD_DERIVATION), aes(token, Usage.PUBLIC_BLOCK))
    dek, mac = aes(token, Usage.CARD_TRANSPORT), aes(token, Usage.CHANNEL_MAC)
    context = CHALLENGE + OF_CARD
    wanted = {
        scp03.Constant.S_MAC: Usage.CHANNEL_MAC,
        scp03.Constant.S_RMAC: Usage.CHANNEL_MAC,
    }

    def option_a() -> None:
        derive_2tdea(master, emv.option_a(PAN, PSN), Usage.PUBLIC_BLOCK).destroy()

    def cmac_2() -> None:
        key_of_messages(pair, [bytes(32)], Algorithm.AES_128, Usage.PUBLIC_BLOCK).destroy()

    def derive_wrap() -> None:
        key = derive_2tdea(master, emv.option_a(PAN, PSN), Usage.CARD_DELIVERY)
        with released(key):
            wrap_cbc(dek, key, bytes(16))

    def keys() -> None:
        first = session_keys(pair, {scp03.Constant.S_ENC: Usage.PUBLIC_BLOCK}, context)
        with released(*first.values(), *session_keys(pair, wanted, context).values()):
            pass

    def one_cmac() -> None:
        mac_of(mac, bytes(32))

    return {
        "option-a": option_a,
        "cmac-2": cmac_2,
        "derive-wrap": derive_wrap,
        "session-keys": keys,
        "cmac": one_cmac,
    }[name]


class Card:
    """A whole card's worth of calls, as the oracle makes them; the card's answers are ready."""

    def __init__(self, token: Token) -> None:
        self.token = token
        public = aes(token, Usage.PUBLIC_BLOCK)
        self.manager = CmacMaster(
            aes(token, Usage.CARD_DERIVATION), encrypt_blocks(public, bytes(16))
        )
        self.issuer = [tdea(token, bytes(range(at, at + 16))) for at in (1, 17, 33)]
        self.batch = generate(token, Usage.BATCH_DATA, Algorithm.AES_256)
        self.sealed = protect(token, self.batch, Secret(bytes(900)), b"card")
        label = f"bench {time.monotonic_ns()}"
        self.signer = generate_log_signer(token, label, "bench")
        self.memory = LogMemory.create(token)
        self.data = emv.option_a(PAN, PSN)
        self.commands = [Command(0x80, 0xE2, 0, number, bytes(90)) for number in range(13)]
        self.challenge = card_challenge(STATIC, 1, DOMAIN_AID, 8)
        self.given = [b""] * (len(self.commands) - 1) + [bytes(10)]
        self.answer, self.answers = self._spoken(self.commands, self.given)
        self.last = [Command(0x80, 0xF2, 0x80, number, bytes(90)) for number in range(4)]
        self.secured = self._spoken(self.last, [bytes(38), b"", b"", bytes(25)])[1]
        self.arqc = self._arqc()

    def made(self) -> None:
        """Do for a card what production does, in its order."""
        self.token.random(8)
        self._open()
        self._log()  # claimed
        with self._channel() as channel:
            wrapped_icc_keys(channel.dek, self.issuer, self.data)
            icc_check_values(self.issuer, self.data)
            domain_keys(channel.dek, self.manager, CARD)
            channel.external_authenticate(0x33)
            for command in self.commands:
                channel.protect(command)
            self._log()  # authorised
            for number, response in enumerate(self.answers):
                channel.check(number, response)
        self._log()  # done
        self._open()
        self._log()  # printed
        self._open()
        master, atc = self.issuer[0], b"\x00\x01"
        verify_cryptogram(master, self.data, atc, bytes(38), self.arqc)
        issuer_authentication(master, self.data, atc, self.arqc, 2)
        verify_cryptogram(master, self.data, atc, bytes(38), self.arqc)  # the TC, over the same
        self.token.random(8)
        with self._channel() as channel:
            channel.external_authenticate(0x33)
            for command in self.last:
                channel.protect(command)
            for number, response in enumerate(self.secured):
                channel.check(number, response)
        self._log()  # verified

    @contextmanager
    def _channel(self) -> Iterator[Channel]:
        static = static_keys(self.manager, CARD)
        channel = Channel.open(static, CHALLENGE, self.answer, DOMAIN_AID)
        try:
            yield channel
        finally:
            channel.close()

    def _open(self) -> None:
        reveal(self.batch, self.sealed, b"card")

    def _log(self) -> None:
        self.signer.sign(bytes(100))
        self.memory.remember(Head(1, bytes(32)))

    def _spoken(
        self, commands: list[Command], given: list[bytes]
    ) -> tuple[InitializeUpdateResponse, list[Response]]:
        """Return what the card says in a session: to INITIALIZE UPDATE, and to the commands."""
        chip = CardChannel(STATIC, CHALLENGE, self.challenge)
        answer = InitializeUpdateResponse(
            CARD, 1, 0x70, self.challenge, chip.card_cryptogram, b"\x00\x00\x01"
        )
        channel = Channel.open(static_keys(self.manager, CARD), CHALLENGE, answer, DOMAIN_AID)
        assert chip.authenticate(Command.decode(channel.external_authenticate(0x33)))
        answers = []
        for command, data in zip(commands, given, strict=True):
            chip.unwrap(Command.decode(channel.protect(command)))
            answers.append(chip.wrap(Response(data, 0x9000)))
        channel.close()
        return answer, answers

    def _arqc(self) -> bytes:
        icc = derive_2tdea(self.issuer[0], self.data, Usage.CARD_DERIVATION)
        with (
            released(icc),
            derived_mac_key(icc, emv.session_key_data(emv.of_atc(b"\x00\x01"))) as key,
        ):
            return key.mac(emv.mac_padded(bytes(38)))


def measured(function: Operation, count: int) -> float:
    """Return microseconds of one call."""
    function()
    began = time.perf_counter()
    for _ in range(count):
        function()
    return 1e6 * (time.perf_counter() - began) / count


class Worker:
    """A process of kif with the token open, that measures when it is asked."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-m", "tests.bench.hsm", "--worker", str(directory)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def measure(self, name: str, count: int) -> float:
        """Return microseconds of an operation of kif."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name} {count}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def work(directory: str) -> None:
    """Be that process."""
    with Token.open(place_in(Path(directory)), PIN) as token:
        ready: dict[str, Operation] = {}
        for line in sys.stdin:
            name, count = line.split()
            if name not in ready:
                ready[name] = operation(token, name)
            print(f"{measured(ready[name], int(count)):.3f}", flush=True)


def of_pyemv(count: int) -> float:
    """Measure option A in pyemv: no HSM, the master key in the host's memory."""
    from pyemv import kd

    master = bytes(range(1, 17))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measured(lambda: kd.derive_icc_mk_a(master, PAN, PSN), count)


def place_in(directory: Path) -> TokenPlace:
    return TokenPlace(softhsm_library(), "kif-bench", directory)


@contextmanager
def token_directory() -> Iterator[TokenPlace]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        softhsm.use_directory(directory)
        place = place_in(directory)
        provision(place.library, place.label, Secret(b"TEST-SO-PIN-0001"), PIN)
        yield place


def compared(
    floor: Floor, place: TokenPlace, workers: list[Worker], name: str, rounds: int
) -> dict[str, float]:
    """Let floor and kif take turns; return the best of each, and the ratio of floor to kif."""
    count = COUNTS[name]
    bare: list[float] = []
    ours: list[float] = []
    with ThreadPoolExecutor(len(workers)) as pool:
        for _ in range(rounds):
            jobs = [pool.submit(floor, place, PIN, name, count) for _ in workers]
            bare.append(sum(job.result() for job in jobs) / len(jobs))
            jobs = [pool.submit(worker.measure, name, count) for worker in workers]
            ours.append(sum(job.result() for job in jobs) / len(jobs))
    return {
        "floor_us": round(min(bare), 1),
        "kif_us": round(min(ours), 1),
        "ratio_floor_to_kif": round(min(bare) / min(ours), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench hsm")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker)
        return
    found: dict[str, Any] = {}
    with token_directory() as place, compiled_floor() as floor:
        assert place.softhsm_directory is not None
        for processes in (1, 2):
            workers = [Worker(place.softhsm_directory) for _ in range(processes)]
            part = found[f"processes_{processes}"] = {}
            for name in COUNTS:
                part[name] = row = compared(floor, place, workers, name, given.rounds)
                print(f"{processes} {name:<14}", row, flush=True)
            for worker in workers:
                worker.close()
    pyemv = min(of_pyemv(COUNTS["option-a"]) for _ in range(given.rounds))
    ours = found["processes_1"]["option-a"]["kif_us"]
    found["pyemv"] = {"option_a_us": round(pyemv, 1), "ratio_pyemv_to_kif": round(pyemv / ours, 3)}
    print("pyemv", found["pyemv"])
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
