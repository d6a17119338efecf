"""Documents for people to read, sign and file: their parts, without any layout.

The console makes pages (HTML) and sheets (PDF) of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of text."""

    text: str


@dataclass(frozen=True)
class Heading:
    """The beginning of a section."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells under their heads."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Ticks:
    """Things to be done or compared, each with a box to tick and a line for time and initials."""

    items: Sequence[str]


@dataclass(frozen=True)
class Signatures:
    """A line to sign on for each of these."""

    who: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Text that is to be compared sign by sign."""

    text: str


Part = Paragraph | Heading | Table | Ticks | Signatures | Code


@dataclass(frozen=True)
class Document:
    """A document: its title, what it is about in one line, and its parts."""

    title: str
    lead: str
    parts: Sequence[Part]


def in_groups(digest: str) -> str:
    """Return a digest in groups of eight digits, to be read aloud and to break where it may."""
    return " ".join(digest[at : at + 8] for at in range(0, len(digest), 8))
