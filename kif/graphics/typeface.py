"""A font at one size, whose glyphs are rendered once: a card's text is put together from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ImageDraw, ImageFont

from kif.formats.control import Control
from kif.formats.error import BadInput

_FOLDERS = (Path("/usr/share/fonts/opentype"), Path("/usr/share/fonts/truetype"))
_PACKAGES = {"OCRB": "fonts-ocr-b", "DejaVuSans": "fonts-dejavu-core"}


class Box(NamedTuple):
    """Pixels from the card's upper left corner; right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int

    def moved(self, right: int, down: int) -> Box:
        """Return the box elsewhere."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)


@dataclass(frozen=True)
class _Glyph:
    """A rendered sign: its mask, the box of its ink from the pen on the base line, the advance."""

    mask: Any
    ink: Box | None
    """None for a space."""
    advance: int


@dataclass(frozen=True)
class Typeface:
    """A font at a size in pixels. Signs stand at whole pixels and are not kerned."""

    font: ImageFont.FreeTypeFont
    _glyphs: dict[str, _Glyph] = field(default_factory=dict)

    def width(self, text: str) -> int:
        """Return how far the pen moves over a text, in pixels."""
        return sum(self._glyph(sign).advance for sign in text)

    def draw(self, draw: ImageDraw.ImageDraw, left: int, base: int, text: str) -> Box:
        """Draw a text from the left end of its base line; return the box around its ink."""
        boxes = []
        for sign in text:
            glyph = self._glyph(sign)
            if glyph.ink is not None:
                box = glyph.ink.moved(left, base)
                draw.draw.draw_bitmap((box.left, box.top), glyph.mask, 0)
                boxes.append(box)
            left += glyph.advance
        return around(boxes)

    def _glyph(self, sign: str) -> _Glyph:
        if sign not in self._glyphs:
            mask, (left, top) = self.font.getmask2(sign, mode="1", anchor="ls")
            found, advance = mask.getbbox(), round(self.font.getlength(sign))
            ink = None if found is None else Box(*found).moved(left, top)
            self._glyphs[sign] = _Glyph(mask.crop(found) if found else mask, ink, advance)
        return self._glyphs[sign]


def around(boxes: list[Box]) -> Box:
    """Return the smallest box around all of them; an empty one around none."""
    if not boxes:
        return Box(0, 0, 0, 0)
    left, top, right, bottom = zip(*boxes, strict=True)
    return Box(min(left), min(top), max(right), max(bottom))


@cache
def typeface(name: str, pixels: int) -> Typeface:
    """Return a font at a size. Raises ``BadInput`` (PRODUCT), naming the package that has it."""
    for folder in _FOLDERS:
        for path in sorted(folder.rglob(f"{name}.[ot]tf")):
            layout = ImageFont.Layout.BASIC  # the same on every machine, whatever shapers it has
            return Typeface(ImageFont.truetype(path, pixels, layout_engine=layout))
    raise BadInput(
        Control.PRODUCT,
        f"The font {name} is not installed. Install the package {_PACKAGES[name]}.",
    )
