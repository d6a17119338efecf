"""The card's front: legible, exact, the same every time."""

import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.formats.script import Artwork
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.graphics import front
from kif.graphics import typeface as faces
from kif.graphics.front import Plane, laser_plane, require_fit, specimen
from kif.graphics.print import SimulatedLaser, print_card
from kif.graphics.stripe import SimulatedEncoder
from kif.graphics.typeface import typeface
from kif.oracle.messages import JobRef, JobView
from tests.preparation.test_preparation import SCRIPT_SECRET

ARTWORK = Artwork(
    {"number": "9999 9900 0000 0014", "name": "CARDHOLDER TEST", "valid_thru": "02/28"}
)


def read(plane: bytes) -> str:
    """Read a plane by tesseract, as a camera would see it."""
    image = ImageOps.expand(Image.open(io.BytesIO(plane)).convert("L"), 60, 255)
    image = image.filter(ImageFilter.GaussianBlur(1)).resize((image.width // 2, image.height // 2))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    command = ["tesseract", "-", "-", "--psm", "6"]
    result = subprocess.run(command, input=buffer.getvalue(), capture_output=True, check=True)
    return result.stdout.decode()


def on_the_card(plane: Plane) -> bytes:
    """Return the whole front with a plane at its place, PNG."""
    card = Image.new("1", (2022, 1275), 1)
    card.paste(Image.open(io.BytesIO(plane.image.reveal())), (plane.left, plane.top))
    buffer = io.BytesIO()
    card.save(buffer, "PNG")
    return buffer.getvalue()


def test_the_plane_has_one_bit_and_lies_where_the_text_is() -> None:
    plane = laser_plane(ARTWORK)
    image = Image.open(io.BytesIO(plane.image.reveal()))
    assert image.mode == "1"
    millimetres = [round(pixels / 600 * 25.4) for pixels in (plane.left, plane.top)]
    assert millimetres == [8, 31]
    assert plane.left + image.width <= 2022
    assert plane.top + image.height <= 1275
    border = ImageOps.invert(image.convert("L")).getbbox()  # nothing is cut, nothing is left around
    assert border is not None
    assert border == (0, 0, *image.size)


def test_a_plane_at_its_place_is_the_whole_front() -> None:
    whole, _ = front._drawn(ARTWORK)
    placed = Image.open(io.BytesIO(on_the_card(laser_plane(ARTWORK))))
    assert placed.tobytes() == whole.tobytes()


def test_the_same_artwork_gives_the_same_bytes_and_another_gives_others() -> None:
    def rendered(artwork: Artwork) -> bytes:
        return laser_plane(artwork).image.reveal()

    assert rendered(ARTWORK) == rendered(ARTWORK)
    assert rendered(ARTWORK) != rendered(Artwork({**ARTWORK.fields, "name": "OTHER"}))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("number", "9999 9900 0000 0000 018"),  # 19 digits, the longest (ISO/IEC 7812-1)
        ("number", "9999 9900 0000 0000 08"),
        ("name", "WILHELMINA WESTERWALD-WEST"),  # 26 wide letters
    ],
)
def test_a_long_line_is_set_smaller_and_keeps_its_margin(field: str, text: str) -> None:
    artwork = Artwork({**ARTWORK.fields, field: text})
    require_fit(artwork)
    plane = laser_plane(artwork)
    right = plane.left + Image.open(io.BytesIO(plane.image.reveal())).width
    assert right / 600 * 25.4 <= 85.60 - 4.0
    assert text.replace(" ", "") in read(on_the_card(plane)).replace(" ", "")


@pytest.mark.control("KIF-PREP-01")
@pytest.mark.parametrize("render", [laser_plane, require_fit])
def test_what_does_not_fit_the_card_is_refused(render: Callable[[Artwork], object]) -> None:
    with pytest.raises(BadInput, match=r"The name does not fit the card: .* room for 73\.6 mm"):
        render(Artwork({**ARTWORK.fields, "name": "W" * 40}))


def test_glyphs_stand_where_a_text_of_one_piece_has_them() -> None:
    face = typeface("OCRB", 118)
    own, whole = (Image.new("1", (900, 200), 1) for _ in range(2))
    box = face.draw(ImageDraw.Draw(own), 50, 150, "2345 11")
    draw = ImageDraw.Draw(whole)
    draw.text((50, 150), "2345 11", font=face.font, fill=0, anchor="ls")
    assert own.tobytes() == whole.tobytes()
    assert box == ImageOps.invert(whole.convert("L")).getbbox()
    assert face.width("2345 11") == 7 * 85


def test_it_is_read_by_a_machine() -> None:
    text = read(on_the_card(laser_plane(ARTWORK)))
    assert "99999900000014"[-8:] in text.replace(" ", "")
    assert "CARDHOLDER TEST" in text


def test_a_specimen_shows_neither_name_nor_the_middle_of_the_number() -> None:
    text = read(specimen(ARTWORK))
    assert "SPECIMEN" in text
    assert "CARDHOLDER" not in text
    assert "0014" in text
    assert "00000014" not in text.replace(" ", "")


def test_a_card_value_is_printed_and_not_on_a_specimen() -> None:
    with_value = Artwork({**ARTWORK.fields, "card_value": "357"})
    assert "357" in read(laser_plane(with_value).image.reveal()).replace(" ", "")
    assert "357" not in read(specimen(with_value)).replace(" ", "")
    assert "357" not in repr(with_value)


@pytest.mark.control("KIF-PREP-01")
def test_a_missing_font_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(faces, "_FOLDERS", (tmp_path,))
    faces.typeface.cache_clear()
    with pytest.raises(BadInput, match="Install the package fonts-ocr-b"):
        laser_plane(ARTWORK)


class Desk:
    """Graphics' desk."""

    def script(self, job: JobRef) -> Secret:
        return SCRIPT_SECRET

    def suspect(self, job: JobRef, control: Control, sentence: str) -> JobView:
        raise AssertionError(control)

    def printed(self, job: JobRef) -> JobView:
        return JobView(job, "b", 1, "9", "p", JobState.PRINTED, None, None)


def test_a_card_is_printed_and_recorded() -> None:
    view = print_card(JobRef("b", 1), Desk(), SimulatedLaser(), SimulatedEncoder())
    assert view.state is JobState.PRINTED


@pytest.mark.parametrize(
    ("mode", "size", "left", "top"),
    [
        ("L", (10, 10), 0, 0),
        ("1", (10, 10), -1, 0),
        ("1", (10, 10), 2013, 0),
        ("1", (1, 1276), 0, 0),
    ],
)
def test_the_laser_refuses_a_plane_that_is_not_on_the_card(
    mode: str, size: tuple[int, int], left: int, top: int
) -> None:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "TIFF")
    with pytest.raises(DeviceFailed, match="1-bit planes within 2022 x 1275"):
        SimulatedLaser().print(Plane(Secret(buffer.getvalue()), left, top))


def test_nothing_is_printed_onto_the_chip() -> None:
    """The contacts lie between 19.23 and 28.55 mm from the top (ISO/IEC 7816-2)."""
    plane = laser_plane(ARTWORK)
    assert plane.top / front.DPI * 25.4 > 29.5  # the module is somewhat larger


def test_every_letter_with_a_mark_is_printed_as_itself() -> None:
    """Of the Latin letters of Europe none is left out, and none looks like another."""

    def printed(name: str) -> bytes:
        return laser_plane(Artwork({**ARTWORK.fields, "name": name})).image.reveal()

    letters = "UÜÚŮŪÖÓØOÄÅÆĄAŁLŽŻŹZŠŚSÇČĆCĐDÞŒÑŃNĘĚÉÈEİIŐŰẞ"
    assert len({printed(letter) for letter in letters}) == len(letters)
    assert printed("\uffff") not in [printed(letter) for letter in letters]
