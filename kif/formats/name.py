"""A cardholder's name: ISO/IEC 7813's form, EMV's common character set, and how a card shows it.

In 7813 a name is ``SURNAME/GIVEN.TITLE``; EMV codes it by ISO/IEC 8859, whose part that all tables
share is ASCII (Book 4, annex B). Letters outside of it are written as machine readable passports do
(ICAO Doc 9303-3, 6 A).
"""

from __future__ import annotations

import unicodedata

LONGEST = 26
"""Characters of tag 5F20."""
_WRITTEN = str.maketrans(
    {
        "Ä": "AE",
        "Å": "AA",
        "Æ": "AE",
        "Ð": "D",
        "Đ": "D",
        "Ħ": "H",
        "Ĳ": "IJ",
        "Ł": "L",
        "Ŋ": "N",
        "Ö": "OE",
        "Ø": "OE",
        "Œ": "OE",
        "Þ": "TH",
        "Ŧ": "T",
        "Ü": "UE",
        "ẞ": "SS",
    }
)


def in_common_characters(name: str) -> str:
    """Return a name in ASCII; a letter that has no rule stays."""
    written = unicodedata.normalize("NFC", name).translate(_WRITTEN)
    taken_apart = unicodedata.normalize("NFD", written)
    return "".join(sign for sign in taken_apart if not unicodedata.combining(sign))


def in_latin_1(name: str) -> str:
    """Return a name in ISO/IEC 8859-1; only letters that are not in it are written otherwise."""
    return "".join(
        sign if sign <= "\xff" else in_common_characters(sign)
        for sign in unicodedata.normalize("NFC", name)
    )


def as_shown(name: str) -> str:
    """Return how a card shows ``SURNAME/GIVEN.TITLE``: title, given name, surname."""
    surname, slash, given = name.partition("/")
    if not slash:
        return name.strip()
    given, _, title = given.rpartition(".") if "." in given else (given, "", "")
    return " ".join(part.strip() for part in (title, given, surname) if part.strip())
