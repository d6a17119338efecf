"""The line: cards a second, the share of each stage, the ratio to the floor; flat over a batch.

    scripts/bench line [--cards N] [--sizes 100,2000] [--json FILE]

Part one makes N cards at a simulated machine that runs as a process of its own, through pcscd. The
floor of a card is what nobody can leave out, measured in the same run: its APDUs (the time within
SCardTransmit), the handling of the card over the same PC/SC, its PKCS#11 calls in a bare C loop on
the same token (``floor.c``), and five commits of the bare database.

Part two makes whole batches of the given sizes over a wire (no reader), each in a site and process
of its own, and compares the time of a card in the first and the last tenth of the largest with one
of the smallest, and the memory. The time of the simulated card itself is left out.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from kif.chip.personalise import personalise
from kif.cli.line import open_machine
from kif.cli.machine import simulated_machine
from kif.formats.link import CardLink
from kif.graphics.print import SimulatedLaser, print_card
from kif.graphics.stripe import SimulatedEncoder
from kif.line import round as line_round
from kif.line.machine import Machine
from kif.oracle.local import LocalOracle
from kif.oracle.messages import Claim
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from tests.bench.floor import compiled_floor
from tests.site import TestSite, make_site, released_batch

COMMITS = 5
"""Entries of a good card at one station: claimed, authorised, done, printed, verified."""


@dataclass
class Clock:
    """Seconds by what they were spent on."""

    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def timed(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, with its time added up."""

        def run(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.spent[what] += time.perf_counter() - began

        return run

    @contextmanager
    def replaying(self) -> Iterator[None]:
        """Time PC/SC's own transmission of each command ("apdu"): a bare replay has no more."""
        from smartcard import scard

        real = scard.SCardTransmit
        scard.SCardTransmit = self.timed("apdu", real)
        try:
            yield
        finally:
            scard.SCardTransmit = real


class Timed:
    """An object whose named methods are timed."""

    def __init__(self, real: Any, clock: Clock, **methods: str) -> None:
        self._real = real
        for method, what in methods.items():
            setattr(self, method, clock.timed(what, getattr(real, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def at_the_machine(site: TestSite, oracle: LocalOracle, cards: int) -> dict[str, float]:
    """Make cards at a simulated machine; return milliseconds a card, by what they were for."""
    clock, batch = Clock(), released_batch(site, oracle, "BENCH", cards)
    with (
        simulated_machine(site.home.path / "stacks.jsonl", ()) as (name, transport),
        open_machine("station-1", name, transport) as real,
        clock.replaying(),
    ):
        reader: Any = Timed(real.reader, clock, connect="card", disconnect="card")
        belt = Timed(real.transport, clock, feed="card", stack="card", place="card")
        machine = Machine(real.name, reader, reader, belt, real.printer, real.encoder)
        for name in ("personalise", "print_card", "check_chip"):
            setattr(line_round, name, clock.timed(name, getattr(line_round, name)))
        began = time.perf_counter()
        made = line_round.make_cards(oracle, batch.id, machine)
        clock.spent["all"] = time.perf_counter() - began
    assert made.good == cards
    return {what: 1000 * seconds / cards for what, seconds in clock.spent.items()}


def bare_commit(folder: Path, count: int = 500) -> float:
    """Return milliseconds of a commit with a leaf, a checkpoint and a row, fully durable."""
    database = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE leaf (i INTEGER PRIMARY KEY, leaf BLOB)",
        "CREATE TABLE note (i INTEGER PRIMARY KEY, note TEXT)",
        "CREATE TABLE job (i INTEGER PRIMARY KEY, state TEXT)",
    ):
        database.execute(statement)
    began = time.perf_counter()
    for number in range(count):
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO leaf VALUES (?, ?)", (number, b"x" * 250))
        database.execute("INSERT INTO note VALUES (?, ?)", (number, "x" * 200))
        database.execute("REPLACE INTO job VALUES (?, ?)", (number // COMMITS, "state"))
        database.execute("COMMIT")
    return 1000 * (time.perf_counter() - began) / count


def bare_calls(site: TestSite, cards: int = 300) -> float:
    """Return milliseconds of a card's PKCS#11 calls in the C loop, on the site's token."""
    place = site.home.token_place()
    with compiled_floor() as floor:
        return floor(place, site.pin(), "site-card", cards) / 1000


class Wire(CardLink):
    """A card without a reader; its own time is counted apart."""

    def __init__(self) -> None:
        self.card, self.seconds = Card(), 0.0

    def transmit(self, command: bytes) -> bytes:
        began = time.perf_counter()
        answer = self.card.apdu(command)
        self.seconds += time.perf_counter() - began
        return answer


def whole_batch(home: Path, size: int) -> dict[str, float]:
    """Make a whole batch over a wire; return milliseconds a card in its first and last tenth."""
    site = make_site(home)
    took: list[float] = []
    with site.oracle() as oracle:
        began = time.perf_counter()
        batch = released_batch(site, oracle, "BATCH", size)
        prepared, before = time.perf_counter() - began, _mebibytes("VmRSS")
        for _ in range(size):
            wire, began = Wire(), time.perf_counter()
            claim = oracle.chip.claim(batch.id, "station-1", secrets.token_hex(16))
            assert isinstance(claim, Claim)
            job = personalise(claim, wire, oracle.chip).view
            job = print_card(job.id, oracle.graphics, SimulatedLaser(), SimulatedEncoder())
            check_chip(job.id, wire, oracle.quality, secrets.token_bytes)
            took.append(time.perf_counter() - began - wire.seconds)
    tenth = max(size // 10, 50)
    return {
        "cards": size,
        "receive_and_prepare_milliseconds_a_card": 1000 * prepared / size,
        "first_tenth_milliseconds_a_card": 1000 * mean(took[:tenth]),
        "last_tenth_milliseconds_a_card": 1000 * mean(took[-tenth:]),
        "mebibytes_before_the_first_card": before,
        "mebibytes_after_the_last_card": _mebibytes("VmRSS"),
        "peak_mebibytes": _mebibytes("VmHWM"),
    }


def _mebibytes(what: str) -> float:
    """Return a line of this process's status, in MiB."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if what in line) / 1024


def in_its_own_process(size: int) -> dict[str, float]:
    """Make a whole batch in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        whole = ["--whole", str(size), "--home", folder]
        command = [sys.executable, "-m", "tests.bench.line", *whole]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def ratio_to_floor(cards: int) -> dict[str, Any]:
    """Measure part one."""
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder) / "home")
        with site.oracle() as oracle:
            spent = at_the_machine(site, oracle, cards)
        commit, calls = bare_commit(Path(folder)), bare_calls(site)
    floor = spent["apdu"] + spent["card"] + calls + COMMITS * commit
    bare = floor - spent["card"]
    stages = {
        "chip": spent["personalise"],
        "graphics": spent["print_card"],
        "quality": spent["check_chip"],
        "handling of the card": spent["card"],
    }
    stages["claim and the rest"] = spent["all"] - sum(stages.values())
    return {
        "cards": cards,
        "cards_a_second": 1000 / spent["all"],
        "milliseconds_a_card": spent["all"],
        "share_of_stages": {name: took / spent["all"] for name, took in stages.items()},
        "floor_milliseconds": {
            "APDUs": spent["apdu"],
            "handling of the card": spent["card"],
            "PKCS#11 calls in C": calls,
            "commits": COMMITS * commit,
        },
        "ratio_of_floor_to_card": floor / spent["all"],
        "ratio_of_floor_to_card_without_handling": bare / (spent["all"] - spent["card"]),
    }


def flat(sizes: list[int]) -> dict[str, Any]:
    """Measure part two."""
    found = {str(size): in_its_own_process(size) for size in sizes}
    small, large = found[str(min(sizes))], found[str(max(sizes))]
    first, last = "first_tenth_milliseconds_a_card", "last_tenth_milliseconds_a_card"
    return found | {
        "ratio_card_of_largest_batch_to_smallest": large[last] / small[first],
        "ratio_last_tenth_to_first_of_largest": large[last] / large[first],
        "ratio_memory_after_to_before_of_largest": (
            large["mebibytes_after_the_last_card"] / large["mebibytes_before_the_first_card"]
        ),
        "ratio_peak_memory_of_largest_to_smallest": (
            large["peak_mebibytes"] / small["peak_mebibytes"]
        ),
    }


def main() -> None:
    """Run the benchmark and say what came out."""
    parser = argparse.ArgumentParser(prog="scripts/bench line")
    parser.add_argument("--cards", type=int, default=200)
    parser.add_argument("--sizes", default="100,2000")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--whole", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.whole:
        print(json.dumps(whole_batch(given.home / "home", given.whole)))
        return
    sizes = [int(size) for size in given.sizes.split(",")]
    found = {"machine": ratio_to_floor(given.cards), "batches": flat(sizes)}
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
