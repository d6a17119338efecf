"""The writer: groups, what fails alone, what others add, and kills between all of its steps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from kif.formats.control import Control
from kif.formats.error import DeviceFailed, KifError, LedgerUnavailable, Refused
from kif.ledger.event import Entry
from kif.ledger.events.batch import FileRefused
from kif.ledger.events.card import ClaimWithdrawn
from kif.ledger.events.site import IssuerRegistered
from kif.ledger.tail import Tail
from kif.ledger.verify import follow
from kif.oracle.group import Step
from kif.oracle.local import LocalOracle, now
from kif.oracle.record import Record
from kif.store.models import Issuer
from tests.certificate import issuer_certificate
from tests.site import OPERATORS, TestSite

DIGEST = "ab" * 32


def refusal(step: Step) -> int:
    """A work that always can be done; it gives the index of its entry."""
    return step.record(FileRefused(step.by, DIGEST, Control.FILE_INTACT, "It was altered."))


def impossible(step: Step) -> int:
    """A work whose second event is refused, after its first and a row."""
    step.session.add(Issuer(name="half", certificate="done"))
    step.session.flush()
    refusal(step)
    return step.record(ClaimWithdrawn(step.by, "0" * 16, 1))


@pytest.fixture
def record(oracle: LocalOracle) -> Record:
    """The record of the open site."""
    return oracle.gateway.desk.record


def sizes(record: Record) -> tuple[int, int]:
    """Return how many entries and checkpoints the database has."""
    with record.reading() as (_, tx):
        return len(list(tx.ledger.leaves())), len(list(tx.ledger.checkpoints()))


def together(record: Record, works: list[Callable[[Step], int]]) -> list[int | BaseException]:
    """Have works wait at once, each in a thread of its own; return what came of each."""
    results: list[int | BaseException] = [-1] * len(works)

    def run(place: int) -> None:
        try:
            results[place] = record.write(works[place])
        except KifError as exc:
            results[place] = exc

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    with record._turn:
        for thread in threads:
            thread.start()
        end = time.monotonic() + 20
        while len(record._waiting) < len(works):
            assert time.monotonic() < end
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    return results


@pytest.mark.control("KIF-LOG-01")
def test_all_that_waits_becomes_one_group_with_one_signature(record: Record) -> None:
    entries, checkpoints = sizes(record)
    results = together(record, [refusal] * 20)
    assert sizes(record) == (entries + 20, checkpoints + 1)
    assert sorted(results) == list(range(entries, entries + 20))  # type: ignore[type-var]


@pytest.mark.control("KIF-LOG-01")
def test_what_fails_in_a_group_is_taken_back_alone(record: Record) -> None:
    entries, checkpoints = sizes(record)
    results = together(record, [refusal, impossible, refusal, impossible, refusal])
    assert sizes(record) == (entries + 3, checkpoints + 1)
    assert [isinstance(each, KifError) for each in results] == [False, True, False, True, False]
    with record.reading() as (_, tx):
        assert tx.session.get(Issuer, "half") is None
    assert record.write(refusal) == entries + 3


def test_what_fails_alone_leaves_nothing(record: Record) -> None:
    before = sizes(record)
    with pytest.raises(KifError, match="There is no batch"):
        record.write(impossible)
    assert sizes(record) == before
    assert record.write(lambda step: 7) == 7  # a work that records nothing signs nothing
    assert sizes(record) == before


class NoSigner:
    """An HSM that is gone."""

    name = "kif-test-site"
    public_key = bytes(32)

    def sign(self, message: bytes) -> bytes:
        raise DeviceFailed(Control.TOKEN_PRESENT, "The HSM is gone.")


@pytest.mark.control("KIF-LOG-01")
def test_nothing_is_written_that_can_not_be_signed(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sizes(record)
    log_key = record.tail.state.genesis.log_key
    monkeypatch.setattr(record, "signers", {log_key: NoSigner()})
    with pytest.raises(LedgerUnavailable, match=r"so nothing was done: The HSM is gone") as error:
        record.write(refusal)
    assert error.value.exit_code == 5
    monkeypatch.undo()
    assert sizes(record) == before
    record.write(refusal)


@pytest.mark.control("KIF-LOG-01")
def test_a_commit_that_fails_leaves_the_state_as_it_was(record: Record) -> None:
    before = sizes(record)

    def full(connection: Connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(record.store.engine, "commit", full)
    with pytest.raises(LedgerUnavailable, match="disk is full"):
        record.write(refusal)
    event.remove(record.store.engine, "commit", full)
    assert sizes(record) == before
    assert record.write(refusal) == before[0]


@pytest.mark.control("KIF-LOG-05")
def test_a_group_that_the_hsm_can_not_remember_stops_this_process(
    site: TestSite, oracle: LocalOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = oracle.gateway.desk.record

    def gone(head: object) -> None:
        raise DeviceFailed(Control.TOKEN_PRESENT, "The HSM is gone.")

    monkeypatch.setattr(record.memory, "remember", gone)
    with pytest.raises(LedgerUnavailable, match="The HSM is gone"):
        record.write(refusal)
    monkeypatch.undo()
    with pytest.raises(LedgerUnavailable, match="open the site again"):
        record.write(refusal)
    record._lost = ""  # as an opening would
    record.write(refusal)


def second_oracle(record: Record) -> Record:
    """Return the record of another process on the same log."""
    tail = Tail.of(record.tail.verifier)
    with record.store.reading() as tx:
        follow(tail, tx.ledger)
    return Record(record.store, tail, record.signers, record.memory, OPERATORS, now, bytes)


def test_what_another_oracle_adds_is_followed_before_deciding(record: Record) -> None:
    other = second_oracle(record)
    name = f"issuer-{record.tail.size}"

    def register(step: Step) -> int:
        return step.record(IssuerRegistered(step.by, name, issuer_certificate()))

    size = other.write(register)
    with pytest.raises(Refused, match="registered already"):
        record.write(register)
    assert record.write(refusal) == size + 1
    assert other.write(refusal) == size + 2
    assert record.tail.size == size + 2  # it follows when it has something to decide
    record.write(refusal)
    assert record.tail.state.issuers.certificates.keys() == {*other.tail.state.issuers.certificates}


@pytest.mark.control("KIF-LOG-04")
def test_a_row_that_stands_in_the_way_is_a_sentence(record: Record) -> None:
    with record.store.transaction() as tx:
        tx.session.add(Issuer(name="in the way", certificate="x"))

    def register(step: Step) -> None:
        refusal(step)
        step.session.add(Issuer(name="in the way", certificate="y"))

    before = sizes(record)
    with pytest.raises(KifError, match="a row that the log knows nothing of") as error:
        record.write(register)
    assert error.value.control is Control.LEDGER_TABLES
    assert sizes(record) == before
    with record.store.transaction() as tx:
        tx.session.execute(text("DELETE FROM issuer WHERE name = 'in the way'"))


# -- time ---------------------------------------------------------------------------------------


def test_a_clock_that_was_set_back_by_seconds_is_waited_out(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = record.tail.state.time
    assert last is not None
    monkeypatch.setattr(record, "clock", lambda: last - timedelta(seconds=50))
    index = record.write(refusal)
    with record.reading() as (_, tx):
        assert Entry.decode(next(tx.ledger.leaves(index))).time == last
