"""The ledger at size: opening, verifying, memory, and groups against single commits.

    scripts/bench ledger [--entries N] [--json FILE]

A real site (SoftHSM, SQLite with full durability) gets a log of N entries: closed batches of 1,000
cards, five entries a card, twenty entries a group, signed in the token. What is measured is what a
person waits for: opening the site, and ``kif log verify``, each in a process of its own. Sealed
records and scripts are 64 random bytes here: the ledger does not care what is in them.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from kif.formats.control import Control
from kif.formats.keyref import KeyRef
from kif.formats.state import BatchState, JobState
from kif.hsm.memory import Head
from kif.ledger.approval import RELEASE
from kif.ledger.batch import Terms, release_statement
from kif.ledger.binding import BoundRecord, BoundScript, root_over, sealed_digest
from kif.ledger.chips import Chips
from kif.ledger.event import Boundary, Event, commitment, committed_payload
from kif.ledger.events.batch import (
    ApprovalGiven,
    BatchClosed,
    BatchDispatched,
    BatchPrepared,
    BatchReceived,
    BatchReleased,
    FileRefused,
)
from kif.ledger.events.card import (
    CardPrinted,
    CardVerified,
    InjectionAuthorised,
    InjectionDone,
    JobClaimed,
)
from kif.ledger.jobs import Jobs
from kif.ledger.journal import Journal
from kif.ledger.note import sign_checkpoint
from kif.oracle.audit import audit
from kif.oracle.chip import LEASE
from kif.oracle.group import Step
from kif.oracle.home import Home
from kif.oracle.local import LocalOracle, now, open_record
from kif.oracle.record import Record
from kif.oracle.snapshots import save_snapshot
from kif.store.models import Approval, Batch, CardJob, LedgerCheckpoint
from tests.site import ISSUER, OPERATORS, TestSite, make_site, received_file, rehearsing_people

CARDS, GROUP, SEALED = 1000, 20, 64
PER_CARD = 5
BY = OPERATORS
_UNTIL = date(2031, 1, 31)


@dataclass
class Builder:
    """Appends whole batches to the log of an open site, past the writer but not past its rules."""

    site: TestSite
    record: Record
    protection: Any

    @property
    def kept(self) -> tuple[KeyRef, str]:
        """This month's retention key, and its check value."""
        key = self.record.tail.state.retention.window(ISSUER, now())
        return key, self.record.tail.state.keys.known[key].derived or ""

    def batch(self) -> None:
        """Take one batch of 1,000 cards from file to closing."""
        self.leaves: list[tuple[int, bytes]] = []
        self.payloads: list[tuple[int, bytes, bytes]] = []
        self.notes: list[dict[str, Any]] = []
        batch, tail = secrets.token_hex(8), self.record.tail
        cards = [self._card(batch, number) for number in range(1, CARDS + 1)]
        records = root_over(
            BoundRecord(
                c["number"], c["display"], c["pseudonym"], _UNTIL.isoformat(), c["record_digest"]
            )
            for c in cards
        )
        scripts = root_over(BoundScript(c["number"], c["script_digest"]) for c in cards)
        known = tail.state.keys.known.items()
        keys = {key: entry.kcv for key, entry in known if entry.kcv is not None}
        self._add(
            BatchReceived(
                BY, batch, ISSUER, "test-debit", CARDS, "ab" * 32, secrets.token_hex(16),
                secrets.token_hex(16), records, *self.kept, sealed_digest(batch.encode()).hex(),
                0, f"REF-{batch[:4]}",
            )
        )  # fmt: skip
        self._add(BatchPrepared(BY, batch, "ab" * 32, scripts, keys))
        terms = Terms(("station-1",), now().replace(year=2040))
        statement = release_statement(tail.state.batches.known[batch], terms)
        for person in OPERATORS:
            signature = self.site.people.sign(person, RELEASE, statement)
            self._add(ApprovalGiven(person, batch, statement.decode(), signature))
        self._add(BatchReleased(batch, CARDS))
        for card in cards:
            number = card["number"]
            self._add(JobClaimed(BY, batch, number, "station-1", now() + LEASE))
            self._add(InjectionAuthorised(BY, batch, number, card["card_serial"], 10))
            self._add(InjectionDone(BY, batch, number))
            self._add(CardPrinted(BY, batch, number))
            self._add(CardVerified(BY, batch, number, ("selection", "records", "arqc")))
        self._add(BatchDispatched(BY, batch, CARDS, "ab" * 32))
        self._add(BatchClosed(BY, batch, CARDS, 0))
        self._sign()
        self._write(batch, records, scripts, cards, statement.decode())

    def _card(self, batch: str, number: int) -> dict[str, Any]:
        record, script = secrets.token_bytes(SEALED), secrets.token_bytes(SEALED)
        return {
            "batch_id": batch, "number": number, "display": "99999900",
            "pseudonym": secrets.token_hex(16), "valid_until": _UNTIL,
            "state": JobState.DISPATCHED, "record": record,
            "record_digest": sealed_digest(record), "script": script,
            "script_digest": sealed_digest(script),
            "card_serial": secrets.token_hex(10).upper(),
        }  # fmt: skip

    def _add(self, event: Event) -> None:
        payload, commit, salt = committed_payload(event), None, secrets.token_bytes(32)
        if payload is not None:
            commit = commitment(salt, payload)
        entry = self.record.tail.propose(event, now(), commit, Boundary.HSM)
        self.leaves.append((entry.index, self.record.tail.last_leaf))
        if payload is not None:
            self.payloads.append((entry.index, salt, payload))
        if len(self.leaves) % GROUP == 0:
            self._sign()

    def _sign(self) -> None:
        tail = self.record.tail
        if tail.open:
            signed = sign_checkpoint(self.record.signer(), tail.size, tail.frontier.root())
            tail.close_group(signed)
            self.notes.append({"size": signed.size, "note": signed.note})

    def _write(
        self, batch: str, records: str, scripts: str, cards: list[dict[str, Any]], statement: str
    ) -> None:
        place = len(self.record.tail.state.batches.known)
        with self.record.store.transaction() as tx:
            tx.ledger.add(self.leaves, self.payloads)
            tx.session.execute(insert(LedgerCheckpoint), self.notes)
            row = {
                "id": batch, "place": place, "issuer": ISSUER, "file_reference": f"REF-{batch[:4]}",
                "product": "test-debit", "count": CARDS, "state": BatchState.CLOSED,
                "records": records, "profile": "ab" * 32, "scripts": scripts,
                "retention": str(self.kept[0]), "seed": batch.encode(),
            }  # fmt: skip
            tx.session.execute(insert(Batch), [row])
            tx.session.execute(insert(CardJob), cards)
            given = [{"batch_id": batch, "person": each, "statement": statement} for each in BY]
            tx.session.execute(insert(Approval), given)


def build(site: TestSite, entries: int) -> int:
    """Bring the log of a site to about so many entries; return how many cards were made."""
    cards = 0
    with site.oracle() as oracle:
        record = oracle.gateway.desk.record
        oracle.gateway.admit(received_file(f"FIRST-{record.tail.size}", 1), again=True)
        builder = Builder(site, record, oracle.gateway.desk.keys.protection)
        while record.tail.size + CARDS * PER_CARD <= entries:
            builder.batch()
            cards += CARDS
        record.memory.remember(Head(record.tail.size, record.tail.frontier.root()))
        protection = oracle.gateway.desk.keys.protection
        record.save(lambda ledger, tail: save_snapshot(ledger, tail, protection))
    return cards


def in_its_own_process(home: Path, what: str) -> dict[str, float]:
    """Measure something in a new process: seconds, and peak memory in MiB."""
    command = [sys.executable, "-m", "tests.bench.ledger", "--measure", what, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(home: Path, what: str) -> None:
    """Do it, in this process, and print what it took."""
    site = TestSite(Home(home), rehearsing_people(home))
    pin = site.pin()
    began = time.perf_counter()
    if what == "verify":
        size = audit(site.home).size
    else:
        with site.home.alone(), open_record(site.home, pin, OPERATORS) as (_, record):
            size = record.tail.size
            seconds = time.perf_counter() - began
    seconds = time.perf_counter() - began if what == "verify" else seconds
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024
    print(json.dumps({"seconds": seconds, "mebibytes": peak, "entries": size}))


def memory_of_the_state() -> dict[str, float]:
    """Return bytes for each open card, and for each chip ever made."""
    million = 1_000_000
    tracemalloc.start()
    jobs = Jobs(million, Journal(), "0" * 16)
    open_card = tracemalloc.get_traced_memory()[0] / million
    tracemalloc.stop()
    tracemalloc.start()
    chips, journal = Chips(), Journal()
    for number in range(million):
        chips.add(number.to_bytes(10, "big"), journal)
        if number % 1000 == 999:
            journal.clear()
            chips.settle()
    chip = tracemalloc.get_traced_memory()[0] / million
    tracemalloc.stop()
    assert len(jobs) == len(chips) == million
    return {"bytes_for_each_open_card": open_card, "bytes_for_each_chip_ever_made": chip}


def groups(oracle: LocalOracle, seconds: float = 4.0) -> dict[str, float]:
    """Return events a second: one caller, many callers, and the database's own commit rate."""
    record = oracle.gateway.desk.record

    def work(step: Step) -> int:
        return step.record(FileRefused(step.by, "ab" * 32, Control.FILE_INTACT, "Bench."))

    def many(callers: int) -> float:
        done, end = [0] * callers, time.perf_counter() + seconds

        def run(place: int) -> None:
            while time.perf_counter() < end:
                record.write(work)
                done[place] += 1

        threads = [threading.Thread(target=run, args=(place,)) for place in range(callers)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(done) / (time.perf_counter() - began)

    def commits() -> float:
        count, end = 0, time.perf_counter() + seconds
        with record.store.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            while time.perf_counter() < end:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                connection.execute(text("UPDATE site SET plan_digest = plan_digest"))
                connection.exec_driver_sql("COMMIT")
                count += 1
            connection.exec_driver_sql("BEGIN")
        return count / seconds

    sizes: list[int] = []
    single, database, grouped = many(1), commits(), many(64)
    with record.reading() as (_, tx):
        sizes += [size for size, _ in tx.ledger.checkpoints()]
    return {
        "events_a_second_one_caller": single,
        "events_a_second_64_callers": grouped,
        "database_commits_a_second": database,
        "ratio_64_callers_to_one": grouped / single,
        "ratio_one_caller_to_database_commits": single / database,
        "ratio_64_callers_to_database_commits": grouped / database,
    }


def main() -> None:
    """Run the benchmark and say what came out."""
    parser = argparse.ArgumentParser(prog="scripts/bench ledger")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", choices=["open", "verify"], help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.home, given.measure)
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder) / "home")
        with site.oracle() as oracle:
            found["groups"] = groups(oracle)
        found["memory"] = memory_of_the_state()
        for share, entries in (("a tenth", given.entries // 10), ("whole", given.entries)):
            cards = build(site, entries)
            verify, opened = (
                in_its_own_process(site.home.path, what) for what in ("verify", "open")
            )
            found[share] = {
                "entries": verify["entries"],
                "cards_added": cards,
                "verify_seconds": verify["seconds"],
                "verify_entries_a_second": verify["entries"] / verify["seconds"],
                "verify_mebibytes": verify["mebibytes"],
                "open_seconds": opened["seconds"],
                "open_mebibytes": opened["mebibytes"],
            }
    whole, tenth = found["whole"], found["a tenth"]
    found["ratio_verify_memory_whole_to_tenth"] = (
        whole["verify_mebibytes"] / tenth["verify_mebibytes"]
    )
    found["ratio_verify_to_open_seconds"] = whole["verify_seconds"] / whole["open_seconds"]
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
