"""The boundary of an entry is measured: what ran as a host boundary shows, nothing else does."""

from __future__ import annotations

import threading

import pytest

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.hsm.boundary import crossings, host_boundary, permitting
from kif.ledger.event import Boundary, Entry
from kif.ledger.events.batch import FileRefused
from kif.oracle.group import Step
from kif.oracle.local import LocalOracle

REASON = "a-test"


def refusal(step: Step) -> int:
    return step.record(FileRefused(step.by, "ab" * 32, Control.FILE_INTACT, "It was altered."))


def boundaries(oracle: LocalOracle, count: int) -> list[Boundary]:
    with oracle.gateway.desk.record.reading() as (_, tx):
        return [Entry.decode(leaf).boundary for leaf in tx.ledger.leaves()][-count:]


@pytest.mark.control("KIF-HSM-04")
def test_a_key_is_not_clear_on_the_host_for_a_reason_that_nothing_permits() -> None:
    for reasons in ((), ("another",)):
        with (
            permitting(*reasons),
            pytest.raises(Refused, match=r"clear on the host \(a-test\)") as refused,
            host_boundary(REASON),
        ):
            raise AssertionError
        assert refused.value.control is Control.KEY_BOUNDARY
    assert not crossings()


@pytest.mark.control("KIF-HSM-04")
def test_an_entry_says_host_when_a_key_was_clear_for_it_and_the_next_does_not(
    oracle: LocalOracle,
) -> None:
    record = oracle.gateway.desk.record
    with permitting(REASON):
        with host_boundary(REASON):
            pass
        record.write(refusal)
        record.write(refusal)

        def crossing(step: Step) -> int:
            refusal(step)
            with host_boundary(REASON):
                pass
            return refusal(step)

        record.write(crossing)
        record.write(refusal)
    assert boundaries(oracle, 5) == [
        Boundary.HOST,
        Boundary.HSM,
        Boundary.HSM,
        Boundary.HOST,
        Boundary.HSM,
    ]


@pytest.mark.control("KIF-HSM-04")
def test_one_callers_boundary_is_not_anothers(oracle: LocalOracle) -> None:
    """Whoever leads a group does the works of the others in it."""
    record, gate = oracle.gateway.desk.record, threading.Barrier(8)
    found: dict[int, list[int]] = {}

    def caller(number: int) -> None:
        with permitting(REASON):
            gate.wait()
            for _ in range(5):
                if number % 2:
                    with host_boundary(REASON):
                        pass
                found.setdefault(number, []).append(record.write(refusal))

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with record.reading() as (_, tx):
        entries = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
    for number, indexes in found.items():
        said = {entries[index].boundary for index in indexes}
        assert said == {Boundary.HOST if number % 2 else Boundary.HSM}
