"""The card's front: legible, exact, the same every time."""

import io
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageFilter, ImageOps

from kif.formats.error import BadInput, DeviceFailed
from kif.formats.script import Artwork
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.graphics import front
from kif.graphics.front import laser_plane, specimen
from kif.graphics.print import SimulatedLaser, print_card
from kif.oracle.interface import JobRef, JobView
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


def test_the_plane_has_one_bit_and_the_size_of_a_card() -> None:
    image = Image.open(io.BytesIO(laser_plane(ARTWORK)))
    assert (image.mode, image.size) == ("1", (2022, 1275))


def test_the_same_artwork_gives_the_same_bytes_and_another_gives_others() -> None:
    assert laser_plane(ARTWORK) == laser_plane(ARTWORK)
    assert laser_plane(ARTWORK) != laser_plane(Artwork({**ARTWORK.fields, "name": "OTHER"}))


def test_it_is_read_by_a_machine() -> None:
    text = read(laser_plane(ARTWORK))
    assert "99999900000014"[-8:] in text.replace(" ", "")
    assert "CARDHOLDER TEST" in text


def test_a_specimen_shows_neither_name_nor_the_middle_of_the_number() -> None:
    text = read(specimen(ARTWORK))
    assert "SPECIMEN" in text
    assert "CARDHOLDER" not in text
    assert "0014" in text
    assert "00000014" not in text.replace(" ", "")


@pytest.mark.control("KIF-PREP-01")
def test_a_missing_font_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(front, "_FONTS", (tmp_path,))
    front._font.cache_clear()
    with pytest.raises(BadInput, match="Install the package fonts-ocr-b"):
        laser_plane(ARTWORK)


class Desk:
    """Graphics' desk."""

    def script(self, job: JobRef) -> Secret:
        return SCRIPT_SECRET

    def printed(self, job: JobRef) -> JobView:
        return JobView(job, "b", 1, "9", "p", JobState.PRINTED, None, None)


def test_a_card_is_printed_and_recorded() -> None:
    assert print_card(JobRef("b", 1), Desk(), SimulatedLaser()).state is JobState.PRINTED


def test_the_laser_refuses_a_plane_of_another_size() -> None:
    buffer = io.BytesIO()
    Image.new("1", (10, 10)).save(buffer, "PNG")
    with pytest.raises(DeviceFailed, match="1-bit planes"):
        SimulatedLaser().print(Secret(buffer.getvalue()))
