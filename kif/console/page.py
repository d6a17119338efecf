"""The report page: one self-contained HTML file about one batch, for a person to open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import jinja2

from kif.compliance.account import KeyLine, Release
from kif.oracle.messages import BatchView, JobView


@dataclass(frozen=True)
class CeremonyLine:
    """A ceremony on the record, and where its own report is, beside the page, if there is one."""

    number: int
    ceremony: str
    subject: str
    begun: datetime
    outcome: str
    page: str = ""


@dataclass(frozen=True)
class Report:
    """All that the page shows; nothing in it is secret or names a card's holder."""

    batch: BatchView
    cards: Sequence[JobView]
    personalised: int
    suspect: int
    cryptograms_verified: int
    ledger_size: int
    ledger_root: str
    verifier: str
    checkpoint: str
    kinds: Mapping[str, int]
    keys: Sequence[KeyLine]
    releases: Sequence[Release]
    checks: Sequence[str]
    """What holds; none while the batch is not closed."""
    ceremonies: Sequence[CeremonyLine]
    """Every ceremony on the record."""
    specimen: str
    """PNG, base64: the front of a specimen, black on white."""
    made_at: datetime


def render(report: Report) -> str:
    """Return the page's HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kif.console", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html").render(report=report)


def write_page(path: Path, report: Report) -> None:
    """Write the page by a temporary name, so that there is never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(render(report), encoding="utf-8")
    partial.replace(path)
