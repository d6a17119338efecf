"""The audit of a home: its whole log, every table, and the files that the log names.

It needs no token and no passphrase: the log's verifier key is enough, which compliance staff keep
elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.hsm.library import library_digest
from kif.ledger.event import Entry
from kif.ledger.events.batch import BatchReceived
from kif.ledger.events.card import CardSuspect
from kif.ledger.state import State
from kif.ledger.verify import LogReport, verify_log
from kif.oracle.cache import require_tables
from kif.oracle.home import Home, kept
from kif.store.engine import Transaction, read_store
from kif.store.models import Site


def audit(home: Home, verifier: str | None = None) -> LogReport:
    """Verify everything that a home holds. Raises ``CheckFailed`` naming what is wrong.

    1. Nobody else can write in the home; 2. the log, entry by entry, against its key, which is
    taken from the home itself when none is given; 3. every table says what the log says; 4. so do
    ``hsm.yaml``, the seal and the public files of quorums.
    """
    told = _Told()
    with _log_of(home) as (tx, own):
        report = verify_log(tx.ledger, verifier or own, told.note)
        require_tables(tx.session, report.state, verifier or own, whole=True)
        _require(list(told.differences(tx.session)))
    _require([*_files(home, report.state), *_kept(home, report.state)])
    return report


def state_of(home: Home, verifier: str | None = None) -> State:
    """Return what follows from a home's log, after verifying it; no token is needed."""
    with _log_of(home) as (tx, own):
        return verify_log(tx.ledger, verifier or own).state


@contextmanager
def _log_of(home: Home) -> Iterator[tuple[Transaction, str]]:
    home.require_site()
    store = read_store(home.database)
    try:
        with store.reading() as tx:
            yield tx, verifier_of(tx)
    finally:
        store.close()


def verifier_of(tx: Transaction) -> str:
    """Return the log's first key, as the database has it."""
    return tx.session.scalars(select(Site.log_verifier)).first() or ""


@dataclass
class _Told:
    """What entries tell to those concerned, where it is not erased, and the tables repeat."""

    reasons: dict[tuple[str, int], str] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)

    def note(self, entry: Entry) -> None:
        """Keep what an entry tells."""
        event = entry.event
        if isinstance(event, CardSuspect) and event.reason is not None:
            self.reasons[event.batch, event.number] = f"{event.reason} [{event.control.value}]"
        if isinstance(event, BatchReceived) and event.reference is not None:
            self.references[event.batch] = event.reference

    def differences(self, session: Session) -> Iterator[str]:
        """Yield which rows tell something else."""
        for batch, reference in session.execute(text("SELECT id, file_reference FROM batch")):
            if self.references.get(batch, reference) != reference:
                yield f"the reference of batch {batch} is not the one in the log"
        rows = session.execute(
            text("SELECT batch_id, number, state, reason FROM card_job WHERE reason IS NOT NULL")
        )
        for batch, number, state, reason in rows:
            known = self.reasons.get((batch, number), reason if state == "suspect" else None)
            if known != reason:
                yield f"the reason of card {number} of batch {batch} is not the one in the log"


def _files(home: Home, state: State) -> Iterator[str]:
    """Compare where the PIN goes, and who holds it, with what the ceremony recorded."""
    place, token = home.token_place(), state.genesis.token
    for what, found, known in (
        ("the token", place.label, token["label"]),
        ("the library", str(place.library), token["library"]),
    ):
        if found != known:
            yield f"hsm.yaml names {what} '{found}', not '{known}'"
    if place.library.exists() and library_digest(place.library) != token["library_digest"]:
        yield f"the library {place.library} is another file than the one on the record"
    for purpose, sealed in state.genesis.sealed.items():
        files = {f"{person}.json": digest for person, digest in sealed.files.items()}
        for name, digest in (files | {"quorum": sealed.quorum}).items():
            path = home.seal / purpose / name
            content = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(content).hexdigest() != digest:
                yield f"the sealed file {purpose}/{name} is not the one on the record"


def _kept(home: Home, state: State) -> Iterator[str]:
    """Compare the public files of quorums and backups, as far as they are here."""
    for (what, key), file in state.custody.files.items():
        path = kept(home.backup, what, key)
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != file.digest:
            yield f"backup/{path.name} is not the file on the record"


def _require(found: list[str]) -> None:
    if found:
        raise CheckFailed(
            Control.LEDGER_TABLES,
            f"The home differs from the log: {'; '.join(found)}. The log is right; restore the "
            "home from a backup.",
        )
