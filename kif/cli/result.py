"""The end of the demo: verify the ledger, reconcile, and leave a summary and a page."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from kif.compliance.account import CHECKS, account_of, require_balance
from kif.console.page import Report, write_page
from kif.console.progress import Screen
from kif.formats.script import Artwork
from kif.formats.state import JobState
from kif.graphics.front import specimen
from kif.ledger.event import Entry
from kif.ledger.verify import LogReport
from kif.oracle.audit import audit
from kif.oracle.home import Home
from kif.oracle.interface import BatchView, JobView
from kif.oracle.local import LocalOracle, now
from kif.store.engine import read_store

_CARDS = 200
_SPECIMEN = Artwork({"number": "9999 9900 0000 0000", "name": "SPECIMEN", "valid_thru": "12/99"})
"""Card data is not given out for a picture."""


def conclude(home: Home, oracle: LocalOracle, batch: str, screen: Screen, seconds: float) -> None:
    """Verify and reconcile; write ``summary.json`` and the page; say where everything lies.

    Raises ``CheckFailed`` when the ledger or the reconciliation does not hold.
    """
    view, jobs = oracle.supervision.batch(batch), oracle.supervision.jobs(batch)
    log = audit(home)
    report = _report(home, view, jobs, log, seconds)
    page = home.path / "report" / "index.html"
    write_page(page, report)
    summary = _write_summary(home.path / "summary.json", report)
    screen.say(
        f"{report.personalised} of {view.count} cards are good, {report.suspect} suspect; the "
        f"ledger's {log.size} entries verify."
    )
    for what, path in (("Page", page), ("Summary", summary), ("Site", home.site)):
        screen.say(f"  {what:<8} {path}")


def _report(
    home: Home, view: BatchView, jobs: Sequence[JobView], log: LogReport, seconds: float
) -> Report:
    good, suspect = (view.jobs.get(each, 0) for each in (JobState.DISPATCHED, JobState.SUSPECT))
    require_balance(view.id, log, good, suspect, view.count)
    store = read_store(home.database)
    with store.reading() as tx:
        account = account_of(view.id, log, map(Entry.decode, tx.ledger.leaves()))
    store.close()
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
        checks=CHECKS,
        specimen=base64.b64encode(specimen(_SPECIMEN)).decode(),
        seconds=seconds,
        made_at=now(),
    )


def _shown(jobs: Sequence[JobView]) -> list[JobView]:
    """Return the first cards of a large batch, and every suspect one."""
    return [
        job for place, job in enumerate(jobs) if place < _CARDS or job.state is JobState.SUSPECT
    ]


def _write_summary(path: Path, report: Report) -> Path:
    summary = {
        "cards": report.batch.count,
        "personalised": report.personalised,
        "cryptograms_verified": report.cryptograms_verified,
        "suspect": report.suspect,
        "ledger": {"size": report.ledger_size, "root": report.ledger_root, "verified": True},
        "seconds": round(report.seconds, 3),
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(summary, indent=1) + "\n")
    partial.replace(path)
    return path
