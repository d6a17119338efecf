"""The set of all chips."""

from hypothesis import given
from hypothesis import strategies as st

from kif.ledger import chips as module
from kif.ledger.chips import SIZE, Chips
from kif.ledger.journal import Journal

SERIALS = st.lists(st.binary(min_size=SIZE, max_size=SIZE), unique=True, max_size=60)


@given(SERIALS, SERIALS, st.integers(1, 9))
def test_it_is_a_set_however_often_it_settles(
    added: list[bytes], others: list[bytes], recent: int
) -> None:
    before, module._RECENT = module._RECENT, recent
    try:
        chips = Chips()
        for serial in added:
            assert serial not in chips
            chips.add(serial, Journal())
            chips.settle()
    finally:
        module._RECENT = before
    assert len(chips) == len(added)
    assert all(serial in chips for serial in added)
    assert not any(serial in chips for serial in others if serial not in added)
    assert chips.encode() == b"".join(sorted(added))
    again = Chips(chips.encode())
    assert all(serial in again for serial in added)
    assert again.encode() == chips.encode()


def test_runs_stay_few() -> None:
    chips = Chips()
    before, module._RECENT = module._RECENT, 4
    try:
        for number in range(1000):
            chips.add(number.to_bytes(SIZE, "big"), Journal())
            chips.settle()
    finally:
        module._RECENT = before
    assert len(chips._runs) < 9


def test_what_is_new_can_be_taken_back() -> None:
    chips, journal = Chips(), Journal()
    mark = journal.mark()
    chips.add(bytes(SIZE), journal)
    journal.back(mark)
    assert bytes(SIZE) not in chips
