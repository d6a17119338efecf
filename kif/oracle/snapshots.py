"""Snapshots of the log's end, MACed in the HSM: they make opening fast, and nothing else."""

from __future__ import annotations

import hashlib
import hmac

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.hsm.data import keyed_digest
from kif.hsm.key import Key
from kif.ledger.snapshot import encode_snapshot, restore_snapshot
from kif.ledger.tail import Tail
from kif.store.ledger import LedgerTables

EVERY = 10_000
"""Entries after which a snapshot is made anew."""


def save_snapshot(ledger: LedgerTables, tail: Tail, protection: Key) -> None:
    """Keep a snapshot of the log's end."""
    content = encode_snapshot(tail)
    ledger.put_snapshot(tail.size, content, _mac(protection, content))


def load_snapshot(ledger: LedgerTables, verifier: str, protection: Key) -> Tail:
    """Return the log's end as the snapshot says, or an empty log's when there is no snapshot.

    Raises ``CheckFailed`` (LEDGER_INTACT) when the HSM did not make the snapshot.
    """
    found = ledger.snapshot()
    if found is None:
        return Tail.of(verifier)
    size, content, mac = found
    if not hmac.compare_digest(mac, _mac(protection, content)):
        raise CheckFailed(
            Control.LEDGER_INTACT,
            f"The snapshot of the log at size {size} is not one that the HSM made. Keep the "
            "database as it is, and compare it with a backup.",
        )
    return restore_snapshot(content, verifier)


def _mac(protection: Key, content: bytes) -> bytes:
    return keyed_digest(protection, b"snapshot", hashlib.sha256(content).digest())
