"""What anyone may see of batches, cards, keys and issuers, as the tables have it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import bindparam, func, select, true
from sqlalchemy.orm import Session

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.state import BatchState, KeyState
from kif.oracle.messages import BatchView, IssuerView, JobRef, JobView, KeyView
from kif.store.models import Approval, Batch, CardJob, Issuer, KeyRecord, Person


def batch_view(session: Session, batch: str) -> BatchView:
    """Return what anyone may see of a batch, as the tables have it. Raises ``BadInput``."""
    row = session.get(Batch, batch, populate_existing=True)
    if row is None:
        raise BadInput(
            Control.BATCH_STATE, f"There is no batch {batch}. 'kif batch status' lists them."
        )
    people = select(Approval.person).where(Approval.batch_id == batch).order_by(Approval.person)
    jobs = select(CardJob.state, func.count()).where(CardJob.batch_id == batch)
    counted = session.execute(jobs.group_by(CardJob.state).order_by(CardJob.state))
    return BatchView(
        row.id,
        row.issuer,
        row.file_reference,
        row.product,
        row.count,
        row.state,
        tuple(session.scalars(people)),
        {found[0]: found[1] for found in counted},
    )


def batch_named(session: Session, named: str) -> str:
    """Return the id of the batch with this id, reference, or beginning of an id.

    Raises ``BadInput`` (BATCH_STATE) when there is none, or when it could be several.
    """
    if session.get(Batch, named) is not None:
        return named
    begins = Batch.id.startswith(named, autoescape=True)
    wanted = select(Batch.id).where((Batch.file_reference == named) | begins).order_by(Batch.place)
    found = list(session.scalars(wanted)) if named else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadInput(
            Control.BATCH_STATE, f"There is no batch {named}. 'kif batch status' lists them."
        )
    raise BadInput(
        Control.BATCH_STATE,
        f"{named} could be {len(found)} batches: {', '.join(found[:5])}. Name it by its whole id.",
    )


def batch_views(session: Session) -> list[BatchView]:
    """Return every batch, oldest first."""
    ids = list(session.scalars(select(Batch.id).order_by(Batch.place)))
    return list(map(partial(batch_view, session), ids))


_AT_ONCE = 500
_JOB: Any = CardJob.__table__
VIEW = (
    _JOB.c.batch_id,
    _JOB.c.number,
    _JOB.c.display,
    _JOB.c.pseudonym,
    _JOB.c.state,
    _JOB.c.card_serial,
    _JOB.c.reason,
)
"""The columns that ``seen`` reads."""
THIS_CARD = (_JOB.c.batch_id == bindparam("this_batch")) & (
    _JOB.c.number == bindparam("this_number")
)
"""What a card is looked up and moved by; the values come from ``place_of``."""


def job_views(session: Session, batch: str) -> list[JobView]:
    """Return the cards of a batch, in their order. Raises ``BadInput`` when there is no batch."""
    batch_view(session, batch)
    wanted = select(*VIEW).where(CardJob.batch_id == batch).order_by(CardJob.number)
    return [seen(row) for row in session.execute(wanted)]


def repeated_cards(session: Session, issuer: str, pseudonyms: Sequence[str]) -> dict[str, str]:
    """Return which of these pseudonyms are of an issuer's earlier cards, and in which batch.

    Cards of cancelled batches were never made and don't count.
    """
    of_issuer = (Batch.issuer == issuer) & (Batch.state != BatchState.CANCELLED)
    wanted = select(CardJob.pseudonym, CardJob.batch_id).join(Batch).where(of_issuer)
    found: dict[str, str] = {}
    for at in range(0, len(pseudonyms), _AT_ONCE):
        some = CardJob.pseudonym.in_(pseudonyms[at : at + _AT_ONCE])
        found |= {row[0]: row[1] for row in session.execute(wanted.where(some))}
    return found


def seen(row: Sequence[Any]) -> JobView:
    """Return the view that a row of ``VIEW`` gives."""
    batch, number, display, pseudonym, state, card_serial, reason = row
    return JobView(
        JobRef(batch, number), batch, number, display, pseudonym, state, card_serial, reason
    )


def place_of(job: JobRef) -> dict[str, Any]:
    """Return the values that ``THIS_CARD`` is bound to."""
    return {"this_batch": job.batch, "this_number": job.number}


def not_there(job: JobRef) -> BadInput:
    """Return the refusal of a card that there is not."""
    return BadInput(Control.JOB_STATE, f"{job} is not there.")


def key_views(session: Session) -> list[KeyView]:
    """Return every key, by reference."""
    rows = session.scalars(select(KeyRecord).order_by(KeyRecord.key))
    return [
        KeyView(KeyRef.parse(row.key), row.usage, row.algorithm, row.kcv, KeyState(row.state))
        for row in rows
    ]


def issuer_views(session: Session) -> list[IssuerView]:
    """Return the registered issuers, by name; those that were withdrawn are not among them."""
    rows = session.scalars(select(Issuer).order_by(Issuer.name))
    return [IssuerView(row.name, row.certificate) for row in rows if row.certificate is not None]


def operator_names(session: Session) -> list[str]:
    """Return the names of the operators."""
    wanted = select(Person.name).where(Person.role == "operator").order_by(Person.name)
    return list(session.scalars(wanted))


def issuer_names(session: Session, *, withdrawn: bool) -> list[str]:
    """Return the names of the registered issuers, and of those that were, too."""
    there = true() if withdrawn else Issuer.certificate.is_not(None)
    return list(session.scalars(select(Issuer.name).where(there).order_by(Issuer.name)))
