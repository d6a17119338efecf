"""A snapshot: what a log's end looks like, so that opening need not admit every entry again.

It is canonical JSON, bound to the checkpoint in it and MACed by a key in the HSM: only a snapshot
that the site itself made is believed, and only beside a log that still has that checkpoint.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.ledger.chips import Chips
from kif.ledger.form import write_time
from kif.ledger.merkle import Frontier
from kif.ledger.tail import Tail, broken

_FORMAT = "kif-snapshot-6"


def encode_snapshot(tail: Tail) -> bytes:
    """Return the snapshot of a log's end, which is signed and whose genesis is closed."""
    state = tail.state
    if state.time is None or tail.open or not state.genesis.closed:
        raise ValueError("a snapshot is taken of a site, at a checkpoint")
    return canonical.encode(
        {
            "format": _FORMAT,
            "verifier": tail.verifier,
            "frontier": _text(tail.frontier.encode()),
            "groups": tail.groups,
            "note": tail.note,
            "notes": _text(tail.notes),
            "last_leaf": _text(tail.last_leaf),
            "time": write_time(state.time),
            "genesis": state.genesis.encode(),
            "people": state.people.encode(),
            "keys": state.keys.encode(),
            "custody": state.custody.encode(),
            "packages": state.packages.encode(),
            "exchange": state.exchange.encode(),
            "schemes": state.schemes.encode(),
            "ceremonies": state.ceremonies.encode(),
            "issuers": state.issuers.encode(),
            "batches": state.batches.encode(),
            "stations": state.stations.encode(),
            "deliveries": state.deliveries.encode(),
            "chips": _text(state.chips.encode()),
        }
    )


def restore_snapshot(content: bytes, verifier: str) -> Tail:
    """Return the end of a log from a snapshot whose MAC was verified. Raises ``CheckFailed``."""
    tail = Tail.of(verifier)
    try:
        fields = canonical.decode(content)
        _restore(tail, fields)
    except (BadInput, KeyError, TypeError, ValueError):
        raise CheckFailed(
            Control.LEDGER_INTACT,
            "The snapshot of the log can't be read; another version of kif made it.",
        ) from None
    return tail


def _restore(tail: Tail, fields: dict[str, Any]) -> None:
    if fields["format"] != _FORMAT:
        raise ValueError(fields["format"])
    if fields["verifier"] != tail.verifier:
        raise broken("The snapshot is one of another log.")
    state = tail.state
    state.time = datetime.fromisoformat(fields["time"])
    state.genesis.restore(fields["genesis"])
    state.people.restore(fields["people"])
    state.keys.restore(fields["keys"])
    state.custody.restore(fields["custody"])
    state.packages.restore(fields["packages"])
    state.exchange.restore(fields["exchange"])
    state.schemes.restore(fields["schemes"])
    state.ceremonies.restore(fields["ceremonies"])
    state.issuers.restore(fields["issuers"])
    state.batches.restore(fields["batches"])
    state.stations.restore(fields["stations"])
    state.deliveries.restore(fields["deliveries"])
    state.chips = Chips(base64.b64decode(fields["chips"]))
    tail.resume(
        Frontier.decode(base64.b64decode(fields["frontier"])),
        fields["groups"],
        fields["note"],
        base64.b64decode(fields["notes"]),
        base64.b64decode(fields["last_leaf"]),
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
