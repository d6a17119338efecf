"""The front of a card as a laser plane (ISO/IEC 7810 ID-1: 85.60 mm x 53.98 mm)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.script import Artwork
from kif.formats.secret import Secret
from kif.graphics.typeface import Box, Typeface, around, typeface

DPI = 600
WIDTH_MM, HEIGHT_MM = 85.60, 53.98
_MARGIN_MM = 4.0
"""What stays free at the right edge."""
_SMALLEST = 0.75
"""A line that is too long is set smaller, down to this part of its size."""
_STEP = 0.05


@dataclass(frozen=True)
class _Line:
    """A line of text: what it is, the text, its left end on the base line, its size; all in mm."""

    what: str
    text: str
    left: float
    base: float
    size: float
    font: str

    def __repr__(self) -> str:
        return f"_Line({self.what}, {self.left}, {self.base}, redacted)"


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

    Raises ``BadInput`` (PRODUCT) for what does not fit the card, or naming the Debian package when
    a font is missing.
    """
    image, box = _drawn(artwork)
    return Plane(_saved(image.crop(box), "TIFF", compression="group4"), box.left, box.top)


def require_fit(artwork: Artwork) -> None:
    """Require that all of it fits the card. Raises ``BadInput`` (PRODUCT), naming the line."""
    for line in _layout(artwork):
        _set(line)


def specimen(artwork: Artwork) -> bytes:
    """Render the whole front for a report, as PNG: most of the digits masked, and no name."""
    number = artwork["number"]
    digits = [place for place, sign in enumerate(number) if sign.isdigit()]
    hidden = set(digits[6:-4])
    masked = "".join("X" if place in hidden else sign for place, sign in enumerate(number))
    fields = {**artwork.fields, "number": masked, "name": "SPECIMEN"}
    if "card_value" in fields:
        fields["card_value"] = "XXX"
    return _saved(_drawn(Artwork(fields))[0], "PNG").reveal()


def _drawn(artwork: Artwork) -> tuple[Image.Image, Box]:
    """Return the front, and the box around everything on it."""
    front = Image.new("1", (_pixels(WIDTH_MM), _pixels(HEIGHT_MM)), 1)
    draw = ImageDraw.Draw(front)
    boxes = [
        _set(line).draw(draw, _pixels(line.left), _pixels(line.base), line.text)
        for line in _layout(artwork)
    ]
    return front, around(boxes)


def _set(line: _Line) -> Typeface:
    """Return the font at the largest size, up to the line's own, that lets it fit the card."""
    room = _pixels(WIDTH_MM - _MARGIN_MM - line.left)
    size = line.size
    while size >= _SMALLEST * line.size:
        face = typeface(line.font, _pixels(size))
        if face.width(line.text) <= room:
            return face
        size -= _STEP * line.size
    smallest = face.width(line.text) / DPI * 25.4
    raise BadInput(
        Control.PRODUCT,
        f"The {line.what} does not fit the card: at its smallest it is {smallest:.1f} mm wide, and "
        f"there is room for {WIDTH_MM - _MARGIN_MM - line.left:.1f} mm. Cancel the batch, and ask "
        "the issuer for one that fits, in a new file.",
    )


def _saved(image: Image.Image, form: str, **options: Any) -> Secret:
    buffer = io.BytesIO()
    image.save(buffer, form, dpi=(DPI, DPI), **options)
    return Secret(buffer.getvalue())


def _layout(artwork: Artwork) -> tuple[_Line, ...]:
    """Return the lines, all of them below the chip, whose contacts end at 28.55 mm (7816-2)."""
    return (
        *_card_value(artwork),
        _Line("number", artwork["number"], 8.0, 35.0, 5.0, "OCRB"),
        _Line("legend", "VALID THRU", 8.0, 41.0, 1.8, "DejaVuSans"),
        _Line("date", artwork["valid_thru"], 24.0, 41.0, 3.4, "OCRB"),
        _Line("name", artwork["name"], 8.0, 47.5, 3.2, "DejaVuSans"),
    )


def _card_value(artwork: Artwork) -> tuple[_Line, ...]:
    """Return the lines of a CVV2, beside the date."""
    if "card_value" not in artwork.fields:
        return ()
    return (
        _Line("legend", "CVV", 52.0, 41.0, 1.8, "DejaVuSans"),
        _Line("card value", artwork["card_value"], 58.0, 41.0, 3.4, "OCRB"),
    )


def _pixels(millimetres: float) -> int:
    return round(millimetres / 25.4 * DPI)
