"""Documents as a page (HTML) and as sheets of A4 (PDF)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import jinja2
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, Flowable, SimpleDocTemplate, Spacer
from reportlab.platypus import Paragraph as Flowing
from reportlab.platypus import Table as Grid

from kif.compliance.document import (
    Code,
    Document,
    Heading,
    Paragraph,
    Part,
    Signatures,
    Table,
    Ticks,
)
from kif.formats.control import Control
from kif.formats.error import DeviceFailed

_FONTS = Path("/usr/share/fonts/truetype/dejavu")
_FACES = {"Text": "DejaVuSans", "Bold": "DejaVuSans-Bold", "Mono": "DejaVuSansMono"}
_SOFT, _LINE = HexColor("#5b6875"), HexColor("#c9d1d9")
_WIDTH = A4[0] - 36 * mm
_LETTER = 1.75 * mm
"""How wide a letter is in a cell, on average and rather more."""
_SIGNERS = 3
"""Lines to sign on beside each other."""


def to_html(document: Document) -> str:
    """Return a page that stands alone."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kif.console", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("document.html").render(document=document)


def to_pdf(document: Document) -> bytes:
    """Return sheets of A4, each with its number; the same document gives the same bytes."""
    have_fonts()
    out = io.BytesIO()
    sheets = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=18 * mm,
        title=document.title,
        author="kif",
        invariant=1,
    )
    story: list[Flowable] = [
        Flowing(escape(document.title), _style("Bold", 15, after=3)),
        Flowing(escape(document.lead), _style("Text", 9, colour=_SOFT, after=6)),
    ]
    story += [each for part in document.parts for each in _flowables(part)]

    def number(canvas: Canvas, sheet: SimpleDocTemplate) -> None:
        canvas.setFont("Text", 8)
        canvas.setFillColor(_SOFT)
        canvas.drawString(18 * mm, 10 * mm, document.title)
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, f"sheet {sheet.page}")

    sheets.build(story, onFirstPage=number, onLaterPages=number)
    return out.getvalue()


def have_fonts() -> None:
    """Make the fonts known that everything is set in. Raises ``DeviceFailed`` without them."""
    try:
        for name, file in _FACES.items():
            if name not in pdfmetrics.getRegisteredFontNames():
                pdfmetrics.registerFont(TTFont(name, str(_FONTS / f"{file}.ttf")))
    except OSError:
        raise DeviceFailed(
            Control.USAGE, "The font DejaVu is not installed; install fonts-dejavu-core."
        ) from None


def _flowables(part: Part) -> Iterator[Flowable]:
    match part:
        case Heading(text):
            yield CondPageBreak(40 * mm)
            yield Flowing(escape(text), _style("Bold", 10.5, before=8, after=3))
        case Paragraph(text):
            yield Flowing(escape(text), _style("Text", 9, after=3))
        case Code(text):
            yield Flowing(escape(text), _style("Mono", 9, after=4))
        case Ticks(items):
            for item in items:
                yield _tick(item)
        case Signatures(who):
            yield Spacer(1, 10 * mm)
            yield _lines(list(who))
        case Table(heads, rows):
            yield _grid([list(heads), *map(list, rows)])


def _tick(item: str) -> Flowable:
    cells = [_cell("☐"), _cell(item), _cell("time ______ initials ______", soft=True)]
    grid = Grid([cells], colWidths=[6 * mm, _WIDTH - 53 * mm, 47 * mm])
    grid.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (1, 0), (-1, 0), 0.3, _LINE),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
        ]
    )
    return grid


def _grid(rows: list[list[str]]) -> Flowable:
    cells = [[_cell(text or " ", soft=not at) for text in row] for at, row in enumerate(rows)]
    heights = [None if any(row) else 9 * mm for row in rows]
    grid = Grid(cells, colWidths=_widths(rows), rowHeights=heights, repeatRows=1)
    grid.setStyle(
        [
            ("GRID", (0, 0), (-1, -1), 0.4, _LINE),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("BOTTOMPADDING", (0, 1), (-1, -1), 6),
            ("TOPPADDING", (0, 1), (-1, -1), 5),
        ]
    )
    return grid


def _widths(rows: list[list[str]]) -> list[float]:
    """Return columns in which no word has to break, and more where there is more to say."""
    columns = [[row[at] for row in rows] for at in range(len(rows[0]))]
    words = [max(map(len, " ".join(column).split() or [""])) for column in columns]
    least = [_LETTER * min(max(each, 6), 34) + 5 * mm for each in words]
    if sum(least) >= _WIDTH:
        return [_WIDTH * each / sum(least) for each in least]
    texts = [min(max(map(len, column)), 60) for column in columns]
    rest = _WIDTH - sum(least)
    return [each + rest * text / sum(texts) for each, text in zip(least, texts, strict=True)]


def _lines(who: list[str]) -> Flowable:
    rows = [who[at : at + _SIGNERS] for at in range(0, len(who), _SIGNERS)]
    rows[-1] += [""] * (_SIGNERS - len(rows[-1]))
    cells = [[_cell(f"{name}, date") if name else "" for name in row] for row in rows]
    grid = Grid(cells, colWidths=[_WIDTH / _SIGNERS] * _SIGNERS, rowHeights=[14 * mm] * len(rows))
    ruled = [
        ("LINEABOVE", (x, y), (x, y), 0.7, HexColor("#17212b"))
        for y, row in enumerate(rows)
        for x, name in enumerate(row)
        if name
    ]
    grid.setStyle([*ruled, ("VALIGN", (0, 0), (-1, -1), "TOP")])
    return grid


def _cell(text: str, *, soft: bool = False) -> Flowable:
    colour = _SOFT if soft else HexColor("#17212b")
    return Flowing(escape(text), _style("Text", 8.5, colour=colour))


def _style(
    face: str, size: float, *, colour: HexColor | None = None, before: float = 0, after: float = 0
) -> ParagraphStyle:
    return ParagraphStyle(
        f"{face} {size}",
        fontName=face,
        fontSize=size,
        leading=size * 1.35,
        textColor=colour or HexColor("#17212b"),
        spaceBefore=before,
        spaceAfter=after,
        splitLongWords=1,
    )
