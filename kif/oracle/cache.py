"""What the tables say when they say what the log says.

The genesis fills them with it, and :func:`differences` compares them with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.state import BatchState, JobState
from kif.ledger.approval import fingerprint
from kif.ledger.batch import Batch
from kif.ledger.binding import root_over, sealed_digest
from kif.ledger.jobs import digest_of
from kif.ledger.state import State
from kif.oracle.rows import batch_values, bound_records, bound_scripts, key_values, site_values
from kif.store.engine import APPEND_ONLY

Row = dict[str, Any]
_SHOWN = 5


def rows_of(state: State, verifier: str) -> dict[str, list[Row]]:
    """Return every row of the tables that are small, by table."""
    return {
        "site": [site_values(state) | {"log_verifier": verifier}],
        "person": [
            {
                "name": each.name,
                "role": each.role.value,
                "public_key": each.public_key,
                "fingerprint": fingerprint(each.public_key),
            }
            for each in state.people.appointed.values()
        ],
        "key_record": [key_values(key, each) for key, each in state.keys.known.items()],
        "issuer": [
            {"name": name, "certificate": certificate}
            for name, certificate in state.issuers.certificates.items()
        ],
        "batch": [
            batch_values(place, each) | {"state": each.state.value}
            for place, each in enumerate(state.batches.known.values(), start=1)
        ],
        "approval": [
            {"batch_id": each.id, "person": person, "statement": statement}
            for each in state.batches.known.values()
            for person, statement in each.approvals
        ],
    }


_KEYS = {
    "site": ("name",),
    "person": ("name",),
    "key_record": ("key",),
    "issuer": ("name",),
    "batch": ("id",),
    "approval": ("batch_id", "person"),
}


def require_tables(session: Session, state: State, verifier: str, *, whole: bool) -> None:
    """Require that the tables say what the log says. Raises ``CheckFailed`` (LEDGER_TABLES).

    ``whole`` compares the cards of closed batches as well, and every sealed record and script.
    """
    found = list(differences(session, state, verifier, whole=whole))
    if found:
        raise _differ(found)


def _differ(found: list[str]) -> CheckFailed:
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return CheckFailed(
        Control.LEDGER_TABLES,
        f"The tables differ from the log: {'; '.join(found[:_SHOWN])}{more}. The log is right. "
        "Nothing was done; restore the database from a backup.",
    )


def differences(session: Session, state: State, verifier: str, *, whole: bool) -> Iterator[str]:
    """Yield what differs, a phrase each: tables first, then the cards of each batch."""
    for table, expected in rows_of(state, verifier).items():
        yield from _compare(table, _keyed(table, _read(session, table)), _keyed(table, expected))
    yield from _triggers(session)
    yield from _strange_jobs(session, state)
    for batch in state.batches.known.values():
        if batch.id in state.batches.jobs:
            yield from _open_cards(session, state, batch)
        elif whole:
            yield from _closed_cards(session, batch)
        yield from _seed(session, batch)
        if whole:
            yield from _sealed(session, batch.id)


def _read(session: Session, table: str) -> list[Row]:
    return [dict(row) for row in session.execute(text(f"SELECT * FROM {table}")).mappings()]  # noqa: S608


def _keyed(table: str, rows: list[Row]) -> dict[str, Row]:
    return {" of ".join(str(row[key]) for key in reversed(_KEYS[table])): row for row in rows}


def _compare(table: str, found: Mapping[str, Row], expected: Mapping[str, Row]) -> Iterator[str]:
    name = table.replace("_record", "")
    for key in found.keys() - expected.keys():
        yield f"the {name} {key} is not in the log"
    for key, row in expected.items():
        if key not in found:
            yield f"the {name} {key} of the log is missing"
            continue
        for column, value in row.items():
            if found[key][column] != value:
                shown = f"{found[key][column]!s:.40}".replace("\n", " ")
                yield f"{column} of the {name} {key} is '{shown}', not '{value!s:.40}'"


def _triggers(session: Session) -> Iterator[str]:
    """Yield which of the triggers are gone that keep the ledger append-only."""
    found = set(session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")))
    for missing in sorted(set(APPEND_ONLY) - found):
        yield f"the trigger {missing}, which keeps the log append-only, is missing"


def _strange_jobs(session: Session, state: State) -> Iterator[str]:
    for (batch,) in session.execute(text("SELECT DISTINCT batch_id FROM card_job")):
        if batch not in state.batches.known:
            yield f"cards of a batch {batch} are not in the log"


def _cards(session: Session, batch: str) -> list[tuple[Any, Any, bytes | None, Any]]:
    """Return number, state, chip and station of every card row of a batch."""
    wanted = text(
        "SELECT number, state, card_serial, station FROM card_job WHERE batch_id = :batch "
        "ORDER BY number"
    )
    rows = session.execute(wanted, {"batch": batch})
    return [(number, state, _chip(chip), station) for number, state, chip, station in rows]


def _chip(serial: Any) -> bytes | None:
    try:
        return None if serial is None else bytes.fromhex(serial)
    except (TypeError, ValueError):
        return b"?"


def require_open_cards(session: Session, state: State, batch: str) -> None:
    """Require that the cards of an open batch stand as the log says (LEDGER_TABLES)."""
    known = state.batches.require(batch)
    if batch in state.batches.jobs and (found := list(_open_cards(session, state, known))):
        raise _differ(found)


def _open_cards(session: Session, state: State, batch: Batch) -> Iterator[str]:
    jobs = state.batches.jobs[batch.id]
    cards = _cards(session, batch.id)
    if [number for number, *_ in cards] != list(range(1, batch.count + 1)):
        yield f"batch {batch.id} has {len(cards)} card rows, not cards 1 to {batch.count}"
        return
    for (number, found, chip, station), (_, known, used) in zip(cards, jobs.all(), strict=True):
        what = f"card {number} of batch {batch.id}"
        if found != known.value:
            yield f"{what} is '{found!s:.20}', but {known.value} in the log"
        if chip != used:
            yield f"{what} has another chip's serial than in the log"
        hold = jobs.line.get(number)
        if station != (hold and hold.station):
            yield f"{what} stands at another station than in the log"
    yield from _roots(session, batch)


def _seed(session: Session, batch: Batch) -> Iterator[str]:
    wanted = text("SELECT seed FROM batch WHERE id = :batch")
    seed = session.execute(wanted, {"batch": batch.id}).scalar()
    expected = None if batch.state is BatchState.ERASED else bytes.fromhex(batch.seed)
    if _digest(seed) != expected:
        yield f"the seed of batch {batch.id}'s data key is not the one in the log"


def _closed_cards(session: Session, batch: Batch) -> Iterator[str]:
    cards = _cards(session, batch.id)
    known = {state.value for state in JobState}
    fitting = all(state in known and len(chip or b"") in (0, 10) for _, state, chip, _ in cards)
    digest = digest_of((JobState(s), c) for _, s, c, _ in cards) if fitting else ""
    if batch.outcome is None or digest != batch.outcome.jobs:
        yield f"the cards of batch {batch.id} stand otherwise than when it was closed"
    yield from _roots(session, batch)


def _roots(session: Session, batch: Batch) -> Iterator[str]:
    if root_over(bound_records(session.connection(), batch.id)) != batch.records:
        yield f"the records of batch {batch.id} (pseudonyms, dates) are not those received"
    scripts = bound_scripts(session.connection(), batch.id)
    if (root_over(scripts) if scripts else "") != batch.scripts:
        yield f"the scripts of batch {batch.id} are not those prepared"


def _sealed(session: Session, batch: str) -> Iterator[str]:
    """Compare every sealed record and script with the digest beside it."""
    wanted = text(
        "SELECT number, record, record_digest, script, script_digest FROM card_job "
        "WHERE batch_id = :batch ORDER BY number"
    )
    rows = session.execute(wanted.execution_options(yield_per=100), {"batch": batch})
    for number, record, record_digest, script, script_digest in rows:
        for what, sealed, digest in (
            ("record", record, record_digest),
            ("script", script, script_digest),
        ):
            if _digest(sealed) != digest:
                yield f"the {what} of card {number} of batch {batch} is not the one in the log"


def _digest(sealed: Any) -> bytes | None:
    if sealed is None:
        return None
    return sealed_digest(sealed) if isinstance(sealed, bytes) else b"?"
