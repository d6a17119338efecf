"""The end of the demo: verify the ledger, reconcile, and leave a summary and a page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from kif.cli.papers import read_ceremonies, write_report
from kif.cli.report import report_on
from kif.console.page import CeremonyLine, Report, write_page
from kif.console.progress import Screen
from kif.oracle.home import Home


def conclude(home: Home, batch: str, screen: Screen, seconds: float) -> None:
    """Verify and reconcile; write ``summary.json``, the page and the reports on ceremonies.

    Raises ``CheckFailed`` when the ledger or the reconciliation does not hold.
    """
    report = report_on(home, batch)
    page = home.reports / "index.html"
    report = replace(report, ceremonies=_reported(home, report))
    write_page(page, report)
    summary = _write_summary(home.path / "summary.json", report, seconds)
    screen.say(
        f"{report.personalised} of {report.batch.count} cards are good, {report.suspect} suspect; "
        f"the ledger's {report.ledger_size} entries verify."
    )
    for what, path in (("Page", page), ("Summary", summary), ("Site", home.site)):
        screen.say(f"  {what:<8} {path}")


def _reported(home: Home, report: Report) -> list[CeremonyLine]:
    """Write the report of each ceremony beside the page; return them with where it is."""
    read, lines = read_ceremonies(home, report.verifier), []
    for each in report.ceremonies:
        folder = f"ceremony-{each.number}"
        for _ in write_report(read, each.number, home.reports / folder):
            pass
        lines.append(replace(each, page=f"{folder}/report.html"))
    return lines


def _write_summary(path: Path, report: Report, seconds: float) -> Path:
    summary = {
        "cards": report.batch.count,
        "personalised": report.personalised,
        "cryptograms_verified": report.cryptograms_verified,
        "suspect": report.suspect,
        "ledger": {"size": report.ledger_size, "root": report.ledger_root, "verified": True},
        "seconds": round(seconds, 3),
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(summary, indent=1) + "\n")
    partial.replace(path)
    return path
