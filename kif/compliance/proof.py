"""Entries that are proven to be in a log, and the keys that follow from its first one."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Collection, Sequence

from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.ledger.approval import CEREMONY, verify_approval
from kif.ledger.event import Entry
from kif.ledger.events.ceremony import LogSignerReplaced, PersonAppointed, Role
from kif.ledger.merkle import inclusion_proof, root_of_proof
from kif.ledger.note import Checkpoint, encode_verifier

_LEAST = 2


def proofs_of(hashes: Sequence[bytes], needed: Collection[int]) -> list[list[str]]:
    """Return the proof of each entry that is in a tree, in the order of the entries."""
    there = sorted(index for index in needed if index < len(hashes))
    return [
        [base64.b64encode(node).decode() for node in inclusion_proof(hashes, index)]
        for index in there
    ]


def included(
    checkpoint: Checkpoint, entries: list[tuple[Entry, bytes]], proofs: list[list[bytes]]
) -> list[Entry]:
    """Return the entries that a checkpoint covers, each proven to be in its tree."""
    covered = [each for each in entries if each[0].index < checkpoint.size]
    found = []
    for (entry, leaf), proof in itertools.zip_longest(covered, proofs[: len(covered)]):
        if root_of_proof(leaf, entry.index, checkpoint.size, proof or []) != checkpoint.root:
            raise CheckFailed(
                Control.LEDGER_INTACT,
                f"Entry {entry.index} is not in the log that the checkpoint is over.",
            )
        found.append(entry)
    return found


def successor(
    known: list[Entry], entries: list[tuple[Entry, bytes]], checkpoint: Checkpoint, verifier: str
) -> str:
    """Return the key that comes after one, as people signed whom entries under that one name."""
    people = {e.event.person: e.event for e in known if isinstance(e.event, PersonAppointed)}
    for entry, _ in entries:
        event = entry.event
        if entry.index < checkpoint.size or not isinstance(event, LogSignerReplaced):
            continue
        statement = canonical.decode(event.statement.encode())
        end = (statement.get("size"), statement.get("root"), statement.get("public_key"))
        roles = [people[name].role for name in event.people if name in people]
        if (
            end != (checkpoint.size, checkpoint.root.hex(), event.public_key.hex())
            or len(set(event.people)) != len(event.signatures)
            or len(roles) != len(event.people)
            or min(roles.count(Role.CUSTODIAN), roles.count(Role.OPERATOR)) < _LEAST
        ):
            break
        for name, signature in zip(event.people, event.signatures, strict=True):
            key = people[name].public_key
            verify_approval(key, CEREMONY, event.statement.encode(), signature)
        return encode_verifier(checkpoint.origin, event.public_key)
    raise CheckFailed(
        Control.LEDGER_INTACT,
        f"Nobody who was appointed by then signed which key comes after {verifier}.",
    )
