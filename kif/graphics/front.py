"""The front of a card as a laser plane (ISO/IEC 7810 ID-1: 85.60 mm x 53.98 mm)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.script import Artwork

DPI = 600
WIDTH_MM, HEIGHT_MM = 85.60, 53.98
_FONTS = (Path("/usr/share/fonts/opentype"), Path("/usr/share/fonts/truetype"))


@dataclass(frozen=True)
class _Line:
    """A line of text: what, where its left end of the base line is (mm), how high (mm), font."""

    text: str
    left: float
    base: float
    size: float
    font: str

    def __repr__(self) -> str:
        return f"_Line({self.left}, {self.base}, redacted)"


def laser_plane(artwork: Artwork) -> bytes:
    """Render the plane: one bit a pixel, 600 dpi, TIFF in Group 4; the same bytes each time.

    Raises ``BadInput`` (PRODUCT) naming the Debian package when a font is missing.
    """
    return _saved(_drawn(artwork), "TIFF", compression="group4", dpi=(DPI, DPI))


def specimen(artwork: Artwork) -> bytes:
    """Render the same plane for a report, as PNG: most of the digits masked, and no name."""
    number = artwork["number"]
    digits = [place for place, sign in enumerate(number) if sign.isdigit()]
    hidden = set(digits[6:-4])
    masked = "".join("X" if place in hidden else sign for place, sign in enumerate(number))
    fields = {**artwork.fields, "number": masked, "name": "SPECIMEN"}
    return _saved(_drawn(Artwork(fields)), "PNG")


def _drawn(artwork: Artwork) -> Image.Image:
    size = (_pixels(WIDTH_MM), _pixels(HEIGHT_MM))
    plane = Image.new("1", size, 1)
    draw = ImageDraw.Draw(plane)
    for line in _layout(artwork):
        place = (_pixels(line.left), _pixels(line.base))
        draw.text(place, line.text, font=_font(line.font, line.size), fill=0, anchor="ls")
    return plane


def _saved(plane: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    plane.save(buffer, form, **options)
    return buffer.getvalue()


def _layout(artwork: Artwork) -> tuple[_Line, ...]:
    return (
        _Line(artwork["number"], 8.0, 32.0, 5.0, "OCRB"),
        _Line("VALID THRU", 8.0, 39.0, 1.8, "DejaVuSans"),
        _Line(artwork["valid_thru"], 24.0, 39.0, 3.4, "OCRB"),
        _Line(artwork["name"], 8.0, 46.5, 3.2, "DejaVuSans"),
    )


@cache
def _font(name: str, millimetres: float) -> ImageFont.FreeTypeFont:
    package = {"OCRB": "fonts-ocr-b", "DejaVuSans": "fonts-dejavu-core"}[name]
    for folder in _FONTS:
        for path in sorted(folder.rglob(f"{name}.[ot]tf")):
            layout = ImageFont.Layout.BASIC  # the same on every machine, whatever shapers it has
            return ImageFont.truetype(path, _pixels(millimetres), layout_engine=layout)
    raise BadInput(
        Control.PRODUCT, f"The font {name} is not installed. Install the package {package}."
    )


def _pixels(millimetres: float) -> int:
    return round(millimetres / 25.4 * DPI)
