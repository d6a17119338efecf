"""Chip and quality: cards a second with one, two and four readers, and the ratio to a floor.

    scripts/bench chip [--cards N] [--product NAME] [--json FILE]

Simulated machines run as one process of their own, with a reader each behind pcscd. Each reader has
a thread with the stages chip and quality, without print; all share one oracle. The floor of a card
is what nobody can leave out, measured in the same run: its commands as they are, over the same
readers (the time within SCardTransmit), and its PKCS#11 calls in a bare C loop on the same token
(``floor.c``, which has those of a ``test-debit`` card). The C loop runs before and after each
quarter of the cards at one reader, because the machine's speed drifts. The time in which a card is
fed, powered and stacked is told apart, and so is what five commits of the bare database take,
without which no card is on the record.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from kif.ceremony.hold import hold
from kif.chip.personalise import personalise
from kif.cli.line import open_machine
from kif.formats.state import JobState
from kif.line.machine import Machine, WatchedReader
from kif.line.round import at_the_antenna
from kif.oracle.local import LocalOracle
from kif.oracle.messages import Claim
from kif.quality.chip import check_chip
from tests.bench.line import COMMITS, Clock, Timed, bare_calls, bare_commit
from tests.site import TestSite, make_site, released_batch, shipped

READERS = (1, 2, 4)
ROUNDS = 4
_FLOOR_CARDS = 100


@dataclass(frozen=True)
class Run:
    """What came of one run: seconds in all, and seconds within SCardTransmit, summed up."""

    seconds: float
    card_calls: float
    handling: float
    """Seconds in which a card was fed, powered and stacked, summed up."""

    def __add__(self, other: Run) -> Run:
        return Run(
            self.seconds + other.seconds,
            self.card_calls + other.card_calls,
            self.handling + other.handling,
        )


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """Run simulated machines in a process of their own; yield them, opened."""
    command = [sys.executable, "-m", "kif.cli.main", "simulate", "--readers", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            os.environ["PCSCLITE_CSOCK_NAME"] = told["pcscd"]
            yield from _opened(told["readers"])
        finally:
            process.terminate()


def _opened(readers: list[dict[str, str]]) -> Iterator[list[Machine]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                open_machine(f"station-{number}", each["name"], Path(each["transport"]))
            )
            for number, each in enumerate(readers, start=1)
        ]


def station(oracle: LocalOracle, batch: str, machine: Machine, clock: Clock) -> None:
    """Make cards until there is none left."""
    reader: Any = Timed(machine.reader, clock, connect="card", disconnect="card")
    belt: Any = Timed(machine.transport, clock, feed="card", stack="card", place="card")
    timed = replace(machine, reader=reader, antenna=reader, transport=belt)
    antenna = partial(at_the_antenna, timed, WatchedReader(reader))
    while True:
        claim = oracle.chip.claim(batch, machine.name, secrets.token_hex(16))
        if not isinstance(claim, Claim):
            return
        belt.feed()
        reader.connect()
        job = personalise(claim, reader, oracle.chip).view
        assert job.state is JobState.PERSONALISED, job.reason
        oracle.graphics.printed(job.id)
        job = check_chip(job.id, reader, oracle.quality, secrets.token_bytes, antenna)
        assert job.state is JobState.GOOD, job.reason
        reader.disconnect()
        belt.stack(True)


def run(site: TestSite, oracle: LocalOracle, product: str, cards: int, there: list[Machine]) -> Run:
    """Make a batch at these readers at once."""
    number = len(oracle.supervision.batches())
    first = number * cards + 1
    batch = released_batch(site, oracle, f"BENCH-{number}", cards, first, product)
    clock = Clock()
    stations = [
        threading.Thread(target=station, args=(oracle, batch.id, each, clock)) for each in there
    ]
    began = time.perf_counter()
    with clock.replaying():
        for each in stations:
            each.start()
        for each in stations:
            each.join()
    seconds = time.perf_counter() - began
    good = oracle.supervision.batch(batch.id).jobs.get(JobState.GOOD, 0)
    assert good == cards, f"{good} of {cards} cards are good"
    return Run(seconds, clock.spent["apdu"], clock.spent["card"])


def turns(
    site: TestSite, oracle: LocalOracle, product: str, cards: int, there: list[Machine]
) -> tuple[Run, float]:
    """Make cards at one reader, and the C loop's in turns: the run, and milliseconds of a card."""
    calls = [bare_calls(site, _FLOOR_CARDS)]
    alone = Run(0.0, 0.0, 0.0)
    for _ in range(ROUNDS):
        alone += run(site, oracle, product, cards // ROUNDS, there)
        calls.append(bare_calls(site, _FLOOR_CARDS))
    return alone, statistics.fmean(calls)


def measure(cards: int, product: str) -> dict[str, Any]:
    """Measure all."""
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder) / "home")
        with machines(max(READERS)) as there, site.oracle() as oracle:
            alone, calls = turns(site, oracle, product, cards, there[:1])
            for _ in there[1:]:  # the first station is enrolled already
                hold(oracle.ceremonies, shipped("enrol-station"), "site", site.people)
            several = {
                count: run(site, oracle, product, cards, there[:count]) for count in READERS[1:]
            }
        runs, commits = {1: alone, **several}, COMMITS * bare_commit(Path(folder))
    floor = 1000 * alone.card_calls / cards + calls
    taken, handling = (1000 * each / cards for each in (alone.seconds, alone.handling))
    rates = {str(count): cards / each.seconds for count, each in runs.items()}
    return {
        "cards": cards,
        "product": product,
        "cards_a_second_by_readers": rates,
        "milliseconds_a_card_at_one_reader": taken,
        "milliseconds_of_handling_it": handling,
        "floor_milliseconds": {
            "APDUs": floor - calls,
            "PKCS#11 calls in C": calls,
            "commits": commits,
        },
        "ratio_of_floor_to_card_at_one_reader": floor / (taken - handling),
        "ratio_of_floor_to_card_with_its_handling": floor / taken,
        "ratio_of_floor_with_commits_to_card": (floor + commits) / (taken - handling),
        "ratio_of_two_readers_to_one": rates["2"] / rates["1"],
        "ratio_of_four_readers_to_one": rates["4"] / rates["1"],
    }


def main() -> None:
    """Run the benchmark and say what came out."""
    parser = argparse.ArgumentParser(prog="scripts/bench chip")
    parser.add_argument("--cards", type=int, default=120)
    parser.add_argument("--product", default="test-debit", choices=["test-debit", "test-credit"])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measure(given.cards - given.cards % ROUNDS, given.product)
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
