"""Entries: canonical, complete, and without card data."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats import canonical
from kif.formats.error import BadInput
from kif.ledger.event import Boundary, Entry, Event, Kind, commitment, encode
from tests.ledger.history import START

EVENT = Event(Kind.CARD_PRINTED, "station-1", Boundary.HSM, {"batch": "b", "number": 4})
LEAF = encode(EVENT, 9, START, None)


def test_an_entry_comes_back_as_it_was() -> None:
    entry = Entry.decode(LEAF)
    assert (entry.index, entry.time, entry.kind) == (9, START, Kind.CARD_PRINTED)
    assert (entry.actor, entry.boundary) == ("station-1", Boundary.HSM)
    assert (dict(entry.subject), entry.commit) == ({"batch": "b", "number": 4}, None)


def changed(**fields: object) -> bytes:
    content = {**json.loads(LEAF), **fields}
    return canonical.encode({name: value for name, value in content.items() if value is not ...})


BAD = {
    "an unknown field": changed(extra=1),
    "a missing field": changed(actor=...),
    "an unknown kind": changed(kind="hope"),
    "no boundary": changed(boundary="none"),
    "a naive time": changed(time=datetime(2026, 1, 1).isoformat()),
    "no time": changed(time=7),
    "a subject that is a list": changed(subject=[]),
    "white space": LEAF + b" ",
    "another order": b'{"time":1,"actor":2}',
    "not JSON": b"\x00",
    "a list": b"[]",
}


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("case", BAD)
def test_bytes_that_the_log_would_not_have_written_are_refused(case: str) -> None:
    with pytest.raises(BadInput):
        Entry.decode(BAD[case])


@pytest.mark.control("KIF-ORA-07")
@pytest.mark.parametrize(
    "subject",
    [{"pan": "1"}, {"pin": "1234"}, {"x": "9999990000000014"}, {"x": 9999990000000014}],
)
def test_card_data_can_not_be_recorded(subject: dict[str, str | int]) -> None:
    with pytest.raises(BadInput, match="would hold card data") as refused:
        Event(Kind.CARD_PRINTED, "x", Boundary.HSM, subject)
    assert "9999990000000014" not in str(refused.value)


@given(st.text(alphabet="0123456789abcdef", max_size=11) | st.integers(0, 10**11))
def test_other_values_can(value: str | int) -> None:
    Event(Kind.CARD_PRINTED, "x", Boundary.HSM, {"field": value})


def test_a_commitment_depends_on_salt_and_payload() -> None:
    made = {commitment(salt, payload) for salt in (b"1", b"2") for payload in (b"a", b"b")}
    assert len(made) == 4
