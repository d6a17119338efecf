"""``kif product``: profiles as a person lists, reads and checks them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kif.preparation.product import product_files
from tests.cli.kif import kif
from tests.preparation.test_lint import line_of, written


def test_products_are_listed_and_shown_with_their_digests(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "products").mkdir(parents=True)
    written(home / "products", label="TEST GOLD")
    rows = kif(home, "product", "list", "--json").json()
    assert [(row["name"], row["where"]) for row in rows] == [
        ("test-credit", "shipped"),
        ("test-debit", "shipped"),
        ("test-prepaid", "shipped"),
        ("test-gold", "home"),
    ]
    fields = {
        row["field"]: row["value"]
        for row in kif(home, "product", "show", "test-gold", "--json").json()
    }
    assert (fields["label"], fields["digest"]) == ("TEST GOLD", rows[3]["digest"])
    unknown = kif(home, "product", "show", "gold")
    assert unknown.code == 2
    assert "there are: test-credit, test-debit, test-prepaid, test-gold" in unknown.err


@pytest.mark.control("KIF-PREP-01")
def test_a_profile_is_checked_by_name_or_file(tmp_path: Path) -> None:
    right = kif(tmp_path / "home", "product", "check", "test-debit")
    assert (right.code, right.out) == (0, f"{product_files()['test-debit']}: nothing is wrong.\n")
    wrong = kif(tmp_path / "home", "product", "check", written(tmp_path, aip='"3C00"', label="Ü"))
    assert wrong.code == 1
    assert [line.split(": ")[1:3] for line in wrong.out.splitlines()] == [
        [f"line {line_of('label')}", "label"],
        [f"line {line_of('aip')}", "aip"],
    ]
    assert wrong.err.startswith("kif: 2 things are wrong with the profile ")
    absent = kif(tmp_path / "home", "product", "check", "nowhere.yaml")
    assert absent.code == 2
    assert "can't be read" in absent.err
