"""The content of a file: every error at once, by number and field, and never the data."""

import json
import traceback
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kif.formats.error import BadInput, KifError
from kif.gateway.records import Header, Record, read_content
from kif.oracle.messages import ReceivedFile
from tests.gateway.sender import CONTENT, PANS, header, lines, record

TODAY = date(2026, 11, 24)


def read(content: bytes) -> ReceivedFile:
    return read_content(content, "bank", "00" * 32, TODAY)


def test_a_good_file_is_read() -> None:
    file = read(CONTENT)
    assert [card.subject.identity.reveal().decode()[:-3] for card in file.cards] == PANS
    assert file.cards[0].valid_until == date(2039, 12, 31)
    assert json.loads(file.cards[0].record.reveal()) == record(PANS[0])


@pytest.mark.control("KIF-GW-06")
@pytest.mark.parametrize("count", [2, 4])
def test_a_wrong_count_is_refused(count: int) -> None:
    with pytest.raises(BadInput, match=f"3 records, but its header says {count}") as refused:
        read(lines(header(count=count), *(record(pan) for pan in PANS)))
    assert refused.value.control.value == "KIF-GW-06"


@pytest.mark.control("KIF-GW-07")
def test_a_wrong_hash_total_is_refused() -> None:
    with pytest.raises(BadInput, match="hash total") as refused:
        read(lines(header(hash_total="1".zfill(16)), *(record(pan) for pan in PANS)))
    assert refused.value.control.value == "KIF-GW-07"


WRONG_PAN = PANS[0][:-1] + str((int(PANS[0][-1]) + 1) % 10)

RECORDS: dict[str, tuple[dict[str, object], str, str]] = {
    "a wrong check digit": (record(WRONG_PAN), "KIF-GW-09", "pan: the check digit is wrong"),
    "an expired card": (record(PANS[0], expiry="2026-10"), "KIF-GW-10", "the card has expired"),
    "a PAN that is a number": (record(PANS[0], pan=1), "KIF-GW-08", "pan: has to be 12 to 19"),
    "a short PAN": (record("99999900"), "KIF-GW-08", "pan: has to be 12 to 19 digits"),
    "a month that is none": (record(PANS[0], expiry="2030-13"), "KIF-GW-08", "expiry: .*YYYY-MM"),
    "a year that reads as 1950": (record(PANS[0], expiry="2050-01"), "KIF-GW-08", "2049-12"),
    "a lower-case name": (record(PANS[0], name="test"), "KIF-GW-08", "name: .*SURNAME/GIVEN.TITLE"),
    "a name in Cyrillic": (record(PANS[0], name="ИВАНОВ/ИВАН"), "KIF-GW-08", "capital Latin"),
    "a name with a digit": (record(PANS[0], name="TEST/A2"), "KIF-GW-08", "capital Latin"),
    "27 letters": (record(PANS[0], name="T" * 27), "KIF-GW-08", "2 to 26"),
    "a field too many": (record(PANS[0], cvv="123"), "KIF-GW-08", "a field: an unknown field"),
    "letters in a service code": (record(PANS[0], service_code="2x1"), "KIF-GW-08", "service"),
    "14 digits beside a PAN of 16": (
        record(PANS[0], discretionary_data="0" * 14),
        "KIF-GW-08",
        "discretionary_data: track 2 has room for 13 digits",
    ),
}


@pytest.mark.control("KIF-GW-08", "KIF-GW-09", "KIF-GW-10")
@pytest.mark.parametrize("case", RECORDS)
def test_a_bad_record_is_refused_by_number_and_field(case: str) -> None:
    bad, control, words = RECORDS[case]
    with pytest.raises(BadInput, match=f"record 2: .*{words}") as refused:
        read(lines(header(count=2), record(PANS[1]), bad))
    assert refused.value.control.value == control


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("expiry", "2049-12", "2049-12"),
        ("discretionary_data", "0" * 13, "0" * 13),
        ("name", "MÜLLER-ŁĄCKI/ZOË.DR", "MÜLLER-ŁĄCKI/ZOË.DR"),
        ("name", "MU\u0308LLER/ANA", "MÜLLER/ANA"),
    ],
)
def test_what_a_card_can_carry_is_taken(field: str, value: str, kept: str) -> None:
    content = lines(header(count=1, hash_total=PANS[0]), record(PANS[0], **{field: value}))
    (card,) = read(content).cards
    assert json.loads(card.record.reveal())[field] == kept


def test_a_card_is_valid_on_its_last_day() -> None:
    content = lines(
        header(count=1, hash_total=PANS[0]),
        record(PANS[0], expiry=f"{TODAY.year}-{TODAY.month:02}"),
    )
    assert len(read(content).cards) == 1


def test_a_missing_field_is_named() -> None:
    short = {name: value for name, value in record(PANS[0]).items() if name != "psn"}
    with pytest.raises(BadInput, match="record 1: psn: is missing"):
        read(lines(header(count=1), short))


def test_every_error_of_a_file_is_reported_at_once_and_none_of_its_data() -> None:
    bad = [
        record(WRONG_PAN, name="secret name"),
        record(PANS[1], expiry="2020-01"),
        record(PANS[1]),
    ]
    with pytest.raises(BadInput) as refused:
        read(lines(header(count=9, product="x y"), *bad).replace(b'"x y"', b'"x"'))
    told = "".join(traceback.format_exception(refused.value))
    for words in ("record 1: name", "record 2: expiry", "record 3: the same card"):
        assert words in told
    for secret in (WRONG_PAN, PANS[1], "secret name", "2020-01"):
        assert secret not in told
        assert secret not in repr(refused.value)


def test_a_wrong_count_is_told_beside_the_errors_of_the_records() -> None:
    with pytest.raises(BadInput, match=r"record 1: .*; header: count: it says 9, not 1"):
        read(lines(header(count=9), record(WRONG_PAN)))


def test_many_errors_are_counted() -> None:
    bad = [record(WRONG_PAN, psn=f"{number:02}") for number in range(30)]
    with pytest.raises(BadInput, match=r"30 error\(s\).*and 10 more"):
        read(lines(header(count=30), *bad))


LINES = {
    "not JSON": b"{",
    "a list": b"[]",
    "a name twice": b'{"pan":"1","pan":"2"}',
    "UTF-16": json.dumps({"pan": "1"}).encode("utf-16"),
    "not UTF-8": b'{"pan":"\xff"}',
    "an empty line": b"",
    "endless nesting": b"[" * 100_000,
}


@pytest.mark.control("KIF-GW-08")
@pytest.mark.parametrize("case", LINES)
def test_a_line_that_is_no_record_is_refused(case: str) -> None:
    with pytest.raises(BadInput, match="record 1: "):
        read(lines(header(count=1)) + LINES[case] + b"\n")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"count": 0},
        {"count": "3"},
        {"reference": "a/b"},
        {"reference": "123456"},
        {"reference": "r" * 65},
        {"hash_total": "1"},
    ],
)
def test_a_bad_header_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="header: "):
        read(lines(header(**change), *(record(pan) for pan in PANS)))


def test_nothing_shows_a_record() -> None:
    made = Record.model_validate(record(PANS[0]))
    assert PANS[0] not in repr(made)
    assert Header.model_validate(header()).count == 3


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_be_refused(raw: bytes) -> None:
    with pytest.raises(KifError):
        read(raw)
