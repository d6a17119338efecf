"""Papers about ceremonies, made from the home alone: no token, no passphrase."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kif.compliance.ceremonies import Ceremonies, Told, concerns_ceremonies
from kif.compliance.ceremony import report_of, signatures_of
from kif.compliance.document import Document
from kif.compliance.record import covering, record_of
from kif.console.paper import to_html, to_pdf
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.ledger.event import Entry
from kif.oracle.home import Home
from kif.store.engine import read_store
from kif.store.ledger import LedgerTables


@dataclass(frozen=True)
class Read:
    """The ceremonies of a log that was verified against its key."""

    home: Home
    verifier: str
    ceremonies: Ceremonies


def read_ceremonies(home: Home, verifier: str) -> Read:
    """Read the ceremonies of a home whose log was verified against this key."""
    return Read(home, verifier, Ceremonies.of(entries_of(home)))


def entries_of(home: Home) -> list[Entry]:
    """Return the entries about ceremonies of a home whose log was verified."""
    with _log(home) as ledger:
        leaves = filter(concerns_ceremonies, ledger.leaves())
        return [_whole(ledger, Entry.decode(leaf)) for leaf in leaves]


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
    yield _write(folder / "record.json", _record(read, told))
    for name, text in signatures_of(told, read.ceremonies).items():
        yield _write(folder / "signatures" / name, text.encode())


def _record(read: Read, told: Told) -> bytes:
    with _log(read.home) as ledger:
        notes = dict(ledger.checkpoints())
        leaves = list(islice(ledger.leaves(), covering(told, notes)))
        return record_of(told, read.ceremonies, read.verifier, leaves, notes)


@contextmanager
def _log(home: Home) -> Iterator[LedgerTables]:
    store = read_store(home.database)
    try:
        with store.reading() as tx:
            yield tx.ledger
    finally:
        store.close()


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


def _whole(ledger: LedgerTables, entry: Entry) -> Entry:
    payload = None if entry.commit is None else ledger.payload(entry.index)
    return entry if payload is None else entry.disclosed(*payload)
