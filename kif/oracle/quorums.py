"""The desk of quorums: shares to custodians, the key that they bring back, backups under it.

A share is seen by its custodian alone, or by nobody when the custodian's own token makes it; what
is kept is public: for each M of the N custodians a blob. The key itself lives in the session, and
its backups are files::

    HOME/backup/quorum-1.json     who holds shares by check value, and the blobs
    HOME/backup/masters-1.json    every master, wrapped under the key of that quorum
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.state import KeyState
from kif.hsm.backup import take_out
from kif.hsm.form import object_labels
from kif.hsm.handover import Handover
from kif.hsm.key import Algorithm, Key, find, released
from kif.hsm.quorum import Quorum, combine, create
from kif.hsm.usage import Usage
from kif.ledger.custody import MASTERS, QUORUM
from kif.ledger.events.custody import (
    BackupMade,
    Medium,
    QuorumMade,
    QuorumRetired,
    ShareEntered,
    ShareGiven,
)
from kif.ledger.state import State
from kif.oracle.desk import Desk
from kif.oracle.group import Step
from kif.oracle.home import kept, put, sync
from kif.oracle.rows import key_row, move_keys


@dataclass(frozen=True)
class Quorums:
    """What a ceremony asks for about shares. ``folder`` is where the public files are."""

    desk: Desk
    folder: Path
    _shares: dict[int, Key] = field(default_factory=dict)
    """The shares that are loaded, by the custodian's number."""

    def giving(self, key: KeyRef, number: int) -> Handover:
        """Return the way by which a new share gets to its custodian."""
        return Handover(self.desk.keys.token, self._site(), key, number)

    def give(
        self, key: KeyRef, person: str, number: int, medium: Medium, handover: Handover
    ) -> None:
        """Record that a share is kept by its custodian."""
        event = ShareGiven(person, key, number, medium, str(handover.kcv))
        self.desk.record.write(lambda step: step.record(event))
        self._shares[number] = handover.take()

    def make(self, key: KeyRef, threshold: int) -> Kcv:
        """Make the key of the shares that were given; return its check value.

        Every subset of so many was tried by then, and every one that is one short.
        """
        shares = [self._shares[number] for number in sorted(self._shares)]
        quorum = create(self.desk.keys.token, str(key), shares, threshold)
        self.forget()
        digest = _write(kept(self.folder, QUORUM, key), _encoded(quorum))

        def work(step: Step) -> None:
            step.record(QuorumMade(step.by, key, threshold, str(quorum.kcv), digest))
            step.session.add(key_row(step.state, key))

        self.desk.record.write(work)
        return quorum.kcv

    def holders(self, key: KeyRef) -> dict[int, str]:
        """Return who holds which share of a quorum's key, by number."""
        with self.desk.record.deciding() as state:
            return state.custody.shares(key)

    def taking(self, key: KeyRef, number: int) -> Handover:
        """Return the way by which a share comes back; another one than was given is refused."""
        expected = self._quorum(key).check_values[number - 1]
        return Handover(self.desk.keys.token, self._site(), key, number, expected)

    def enter(self, key: KeyRef, person: str, number: int, handover: Handover) -> None:
        """Take a share that was handed back."""
        event = ShareEntered(person, key, number)
        self.desk.record.write(lambda step: step.record(event))
        self._shares[number] = handover.take()

    def back_up(self, key: KeyRef) -> tuple[Path, tuple[KeyRef, ...]]:
        """Wrap every master under the key that the entered shares bring back."""
        token = self.desk.keys.token
        with ExitStack() as stack:
            kek = combine(self._quorum(key), self._shares, Usage.BACKUP_KEK)
            stack.enter_context(released(kek))
            with self.desk.record.deciding() as state:
                known = {each: state.keys.require(each) for each in state.keys.masters()}
            wrapped = []
            for each, entry in known.items():
                usage, algorithm = Usage(entry.usage), Algorithm(entry.algorithm)
                whole, *left = (
                    take_out(token, find(token, usage, algorithm, label), kek).hex()
                    for label in object_labels(str(each), usage)
                )
                wrapped.append(
                    {
                        "algorithm": entry.algorithm,
                        "derived": entry.derived,
                        "kcv": entry.kcv,
                        "key": str(each),
                        "wrapped": whole,
                        **({"left": left[0]} if left else {}),
                    }
                )
        self.forget()
        path = kept(self.folder, MASTERS, key)
        digest = _write(path, {"format": "kif-backup-1", "keys": wrapped, "under": str(key)})
        keys = tuple(known)
        self.desk.record.write(lambda step: step.record(BackupMade(step.by, key, keys, digest)))
        return path, keys

    def retire(self, key: KeyRef) -> None:
        """Take a quorum out of use that another one has come after; its files are destroyed."""

        def work(step: Step) -> None:
            if step.state.keys.require(key).state is not KeyState.DESTROYED:
                step.record(QuorumRetired(step.by, key))
                move_keys(step, (key,))

        self.desk.record.write(work)
        for what in (QUORUM, MASTERS):
            kept(self.folder, what, key).unlink(missing_ok=True)
        sync(self.folder)

    def forget(self) -> None:
        """Destroy the shares of the session."""
        for share in self._shares.values():
            share.destroy()
        self._shares.clear()

    def _site(self) -> str:
        with self.desk.record.deciding() as state:
            return state.ceremonies.require_running().site

    def _quorum(self, key: KeyRef) -> Quorum:
        with self.desk.record.deciding() as state:
            return read_quorum(self.folder, key, state)


def read_quorum(folder: Path, key: KeyRef, state: State) -> Quorum:
    """Read the public file of a quorum, which is the one on the record (QUORUM)."""
    return _decoded(_read(folder, QUORUM, key, state))


@dataclass(frozen=True)
class Wrapped:
    """A master in a backup."""

    key: KeyRef
    algorithm: Algorithm
    blobs: tuple[bytes, ...]
    """One, or two of a key whose left half stands beside it."""


def read_backup(folder: Path, key: KeyRef, state: State) -> list[Wrapped]:
    """Read the backup under the key of a quorum, which is the one on the record (QUORUM)."""
    return [
        Wrapped(
            KeyRef.parse(each["key"]),
            Algorithm(each["algorithm"]),
            tuple(bytes.fromhex(each[name]) for name in ("wrapped", "left") if name in each),
        )
        for each in _read(folder, MASTERS, key, state)["keys"]
    ]


def _read(folder: Path, what: str, key: KeyRef, state: State) -> dict[str, Any]:
    path = kept(folder, what, key)
    content = path.read_bytes() if path.is_file() else b""
    expected = state.custody.files.get((what, key))
    if expected is None or hashlib.sha256(content).hexdigest() != expected.digest:
        raise CheckFailed(
            Control.QUORUM,
            f"{path} is not there, or not the file that was made: its SHA-256 is not the one on "
            "the record. Restore it from a copy: it is not secret.",
        )
    fields: dict[str, Any] = json.loads(content)
    return fields


def _encoded(quorum: Quorum) -> dict[str, Any]:
    return {
        "blobs": {"-".join(map(str, each)): blob.hex() for each, blob in quorum.blobs.items()},
        "format": "kif-quorum-1",
        "kcv": str(quorum.kcv),
        "key": quorum.name,
        "shares": [str(kcv) for kcv in quorum.check_values],
        "threshold": quorum.threshold,
    }


def _decoded(fields: dict[str, Any]) -> Quorum:
    blobs = {
        tuple(map(int, subset.split("-"))): bytes.fromhex(blob)
        for subset, blob in fields["blobs"].items()
    }
    checks = tuple(map(Kcv.parse, fields["shares"]))
    return Quorum(fields["key"], fields["threshold"], checks, Kcv.parse(fields["kcv"]), blobs)


def _write(path: Path, fields: dict[str, Any]) -> str:
    """Write a public file durably, whole; return its SHA-256, hex."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    content = (json.dumps(fields, indent=1, sort_keys=True) + "\n").encode()
    put(path, content)
    return hashlib.sha256(content).hexdigest()
