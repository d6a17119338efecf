"""Following the log at rest: every byte of it is hashed again, what is new is admitted.

The state of the first entries comes out of a snapshot that the HSM made; the tree over *all*
entries is computed anew, so that what was changed in the old ones shows as well.
"""

from __future__ import annotations

import hashlib

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.hsm.key import Key
from kif.hsm.memory import Head
from kif.ledger.merkle import EMPTY_ROOT, Frontier
from kif.ledger.tail import NO_NOTES, Tail, broken, with_note
from kif.ledger.verify import follow
from kif.oracle.snapshots import load_snapshot
from kif.store.ledger import LedgerTables


def log_at_rest(
    ledger: LedgerTables, verifier: str, protection: Key, head: Head
) -> tuple[Tail, int]:
    """Return the log's end, and how many entries were admitted to get there.

    Raises ``CheckFailed``: LEDGER_INTACT naming what was changed, LEDGER_ROLLBACK when the log ends
    before, or otherwise than, what the HSM remembers of it.
    """
    tail = load_snapshot(ledger, verifier, protection)
    start = tail.size
    roots = _roots_at(ledger, {start, head.size})
    if roots.get(head.size) != (head.root if head.size else EMPTY_ROOT):
        raise _otherwise(head, there=head.size in roots)
    if roots.get(start) != tail.frontier.root() or _notes_of(ledger, start) != tail.notes:
        raise broken(
            f"Among the first {start} entries and their checkpoints something was changed; 'kif "
            "log verify' names it."
        )
    follow(tail, ledger)
    if not tail.state.genesis.closed:
        raise broken("The log has no genesis that is closed.")
    return tail, tail.size - start


def _roots_at(ledger: LedgerTables, sizes: set[int]) -> dict[int, bytes]:
    """Hash every leaf again; return the tree's root at those of the sizes that there are.

    The frontier is worked on in place here: this runs over the whole log at every opening.
    """
    sha, hashes = hashlib.sha256, list[bytes]()
    roots = {0: EMPTY_ROOT}
    for size, leaf in enumerate(ledger.leaves(), start=1):
        node, bits = sha(b"\x00" + leaf).digest(), size - 1
        while bits & 1:
            node = sha(b"\x01" + hashes.pop() + node).digest()
            bits >>= 1
        hashes.append(node)
        if size in sizes:
            roots[size] = Frontier(size, tuple(hashes)).root()
    return roots


def _notes_of(ledger: LedgerTables, size: int) -> bytes:
    """Return the running digest over the checkpoints up to a size."""
    notes = NO_NOTES
    for at, note in ledger.checkpoints():
        if at > size:
            break
        notes = with_note(notes, note)
    return notes


def _otherwise(head: Head, *, there: bool) -> CheckFailed:
    found = "has other ones" if there else "ends before that"
    return CheckFailed(
        Control.LEDGER_ROLLBACK,
        f"The HSM remembers a log of {head.size} entries, but the database {found}: an older or "
        "another database was put in its place, or its last entries are gone. Nothing was done. "
        "Restore the newest backup of database and token together.",
    )
