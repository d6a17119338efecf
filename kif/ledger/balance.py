"""The semantic rules that a log has to hold by itself: each batch and each card adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.ledger.event import Entry, Kind


@dataclass
class BatchBalance:
    """What the log says of a batch so far; sets of card numbers."""

    received: int
    authorised: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    good: set[int] = field(default_factory=set)
    suspect: set[int] = field(default_factory=set)


class Balance:
    """Follows the entries one by one; raises ``CheckFailed`` (LEDGER_RUN_BALANCE)."""

    def __init__(self) -> None:
        self.batches: dict[str, BatchBalance] = {}
        self._serials: set[str] = set()
        self._rules: dict[Kind, Callable[[Entry], None]] = {
            Kind.BATCH_RECEIVED: self._received,
            Kind.INJECTION_AUTHORISED: self._authorised,
            Kind.INJECTION_DONE: self._done,
            Kind.CARD_VERIFIED: self._verified,
            Kind.CARD_SUSPECT: self._suspected,
            Kind.BATCH_CLOSED: self._closed,
        }

    def follow(self, entry: Entry) -> None:
        """Take one entry."""
        rule = self._rules.get(entry.kind)
        if rule is not None:
            rule(entry)

    def _received(self, entry: Entry) -> None:
        batch = _text(entry, "batch")
        _require(batch not in self.batches, entry, f"receives batch {batch} a second time")
        self.batches[batch] = BatchBalance(_number(entry, "count"))

    def _authorised(self, entry: Entry) -> None:
        batch, number = self._card(entry)
        serial = _text(entry, "card_serial")
        _require(number not in batch.authorised, entry, "injects the same card job twice")
        _require(serial not in self._serials, entry, f"uses the chip {serial} twice")
        batch.authorised.add(number)
        self._serials.add(serial)

    def _done(self, entry: Entry) -> None:
        batch, number = self._card(entry)
        _require(number in batch.authorised, entry, "ends an injection that nobody authorised")
        _require(number not in batch.done | batch.suspect, entry, "ends an injection twice")
        batch.done.add(number)

    def _verified(self, entry: Entry) -> None:
        batch, number = self._card(entry)
        _require(number in batch.done - batch.suspect, entry, "passes a card that was not made")
        _require(number not in batch.good, entry, "passes the same card twice")
        batch.good.add(number)

    def _suspected(self, entry: Entry) -> None:
        batch, number = self._card(entry)
        _require(number not in batch.suspect | batch.good, entry, "suspects a card that is settled")
        batch.suspect.add(number)

    def _closed(self, entry: Entry) -> None:
        batch = self._batch(entry)
        counted = (len(batch.good), len(batch.suspect))
        stated = (_number(entry, "good"), _number(entry, "suspect"))
        _require(counted == stated, entry, f"states {stated} good and suspect; they are {counted}")
        total = sum(stated) + _number(entry, "left")
        _require(total == batch.received, entry, f"accounts for {total} of {batch.received} cards")

    def _batch(self, entry: Entry) -> BatchBalance:
        name = _text(entry, "batch")
        _require(name in self.batches, entry, f"names batch {name}, which was never received")
        return self.batches[name]

    def _card(self, entry: Entry) -> tuple[BatchBalance, int]:
        batch, number = self._batch(entry), _number(entry, "number")
        _require(1 <= number <= batch.received, entry, f"names card {number}, which is not there")
        return batch, number


def _text(entry: Entry, name: str) -> str:
    value = entry.subject.get(name)
    if not isinstance(value, str):
        raise _unbalanced(entry, f"has no '{name}'")
    return value


def _number(entry: Entry, name: str) -> int:
    value = entry.subject.get(name)
    if not isinstance(value, int):
        raise _unbalanced(entry, f"has no number '{name}'")
    return value


def _require(holds: bool, entry: Entry, what: str) -> None:
    if not holds:
        raise _unbalanced(entry, what)


def _unbalanced(entry: Entry, what: str) -> CheckFailed:
    return CheckFailed(
        Control.LEDGER_RUN_BALANCE,
        f"Entry {entry.index} ({entry.kind.value}) {what}. The log does not balance.",
    )
