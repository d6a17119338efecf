"""A ceremony's record by itself: its entries, their proofs, and what verifying them needs.

It stands alone. Whoever has the log's key verifies it without the site, its database or its HSM::

    1. the checkpoint is signed by the log's key, or by one that everyone signed in its place;
    2. each entry is in its tree, where it says; 3. the people's signatures are under the keys that
    they were appointed with; 4. the state machine admits the whole ceremony; 5. the end that
    everyone signed is one that the log's key signed.

What it does not show: that nothing else happened, and that the people were who they said.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kif.compliance.ceremonies import Ceremonies, Outcome, Told
from kif.compliance.ground import begin, ground_of, know_windows, stand_on
from kif.compliance.proof import included, proofs_of, successor
from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, KifError
from kif.ledger.event import Entry
from kif.ledger.events.ceremony import (
    CeremonyAborted,
    CeremonyAttested,
    CeremonyBegun,
    CeremonyClosed,
    GenesisBegun,
    LogSignerReplaced,
)
from kif.ledger.merkle import leaf_hash
from kif.ledger.note import open_checkpoint, verifier_key
from kif.ledger.plan import Plan
from kif.ledger.state import State

_FORMAT = "kif-ceremony-record-2"


def record_of(
    told: Told,
    ceremonies: Ceremonies,
    verifier: str,
    leaves: Sequence[bytes],
    notes: Mapping[int, str],
) -> bytes:
    """Return the record of a ceremony (canonical JSON), out of a log that was verified.

    ``leaves`` are the first of the log, as many as ``covering`` says; ``notes`` are its checkpoints
    by size.
    """
    size = covering(told, notes)
    hashes = [leaf_hash(leaf) for leaf in leaves]
    succeeded = [entry for entry in ceremonies.succeeded if entry.index < size]
    needed = {entry.index for entry in told.entries}
    if not told.plan.founds:
        needed |= {entry.index for entry in ground_of(told, ceremonies) if entry.index < size}
    for entry in succeeded:
        needed |= {entry.index} | {ceremonies.appointed[name].index for name in _signers(entry)}
    signed = [entry.event for entry in told.of_kind(CeremonyAttested)]
    heads = {
        canonical.decode(event.statement.encode())["size"]
        for event in signed
        if isinstance(event, CeremonyAttested)
    }
    fields = {
        "anchors": [
            {"checkpoint": notes[at], "proofs": proofs_of(hashes[:at], needed)}
            for at in (max(s for s in notes if s <= entry.index) for entry in succeeded)
        ],
        "checkpoint": notes[size],
        "entries": [{"index": index, "leaf": _text(leaves[index])} for index in sorted(needed)],
        "proofs": proofs_of(hashes, needed),
        "format": _FORMAT,
        "heads": [notes[head] for head in sorted(heads)],
        "verifier": verifier,
    }
    return canonical.encode(fields) + b"\n"


def _signers(entry: Entry) -> tuple[str, ...]:
    return entry.event.people if isinstance(entry.event, LogSignerReplaced) else ()


def covering(told: Told, notes: Mapping[int, str]) -> int:
    """Return the size of the first checkpoint that covers a ceremony as far as it has come."""
    return min(size for size in notes if size > told.entries[-1].index)


@dataclass(frozen=True)
class Verified:
    """What a record shows."""

    verifier: str
    plan: Plan
    subject: str
    outcome: Outcome
    entries: int


def verify_record(raw: bytes, verifier: str | None = None) -> Verified:
    """Verify a record. Raises ``BadInput`` for what is none, ``CheckFailed`` naming the fault.

    Without ``verifier`` the log's key is taken from the record itself, which then shows no more
    than that it fits together.
    """
    try:
        fields = canonical.decode(raw.rstrip(b"\n"))
        entries = [_entry(each) for each in fields["entries"]]
        anchors = [(each["checkpoint"], _read_proofs(each["proofs"])) for each in fields["anchors"]]
        note, proofs = fields["checkpoint"], _read_proofs(fields["proofs"])
        key, heads = fields["verifier"], fields["heads"]
        known = fields["format"] == _FORMAT
    except (KeyError, TypeError, ValueError, BadInput):
        known = False
    if not known:
        raise BadInput(Control.BYTES, "This is not a ceremony's record of this version.")
    first = now = verifier or key
    signed: dict[int, str] = {}
    for anchor, proven in anchors:
        checkpoint = open_checkpoint(anchor, now)
        signed[checkpoint.size] = checkpoint.root.hex()
        now = successor(included(checkpoint, entries, proven), entries, checkpoint, now)
    checkpoint = open_checkpoint(note, now)
    told = included(checkpoint, entries, proofs)
    if len(told) != len(entries):
        raise CheckFailed(Control.LEDGER_INTACT, "An entry of the record has no proof.")
    signed |= {
        head.size: head.root.hex() for head in (open_checkpoint(each, now) for each in heads)
    }
    return _admitted(State(verifier_key(first)), told, first, signed)


def _entry(fields: Any) -> tuple[Entry, bytes]:
    leaf = base64.b64decode(fields["leaf"], validate=True)
    entry = Entry.decode(leaf)
    if entry.index != fields["index"]:
        raise CheckFailed(
            Control.LEDGER_INTACT, f"Entry {fields['index']} is not in the log: it is another one."
        )
    return entry, leaf


def _read_proofs(fields: Any) -> list[list[bytes]]:
    return [[base64.b64decode(node, validate=True) for node in each] for each in fields]


def _admitted(
    state: State, entries: list[Entry], verifier: str, heads: Mapping[int, str]
) -> Verified:
    """Have the state machine admit the ceremony, after what it stands on."""
    begun = [e for e in entries if isinstance(e.event, GenesisBegun | CeremonyBegun)]
    if len(begun) != 1:
        raise CheckFailed(Control.LEDGER_INTACT, "The record is not of one ceremony.")
    first = begun[0]
    plan = Plan.decode(first.event.plan)  # type: ignore[attr-defined]
    if isinstance(first.event, CeremonyBegun):
        stand_on(state, [entry for entry in entries if entry.index < first.index], verifier)
        know_windows(state, entries)
        begin(state, first.event, plan)
    subject = first.event.subject if isinstance(first.event, CeremonyBegun) else first.event.site  # type: ignore[attr-defined]
    outcome = Outcome.STANDING
    for entry in entries:
        if entry.index < first.index or (entry is first and not plan.founds):
            continue
        if isinstance(entry.event, CeremonyAttested | LogSignerReplaced):
            size = canonical.decode(entry.event.statement.encode())["size"]
            state.head = (size, heads.get(size, ""))
        try:
            state.admit(entry.event, entry.time)
        except KifError as exc:
            raise CheckFailed(
                Control.LEDGER_RULES,
                f"Entry {entry.index} ({entry.event.kind}) may not stand here: {exc.sentence}",
            ) from exc
        if isinstance(entry.event, CeremonyClosed):
            outcome = Outcome.CLOSED
        if isinstance(entry.event, CeremonyAborted):
            outcome = Outcome.ABORTED
    return Verified(verifier, plan, subject, outcome, len(entries))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
