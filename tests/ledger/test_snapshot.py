"""A snapshot is as good as the log that it was taken of."""

from pathlib import Path

import pytest

from kif.formats import canonical
from kif.formats.error import CheckFailed
from kif.ledger.snapshot import encode_snapshot, restore_snapshot
from kif.ledger.tail import Tail
from kif.ledger.verify import follow
from kif.store.engine import Store, open_store
from tests.ledger.history import SIGNER, Clock, SoftwareSigner
from tests.ledger.stored import GROUPS, checked, filled, write_group


def followed(store: Store) -> Tail:
    tail = Tail.of(SIGNER.verifier)
    with store.reading() as tx:
        follow(tail, tx.ledger)
    return tail


@pytest.mark.parametrize("groups", range(1, len(GROUPS) + 1))
def test_a_log_goes_on_from_a_snapshot_as_from_its_beginning(tmp_path: Path, groups: int) -> None:
    """After each group: the restored state is the same, and admits the rest in the same way."""
    store = filled(tmp_path / "db", GROUPS[:groups])
    whole = followed(store)
    content = encode_snapshot(whole)
    tail = restore_snapshot(content, SIGNER.verifier)
    assert encode_snapshot(tail) == content
    assert (tail.size, tail.groups, tail.note) == (whole.size, whole.groups, whole.note)
    clock = Clock(whole.state.time or Clock().time)
    with store.transaction() as tx:
        for group in GROUPS[groups:]:
            write_group(tx.ledger, tail, group, clock)
    report = checked(open_store(tmp_path / "db"))
    assert report.root == tail.frontier.root()
    assert encode_snapshot(followed(open_store(tmp_path / "db"))) == encode_snapshot(tail)


DAMAGED = {
    "nothing": b"",
    "no JSON": b"{",
    "no fields": b"{}",
    "a list": b"[]",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_no_snapshot_is_a_sentence(case: str) -> None:
    with pytest.raises(CheckFailed, match="can't be read"):
        restore_snapshot(DAMAGED[case], SIGNER.verifier)


def test_a_snapshot_of_another_version_or_log_is_refused(tmp_path: Path) -> None:
    fields = canonical.decode(encode_snapshot(followed(filled(tmp_path / "db", GROUPS))))
    other = canonical.encode(fields | {"format": "kif-snapshot-0"})
    with pytest.raises(CheckFailed, match="another version"):
        restore_snapshot(other, SIGNER.verifier)
    with pytest.raises(CheckFailed, match="one of another log"):
        restore_snapshot(canonical.encode(fields), SoftwareSigner().verifier)
    moved = canonical.encode(fields | {"frontier": ""})
    with pytest.raises(CheckFailed):
        restore_snapshot(moved, SIGNER.verifier)
