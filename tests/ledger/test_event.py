"""Entries: canonical, complete, and without card data."""

import hashlib
import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats import canonical
from kif.formats.error import BadInput
from kif.formats.pan import with_check_digit
from kif.ledger.event import Boundary, Entry, Event, Kind, commitment, encode
from tests.ledger.history import START

EVENT = Event(Kind.CARD_PRINTED, "station-1", Boundary.HSM, {"batch": "b", "number": 4})
LEAF = encode(EVENT, 9, START, None)


def test_an_entry_comes_back_as_it_was() -> None:
    entry = Entry.decode(LEAF)
    assert (entry.index, entry.time, entry.kind) == (9, START, Kind.CARD_PRINTED)
    assert (entry.actor, entry.boundary) == ("station-1", Boundary.HSM)
    assert (dict(entry.subject), entry.commit) == ({"batch": "b", "number": 4}, None)


def test_a_commitment_comes_back_with_its_entry() -> None:
    commit = commitment(b"salt", b"payload")
    assert Entry.decode(encode(EVENT, 9, START, commit)).commit == commit


def test_a_time_is_recorded_in_utc() -> None:
    noon = START.astimezone(timezone(timedelta(hours=2)))
    assert encode(EVENT, 9, noon, None) == LEAF


def test_a_naive_time_is_not_recorded() -> None:
    with pytest.raises(ValueError, match="without its offset"):
        encode(EVENT, 9, START.replace(tzinfo=None), None)


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
    "a time without its fraction": changed(time="2026-01-01T00:00:00+00:00"),
    "a time that is not UTC": changed(time="2026-01-01T02:00:00.000000+02:00"),
    "an index that is a truth": changed(index=True),
    "an index that is text": changed(index="9"),
    "an actor that is a number": changed(actor=7),
    "a commitment that is nothing": changed(commit=None),
    "a subject within a subject": changed(subject={"x": {}}),
    "a number that JSON does not have": b"NaN",
    "nesting without end": b"[" * 100_000,
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
    [
        {"pan": "1"},
        {"pin": "1234"},
        {"track2": ""},
        {"name_on_card": "A"},
        {"x": "9999990000000014"},
        {"x": 9999990000000014},
        {"x": "000000000000"},
        {"good": 1, "x": "0" * 19},
    ],
)
def test_card_data_can_not_be_recorded(subject: dict[str, str | int]) -> None:
    with pytest.raises(BadInput, match="would hold card data") as refused:
        Event(Kind.CARD_PRINTED, "x", Boundary.HSM, subject)
    assert "9999990000000014" not in str(refused.value)


@pytest.mark.control("KIF-ORA-07")
def test_no_pan_of_any_length_gets_through() -> None:
    for length in range(12, 20):
        with pytest.raises(BadInput):
            Event(Kind.CARD_PRINTED, "x", Boundary.HSM, {"x": with_check_digit("9" * (length - 1))})


@given(
    st.text(alphabet="0123456789abcdef", max_size=11)
    | st.integers(0, 10**11 - 1)
    | st.sampled_from(["9999990000000015", "0" * 11, "0" * 20])
)
def test_other_values_can(value: str | int) -> None:
    Event(Kind.CARD_PRINTED, "x", Boundary.HSM, {"field": value})


def test_a_commitment_depends_on_salt_and_payload() -> None:
    made = {commitment(salt, payload) for salt in (b"1", b"2") for payload in (b"a", b"b")}
    assert len(made) == 4
    assert commitment(b"s", b"p") == hashlib.sha256(b"\x00sp").hexdigest()
