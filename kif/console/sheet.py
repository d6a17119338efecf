"""A share or a component on a sheet of A4 that is folded twice and sealed: the secret is inside.

::

    +---------------------------+
    | what it is, to be read    |   outside, when folded
    +- - - - - fold - - - - - - +
    | words or digits           |   inside
    +- - - - - fold - - - - - - +
    | a pattern                 |   lies on the words, so that no light shows them
    +---------------------------+
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor, black
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from kif.ceremony.written import to_scan
from kif.console.paper import have_fonts
from kif.console.writing import digit_rows
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.words import to_words

_WIDTH, _HEIGHT = A4
_THIRD = _HEIGHT / 3
_LEFT = 20 * mm
_SOFT = HexColor("#5b6875")
_COLUMNS, _ROWS = 3, 8
_QR = 46 * mm


@dataclass(frozen=True)
class _Sheet(ABC):
    """What a sheet says of the part of a key that is on it, beside the part itself."""

    title: ClassVar[str]
    part: ClassVar[str]

    person: str
    key: KeyRef
    number: int
    kcv: Kcv

    def to_pdf(self, secret: Secret) -> bytes:
        """Return the sheet. It is secret: it goes to the printer, and into no file."""
        have_fonts()
        out = io.BytesIO()
        canvas = Canvas(out, pagesize=A4, invariant=1)
        canvas.setTitle(f"{self.part.capitalize()} {self.number} of {self.key}")
        self._outside(canvas)
        top = 2 * _THIRD - 12 * mm
        canvas.setFillColor(black)
        canvas.setFont("Bold", 10)
        canvas.drawString(_LEFT, top, f"SECRET   {self.part} {self.number} of {self.key}")
        self._inside(canvas, top, secret)
        _pattern(canvas)
        for fold in (_THIRD, 2 * _THIRD):
            canvas.setDash(2, 3)
            canvas.setStrokeColor(_SOFT)
            canvas.line(8 * mm, fold, _WIDTH - 8 * mm, fold)
        canvas.showPage()
        canvas.save()
        return out.getvalue()

    def _outside(self, canvas: Canvas) -> None:
        top, line = _HEIGHT - 18 * mm, "________________________     ________________________"
        canvas.setFillColor(black)
        canvas.setFont("Bold", 15)
        canvas.drawString(_LEFT, top, self.title)
        rows = (
            ("custodian", self.person),
            ("key", str(self.key)),
            ("part", f"{self.part} {self.number}"),
            ("check value", str(self.kcv)),
            ("bag, and its seal", line),
            ("signature, date", line),
        )
        for at, (name, value) in enumerate(rows):
            height = top - (11 + 9 * at) * mm
            canvas.setFillColor(_SOFT)
            canvas.setFont("Text", 9)
            canvas.drawString(_LEFT, height, name)
            canvas.setFillColor(black)
            canvas.setFont("Mono" if at in (1, 3) else "Text", 10)
            canvas.drawString(_LEFT + 38 * mm, height, value)
        canvas.setFillColor(_SOFT)
        canvas.setFont("Text", 8)
        canvas.drawString(
            _LEFT,
            2 * _THIRD + 5 * mm,
            "Fold the lower third up over the middle, then this third to the back. Seal all edges.",
        )

    @abstractmethod
    def _inside(self, canvas: Canvas, top: float, secret: Secret) -> None:
        """Draw the part itself, below its heading at ``top``."""


@dataclass(frozen=True)
class ShareSheet(_Sheet):
    """The sheet of a share: 24 words, and a QR code."""

    title = "Share of a key: sealed, for its custodian alone"
    part = "share"

    def _inside(self, canvas: Canvas, top: float, secret: Secret) -> None:
        for at, word in enumerate(to_words(secret)):
            column, row = divmod(at, _ROWS)
            left, height = _LEFT + column * 38 * mm, top - (9 + 8.5 * row) * mm
            canvas.setFillColor(_SOFT)
            canvas.setFont("Text", 8)
            canvas.drawRightString(left + 6 * mm, height, str(at + 1))
            canvas.setFillColor(black)
            canvas.setFont("Mono", 11)
            canvas.drawString(left + 8 * mm, height, word)
        widget = QrCodeWidget(to_scan(self.key, self.number, secret), barLevel="M")
        left, low, right, _ = widget.getBounds()
        scale = _QR / (right - left)
        drawing = Drawing(_QR, _QR, transform=[scale, 0, 0, scale, -left * scale, -low * scale])
        drawing.add(widget)
        renderPDF.draw(drawing, canvas, _WIDTH - _LEFT - _QR + 4 * mm, top - 8 * mm - _QR)


@dataclass(frozen=True)
class ComponentSheet(_Sheet):
    """The sheet of a component: its digits."""

    title = "Component of a key: sealed, for its recipient alone"
    part = "component"

    def _inside(self, canvas: Canvas, top: float, secret: Secret) -> None:
        for row, digits in enumerate(digit_rows(secret)):
            height = top - (12 + 11 * row) * mm
            canvas.setFillColor(_SOFT)
            canvas.setFont("Text", 8)
            canvas.drawRightString(_LEFT + 6 * mm, height, str(row + 1))
            canvas.setFillColor(black)
            canvas.setFont("Mono", 16)
            canvas.drawString(_LEFT + 12 * mm, height, digits)


def _pattern(canvas: Canvas) -> None:
    """Fill the lower third with letters of no meaning, dense enough to hide what it lies on."""
    canvas.setFillColor(_SOFT)
    canvas.setFont("Mono", 7)
    letters = "XHNMKWEBAR" * 20
    for row in range(int((_THIRD - 20 * mm) / (2.1 * mm))):
        shift = row * 7 % 10
        height = 10 * mm + row * 2.1 * mm
        canvas.drawString(12 * mm, height, letters[shift : shift + 124])
