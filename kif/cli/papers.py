"""Papers about ceremonies, made from the home alone: no token, no passphrase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kif.compliance.ceremonies import Ceremonies
from kif.compliance.ceremony import report_of, signatures_of
from kif.compliance.document import Document
from kif.compliance.record import record_of
from kif.console.paper import to_html, to_pdf
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.ledger.event import Entry
from kif.oracle.audit import audit
from kif.oracle.home import Home
from kif.store.engine import read_store


@dataclass(frozen=True)
class Read:
    """A log that was verified, and the ceremonies in it."""

    ceremonies: Ceremonies
    verifier: str
    leaves: list[bytes]
    notes: dict[int, str]


def read_ceremonies(home: Home) -> Read:
    """Verify a home, and read its ceremonies. Raises ``CheckFailed`` when it does not hold."""
    verified, store = audit(home), read_store(home.database)
    try:
        with store.reading() as tx:
            leaves = list(tx.ledger.leaves())
            notes = dict(tx.ledger.checkpoints())
            payloads = {index: (salt, text) for index, salt, text in tx.ledger.payloads()}
    finally:
        store.close()
    entries = (_whole(Entry.decode(leaf), payloads) for leaf in leaves)
    return Read(Ceremonies.of(entries), verified.verifier, leaves, notes)


def write_report(read: Read, number: int, folder: Path) -> Iterator[Path]:
    """Write the papers about one ceremony; yield each path. Raises ``BadInput`` (USAGE)."""
    if not 1 <= number <= len(read.ceremonies.told):
        raise BadInput(
            Control.USAGE,
            f"There is no ceremony {number}; the record has {len(read.ceremonies.told)}. 'kif "
            "ceremony list' lists them.",
        )
    told = read.ceremonies.told[number - 1]
    yield from write_document(folder / "report", report_of(told, read.ceremonies))
    record = record_of(told, read.ceremonies, read.verifier, read.leaves, read.notes)
    yield _write(folder / "record.json", record)
    for name, text in signatures_of(told, read.ceremonies).items():
        yield _write(folder / "signatures" / name, text.encode())


def write_document(path: Path, document: Document) -> Iterator[Path]:
    """Write a document as a page and as a PDF beside each other; yield both paths."""
    yield _write(path.with_name(f"{path.name}.html"), to_html(document).encode())
    yield _write(path.with_name(f"{path.name}.pdf"), to_pdf(document))


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
    return path


def _whole(entry: Entry, payloads: dict[int, tuple[bytes, bytes]]) -> Entry:
    payload = payloads.get(entry.index)
    return entry if payload is None else entry.disclosed(*payload)
