"""Cardholder names: how they are shown, and written where not every letter can be."""

import pytest

from kif.formats.name import as_shown, in_common_characters, in_latin_1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("SMITH/JOHN", "JOHN SMITH"),
        ("SMITH/JOHN.MR", "MR JOHN SMITH"),
        ("SMITH/JOHN A.DR", "DR JOHN A SMITH"),
        ("SMITH/J.R.MR", "MR J.R SMITH"),
        ("SMITH/JOHN A.", "JOHN A SMITH"),
        ("SMITH /", "SMITH"),
        ("ACME S.A.", "ACME S.A."),
        ("O'NEIL-ROE/ANA", "ANA O'NEIL-ROE"),
    ],
)
def test_a_title_comes_first_and_the_surname_last(name: str, shown: str) -> None:
    assert as_shown(name) == shown


@pytest.mark.parametrize(
    ("name", "common", "latin_1"),
    [
        ("MÜLLER/JÖRG", "MUELLER/JOERG", "MÜLLER/JÖRG"),
        ("ŁĄCKI/ŻANETA", "LACKI/ZANETA", "LACKI/ZANETA"),
        ("ÅSE/ÞÓR", "AASE/THOR", "ÅSE/ÞÓR"),
        ("DVOŘÁK/ŽOFIE", "DVORAK/ZOFIE", "DVORÁK/ZOFIE"),
        ("STRAẞE/ŒUVRE", "STRASSE/OEUVRE", "STRASSE/OEUVRE"),
        ("MU\u0308LLER/A", "MUELLER/A", "MÜLLER/A"),
    ],
)
def test_letters_are_written_as_passports_do(name: str, common: str, latin_1: str) -> None:
    assert in_common_characters(name) == common
    assert in_latin_1(name) == latin_1
