"""The report on one batch, made from the home alone: no token, no passphrase."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from kif.compliance.account import CHECKS, account_of, require_balance
from kif.compliance.ceremonies import Ceremonies, concerns_ceremonies
from kif.console.page import CeremonyLine, Report
from kif.formats.script import Artwork
from kif.formats.state import BatchState, JobState
from kif.graphics.front import specimen
from kif.ledger.event import Entry
from kif.oracle.audit import audit
from kif.oracle.home import Home
from kif.oracle.local import now
from kif.oracle.messages import JobView
from kif.oracle.views import batch_view, job_views
from kif.store.engine import read_store

_CARDS = 200
_ENDED = (BatchState.CLOSED, BatchState.ERASED)
_SPECIMEN = Artwork({"number": "9999 9900 0000 0000", "name": "SPECIMEN", "valid_thru": "12/49"})
"""Card data is not given out for a picture."""


def report_on(home: Home, batch: str) -> Report:
    """Verify the whole home, and report on a batch.

    Raises ``CheckFailed`` when the ledger, or the reconciliation of a closed batch, does not hold.
    """
    log, store = audit(home), read_store(home.database)
    try:
        with store.reading() as tx:
            view, jobs = batch_view(tx.session, batch), job_views(tx.session, batch)
            account = account_of(batch, log, map(Entry.decode, tx.ledger.leaves()))
            ceremonies = Ceremonies.of(
                map(Entry.decode, filter(concerns_ceremonies, tx.ledger.leaves()))
            ).told
    finally:
        store.close()
    good = sum(view.jobs.get(each, 0) for each in (JobState.GOOD, JobState.DISPATCHED))
    suspect = view.jobs.get(JobState.SUSPECT, 0)
    ended = view.state in _ENDED
    if ended:
        require_balance(batch, log, good, suspect, view.count)
    return Report(
        batch=view,
        cards=_shown(jobs),
        personalised=good,
        suspect=suspect,
        cryptograms_verified=account.verified,
        ledger_size=log.size,
        ledger_root=log.root.hex(),
        verifier=log.verifier,
        checkpoint=log.last.note,
        kinds=account.kinds,
        keys=account.keys,
        releases=account.releases,
        checks=CHECKS if ended else (),
        ceremonies=[
            CeremonyLine(
                each.number, each.plan.ceremony, each.subject, each.begun, each.outcome.value
            )
            for each in ceremonies
        ],
        specimen=base64.b64encode(specimen(_SPECIMEN)).decode(),
        made_at=now(),
    )


def _shown(jobs: Sequence[JobView]) -> list[JobView]:
    """Return the first cards of a large batch, and every suspect one."""
    return [
        job for place, job in enumerate(jobs) if place < _CARDS or job.state is JobState.SUSPECT
    ]
