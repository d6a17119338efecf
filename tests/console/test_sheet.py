"""A share on paper, looked at as a picture: the QR code is scanned, the words are read by OCR."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from PIL.Image import Image

from kif.ceremony.written import read_written
from kif.console.sheet import ComponentSheet, ShareSheet
from kif.formats.error import BadInput
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef, of_site
from kif.formats.secret import Secret
from kif.formats.words import to_words

KEY = of_site("backup-kek")
SHARES = {number: Secret(bytes([number]) * 16 + bytes(range(16))) for number in (1, 2, 3)}


def picture(number: int, scale: float = 3) -> Image:
    sheet = ShareSheet(f"custodian-{number}", KEY, number, Kcv.parse("derived-gp-aes-01:3FA2B1"))
    page = pypdfium2.PdfDocument(sheet.to_pdf(SHARES[number]))[0]
    found: Image = page.render(scale=scale).to_pil()
    return found


def scanned(image: Image) -> str:
    (found,) = zxingcpp.read_barcodes(image)
    return str(found.text)


@pytest.mark.parametrize("number", SHARES)
@pytest.mark.parametrize("turned", [0, 90, 187])
def test_the_code_is_scanned_back(number: int, turned: int) -> None:
    text = scanned(picture(number).rotate(turned, expand=True, fillcolor="white"))
    assert read_written(text, KEY, number).reveal() == SHARES[number].reveal()


def test_the_words_are_read_back_from_the_picture(tmp_path: Path) -> None:
    image = picture(2, scale=4)
    width, height = image.size
    words = image.crop((width * 0.08, height * 0.38, width * 0.62, height * 0.65))
    words.save(tmp_path / "words.png")
    command = ["tesseract", str(tmp_path / "words.png"), "-", "--psm", "6"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    read = set(re.findall(r"[a-z]{3,}", text))
    wanted = set(to_words(SHARES[2]))
    assert len(wanted & read) >= 0.85 * len(wanted), wanted - read


def test_outside_nothing_is_secret_and_inside_everything_is() -> None:
    page = pypdfium2.PdfDocument(
        ShareSheet("custodian-1", KEY, 1, Kcv.parse("derived-gp-aes-01:3FA2B1")).to_pdf(SHARES[1])
    )[0]
    width, height = page.get_size()
    text = page.get_textpage()
    outside = text.get_text_bounded(0, 2 * height / 3, width, height)
    inside = text.get_text_bounded(0, height / 3, width, 2 * height / 3)
    below = text.get_text_bounded(0, 0, width, height / 3)
    for told in ("custodian-1", str(KEY), "share 1", "derived-gp-aes-01:3FA2B1"):
        assert told in outside
    words = to_words(SHARES[1])
    assert not [word for word in words if re.search(rf"\b{word}\b", outside + below)]
    secret = " ".join(inside.split(str(KEY), 1)[1].split())
    assert re.findall(r"[0-9]+ ([a-z]+)", secret) == words


def test_a_component_is_read_from_the_picture_of_its_sheet(tmp_path: Path) -> None:
    key, value = KeyRef("bank", "zone-master", 1), bytes(range(0x21, 0x41))
    sheet = ComponentSheet("custodian-1", key, 2, Kcv.parse("gp-aes-01:3FA2B1"))
    page = pypdfium2.PdfDocument(sheet.to_pdf(Secret(value)))[0]
    width, height = page.get_size()
    text = page.get_textpage()
    outside = text.get_text_bounded(0, 2 * height / 3, width, height)
    for told in ("Component of a key", "custodian-1", str(key), "component 2", "gp-aes-01:3FA2B1"):
        assert told in outside
    assert value[:2].hex().upper() not in outside
    image = page.render(scale=4).to_pil()
    wide, high = image.size
    digits = image.crop((int(wide * 0.13), int(high * 0.385), int(wide * 0.6), int(high * 0.55)))
    digits.save(tmp_path / "digits.png")
    command = ["tesseract", str(tmp_path / "digits.png"), "-", "--psm", "6"]
    command += ["-c", "tessedit_char_whitelist=0123456789ABCDEF"]
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "".join(read.split()) == value.hex().upper()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"KIF-SHARE:1:{KEY}:2:" + "AB" * 32, "This is share 2 of site/backup-kek/1; share 1 of"),
        ("KIF-SHARE:1:site/backup-kek/2:1:" + "AB" * 32, "This is share 1 of site/backup-kek/2"),
        (f"KIF-SHARE:1:{KEY}:1:" + "AB" * 31, "was not read whole"),
        (f"kif-share:2:{KEY}:1:" + "AB" * 32, "was not read whole"),
        ("abandon " * 24, "their checksum is not right"),
        ("abandon", "There are 24 words; 1 were typed"),
    ],
)
def test_what_is_scanned_or_typed_wrongly_is_told(text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as error:
        read_written(text, KeyRef("site", "backup-kek", 1), 1)
    assert "ABAB" not in str(error.value)
