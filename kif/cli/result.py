"""The end of the demo: verify the ledger, reconcile, and leave a summary and a page."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from kif.console.page import KeyLine, Report, write_page
from kif.console.progress import Screen
from kif.formats.control import Control
from kif.formats.error import CheckFailed
from kif.formats.script import Artwork
from kif.formats.state import JobState
from kif.graphics.front import specimen
from kif.ledger.event import Entry
from kif.ledger.events.card import CardVerified
from kif.ledger.verify import LogReport
from kif.oracle.audit import audit
from kif.oracle.home import Home
from kif.oracle.interface import BatchView, JobView
from kif.oracle.local import LocalOracle, now
from kif.store.engine import read_store

_CARDS = 200
_SPECIMEN = Artwork({"number": "9999 9900 0000 0000", "name": "SPECIMEN", "valid_thru": "12/99"})
"""Card data is not given out for a picture."""
_CHECKS = (
    "The issuer's file was for this bureau, whole, and signed by the registered issuer.",
    "Its count and hash total are those that it states; every record is in its form.",
    "Two different operators signed the release of exactly this batch.",
    "Every good card proved its keys before any key left the HSM.",
    "Every command of a good card's script was answered 9000, with the card's R-MAC.",
    "A good card's records and processing options were read back and are what was prepared.",
    "A good card's ARQC was verified in the HSM with the key derived for it.",
    "The ledger was read again from its first byte, and each entry was one that its rules admit.",
    "Every table says what the ledger says; received = good + suspect + left over.",
)


def conclude(home: Home, oracle: LocalOracle, batch: str, screen: Screen, seconds: float) -> None:
    """Verify and reconcile; write ``summary.json`` and the page; say where everything lies.

    Raises ``CheckFailed`` when the ledger or the reconciliation does not hold.
    """
    view, jobs = oracle.supervision.batch(batch), oracle.supervision.jobs(batch)
    log = audit(home)
    _reconcile(view, log)
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


def _reconcile(view: BatchView, log: LogReport) -> None:
    """Compare the database's counts with those that the ledger gives by itself."""
    outcome = log.state.batches.require(view.id).outcome
    states = (view.jobs.get(JobState.DISPATCHED, 0), view.jobs.get(JobState.SUSPECT, 0))
    if outcome is None or states != (outcome.good, outcome.suspect) or sum(states) != view.count:
        raise CheckFailed(
            Control.RECONCILIATION,
            f"Batch {view.id} has {states[0]} good and {states[1]} suspect cards of {view.count} "
            f"in the database, but the ledger says {outcome or 'that it is not closed'}.",
        )


def _report(
    home: Home, view: BatchView, jobs: Sequence[JobView], log: LogReport, seconds: float
) -> Report:
    store = read_store(home.database)
    with store.reading() as tx:
        entries = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
    store.close()
    kinds = Counter(
        each.event.kind for each in entries if getattr(each.event, "batch", None) == view.id
    )
    state = log.state
    return Report(
        batch=view,
        cards=_shown(jobs),
        personalised=view.jobs.get(JobState.DISPATCHED, 0),
        suspect=view.jobs.get(JobState.SUSPECT, 0),
        cryptograms_verified=kinds[CardVerified.kind],
        ledger_size=log.size,
        ledger_root=log.root.hex(),
        verifier=log.verifier,
        checkpoint=log.last.note,
        kinds=dict(sorted(kinds.items())),
        keys=[
            KeyLine(str(ref), k.usage, k.algorithm, k.kcv or "none", state.genesis.plan["ceremony"])
            for ref, k in sorted(state.keys.known.items())
        ],
        checks=_CHECKS,
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
