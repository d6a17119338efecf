"""The front of a card as a laser plane (ISO/IEC 7810 ID-1: 85.60 mm x 53.98 mm)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.script import Artwork

DPI = 600
WIDTH_MM, HEIGHT_MM = 85.60, 53.98
_BLACK_OR_WHITE = [0] * 128 + [255] * 128
_FONTS = (Path("/usr/share/fonts/opentype"), Path("/usr/share/fonts/truetype"))


@dataclass(frozen=True)
class _Line:
    """A line of text: what, where its left end of the base line is (mm), how high (mm), font."""

    text: str
    left: float
    base: float
    size: float
    font: str


def laser_plane(artwork: Artwork) -> bytes:
    """Render the plane: one bit a pixel, 600 dpi, PNG; the same bytes for the same artwork.

    Raises ``BadInput`` (PRODUCT) naming the Debian package when a font is missing.
    """
    size = (_pixels(WIDTH_MM), _pixels(HEIGHT_MM))
    image = Image.new("L", size, 255)
    draw = ImageDraw.Draw(image)
    for line in _layout(artwork):
        place = (_pixels(line.left), _pixels(line.base))
        draw.text(place, line.text, font=_font(line.font, line.size), fill=0, anchor="ls")
    buffer = io.BytesIO()
    plane = image.point(_BLACK_OR_WHITE).convert("1", dither=Image.Dither.NONE)
    plane.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def specimen(artwork: Artwork) -> bytes:
    """Render the same plane for a report: digits masked but first six and last four, no name."""
    number = artwork["number"]
    digits = [place for place, sign in enumerate(number) if sign.isdigit()]
    hidden = set(digits[6:-4])
    masked = "".join("X" if place in hidden else sign for place, sign in enumerate(number))
    return laser_plane(Artwork({**artwork.fields, "number": masked, "name": "SPECIMEN"}))


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
