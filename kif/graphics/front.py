"""The front of a card as a laser plane (ISO/IEC 7810 ID-1: 85.60 mm x 53.98 mm)."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.script import Artwork
from kif.formats.secret import Secret

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


@dataclass(frozen=True)
class Plane:
    """What a laser puts onto a card: a 1-bit TIFF (Group 4), and where its upper left corner is.

    ``left`` and ``top`` are pixels at 600 dpi from the card's corner. ``repr`` shows no image.
    """

    image: Secret
    left: int
    top: int


def laser_plane(artwork: Artwork) -> Plane:
    """Render what is printed, and no more of the card around it; the same bytes each time.

    Raises ``BadInput`` (PRODUCT) naming the Debian package when a font is missing.
    """
    image, box = _drawn(artwork)
    return Plane(_saved(image.crop(box), "TIFF", compression="group4"), box[0], box[1])


def specimen(artwork: Artwork) -> bytes:
    """Render the whole front for a report, as PNG: most of the digits masked, and no name."""
    number = artwork["number"]
    digits = [place for place, sign in enumerate(number) if sign.isdigit()]
    hidden = set(digits[6:-4])
    masked = "".join("X" if place in hidden else sign for place, sign in enumerate(number))
    fields = {**artwork.fields, "number": masked, "name": "SPECIMEN"}
    return _saved(_drawn(Artwork(fields))[0], "PNG").reveal()


def _drawn(artwork: Artwork) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Return the front, and the box around everything on it: left, top, right, bottom."""
    front = Image.new("1", (_pixels(WIDTH_MM), _pixels(HEIGHT_MM)), 1)
    draw = ImageDraw.Draw(front)
    boxes = []
    for line in _layout(artwork):
        place, font = (_pixels(line.left), _pixels(line.base)), _font(line.font, line.size)
        draw.text(place, line.text, font=font, fill=0, anchor="ls")
        boxes.append(draw.textbbox(place, line.text, font=font, anchor="ls"))
    left, top = (max(0, int(min(box[side] for box in boxes))) for side in (0, 1))
    right, bottom = (math.ceil(max(box[side] for box in boxes)) for side in (2, 3))
    return front, (left, top, min(right, front.width), min(bottom, front.height))


def _saved(image: Image.Image, form: str, **options: Any) -> Secret:
    buffer = io.BytesIO()
    image.save(buffer, form, dpi=(DPI, DPI), **options)
    return Secret(buffer.getvalue())


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
