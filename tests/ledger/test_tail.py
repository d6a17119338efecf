"""The end of a log: what is proposed and taken back, and the genesis by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kif.formats.error import CheckFailed, KifError
from kif.ledger.event import Boundary
from kif.ledger.note import sign_checkpoint
from kif.ledger.snapshot import encode_snapshot
from kif.ledger.tail import Tail
from kif.ledger.verify import follow, verify_log
from tests.ledger.history import (
    SIGNER,
    Clock,
    claimed,
    opened,
    registered,
)
from tests.ledger.stored import GENESIS, GROUPS, SIZES, filled


@dataclass(frozen=True)
class Kept:
    """A log in memory."""

    entries: tuple[bytes, ...]
    notes: tuple[tuple[int, str], ...]
    hidden: tuple[tuple[int, bytes, bytes], ...] = ()

    def leaves(self, first: int = 0) -> Iterator[bytes]:
        yield from self.entries[first:]

    def checkpoints(self, above: int = 0) -> Iterator[tuple[int, str]]:
        yield from (each for each in self.notes if each[0] > above)

    def payloads(self) -> Iterator[tuple[int, bytes, bytes]]:
        yield from self.hidden


@pytest.fixture
def log(tmp_path: Path) -> Kept:
    """A log of a whole batch."""
    with filled(tmp_path / "db", GROUPS).reading() as tx:
        return Kept(
            tuple(tx.ledger.leaves()), tuple(tx.ledger.checkpoints()), tuple(tx.ledger.payloads())
        )


def at_the_end(log: Kept) -> Tail:
    tail = Tail.of(SIGNER.verifier)
    follow(tail, log)
    return tail


def test_what_is_proposed_is_taken_back_to_the_mark(log: Kept) -> None:
    tail = at_the_end(log)
    clock, before = Clock(tail.state.time or Clock().time), encode_snapshot(tail)
    mark = tail.mark()
    tail.propose(opened(), clock(), None, Boundary.HSM)
    tail.propose(registered("second"), clock(), None, Boundary.HSM)
    assert (tail.size, "second" in tail.state.issuers.certificates) == (len(log.entries) + 2, True)
    tail.back(mark)
    assert (tail.open, tail.size) == (False, len(log.entries))
    assert tail.last_leaf == log.entries[-1]
    assert encode_snapshot(tail) == before


def test_an_event_that_is_refused_adds_nothing(log: Kept) -> None:
    tail = at_the_end(log)
    clock, before = Clock(tail.state.time or Clock().time), encode_snapshot(tail)
    with pytest.raises(KifError, match="closed"):
        tail.propose(claimed(1), clock(), None, Boundary.HSM)
    assert encode_snapshot(tail) == before


def test_a_group_that_is_signed_is_final(log: Kept) -> None:
    tail = at_the_end(log)
    clock = Clock(tail.state.time or Clock().time)
    groups, notes = tail.groups, tail.notes
    tail.propose(opened(), clock(), None, Boundary.HSM)
    assert tail.state.journal.mark() > 0
    signed = sign_checkpoint(SIGNER, tail.size, tail.frontier.root())
    tail.close_group(signed)
    assert tail.state.journal.mark() == 0
    assert (tail.open, tail.groups, tail.note) == (False, groups + 1, signed.note)
    assert tail.notes != notes


@pytest.mark.control("KIF-LOG-02")
def test_an_entry_of_another_group_is_named(log: Kept) -> None:
    """Of an earlier group; of a later one when nothing waits for a checkpoint; of one too far."""
    tail = Tail.of(SIGNER.verifier)
    for leaf in log.entries[:GENESIS]:
        tail.follow(leaf)
    opening = log.entries[GENESIS]
    with pytest.raises(
        CheckFailed, match=rf"size {GENESIS} is missing: .* from 0 to {GENESIS - 1}\."
    ):
        tail.follow(opening)
    far = opening.replace(b'"group":1', b'"group":2')
    with pytest.raises(CheckFailed, match="belongs to group 2, but stands in group 0"):
        tail.follow(far)
    tail = at_the_end(Kept(log.entries[:GENESIS], log.notes[:1]))
    with pytest.raises(CheckFailed, match="belongs to group 2, but stands in group 1"):
        tail.follow(far)


@pytest.mark.control("KIF-LOG-02")
def test_a_payload_after_the_last_entry_is_found(log: Kept) -> None:
    verify_log(log, SIGNER.verifier)
    more = replace(log, hidden=(*log.hidden, (len(log.entries), b"salt", b"{}")))
    with pytest.raises(CheckFailed, match=f"payload for entry {len(log.entries)}, which does not"):
        verify_log(more, SIGNER.verifier)


def test_following_goes_on_from_where_it_stands(log: Kept) -> None:
    tail = at_the_end(Kept(log.entries[: SIZES[2]], log.notes[:3]))
    assert follow(tail, log) is not None
    assert follow(tail, log) is None
    assert tail.size == len(log.entries)
