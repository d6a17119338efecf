"""Forms for compliance: each says what the log says, and nothing that was typed into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest

from kif.formats.error import BadInput
from tests.ceremony.test_backup import back_up
from tests.ceremony.test_keeping import VENDOR_KEY
from tests.ceremony.test_keeping import held as about
from tests.ceremony.test_staff import held
from tests.cli.kif import kif
from tests.site import TestSite, appoint_witness, make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestSite]:
    """A site with a backup, a drill, a custodian replaced and a key destroyed."""
    made = make_site(tmp_path_factory.mktemp("forms") / "home")
    back_up(made)
    held(made, "share-drill")
    held(made, "replace-custodian")
    appoint_witness(made)
    about(made, "destroy-key", VENDOR_KEY)
    yield made


def written(site: TestSite, folder: Path, *arguments: str) -> str:
    """Write a form; return the text of its PDF, which the page has as well."""
    done = kif(site.home.path, "form", *arguments, folder)
    assert done.code == 0, done.err
    page, pdf = map(Path, done.out.split())
    document = pypdfium2.PdfDocument(pdf)
    text = "\n".join(sheet.get_textpage().get_text_range() for sheet in document)
    assert page.read_text().startswith("<!doctype html>")
    return " ".join(text.split())


FORMS: dict[tuple[str, ...], list[str]] = {
    ("appointment", "custodian-3"): [
        "Appointment of custodian-3",
        "manager-of-custodian-3",
        "a part of the so-pin",
        "share 3 of site/backup-kek/1 (file)",
        "I keep what is entrusted to me",
        "I have handed back or destroyed",
    ],
    ("appointment", "operator-1"): ["a part of the user-pin", "not ended", "only together with"],
    ("appointment", "custodian-1"): ["component 1 of test-issuer/emv-ac/1", "not ended"],
    ("packages",): ["TEST-1", "TEST-9", "closed: medium with a share", "opened", "custodian-4"],
    ("packages", "--place", "TEST safe"): ["Access to TEST safe", "TEST-9"],
    ("deviations",): ["There is none on the record"],
    ("destruction", str(VENDOR_KEY)): [
        "Destruction of test-vendor/card-manager/1",
        "gp-aes-01:504A77",
        "Why: This is a rehearsal. ",
        "was destroyed in the HSM before our eyes",
        "witness-1 witness yes",
    ],
    ("inventory",): ["site/backup-kek/2", "test-vendor/card-manager/1", "destroyed"],
    ("hsm",): ["SoftHSM", "certificate (FIPS 140-3, PCI HSM)"],
}


@pytest.mark.parametrize("arguments", FORMS)
def test_a_form_says_what_the_log_says(
    site: TestSite, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    text = written(site, tmp_path, *arguments)
    for words in FORMS[arguments]:
        assert words.strip() in text, text


def test_an_inventory_is_of_a_day(site: TestSite, tmp_path: Path) -> None:
    text = written(site, tmp_path, "inventory", "--as-of", "2026-01-01")
    assert "site/log-signer/1" not in text


def test_another_safe_has_an_empty_log(site: TestSite, tmp_path: Path) -> None:
    assert "TEST-1" not in written(site, tmp_path, "packages", "--place", "another safe")


def test_a_form_about_nobody_and_about_a_key_that_is_there_is_refused(
    site: TestSite, tmp_path: Path
) -> None:
    done = kif(site.home.path, "form", "appointment", "nobody-1", tmp_path)
    assert (done.code, "Nobody was ever appointed under the name" in done.err) == (2, True)
    done = kif(site.home.path, "form", "destruction", "site/log-signer/1", tmp_path)
    assert (done.code, "is not destroyed" in done.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.control("KIF-CER-08")
def test_a_bag_is_used_once_and_opened_by_the_one_who_closed_it(site: TestSite) -> None:
    from kif.ledger.events.custody import PackageClosed, PackageOpened

    with site.oracle() as oracle:
        packages = oracle.ceremonies.desk.record.tail.state.packages
        assert packages.closed_of("custodian-1") == ["TEST-4", "TEST-7"]
        for bag, person in (("TEST-1", "custodian-1"), ("TEST-4", "custodian-2"), ("X", "x")):
            with pytest.raises(BadInput, match=f"There is no closed bag {bag} of {person}"):
                packages.open(PackageOpened(person, bag))
        with pytest.raises(BadInput, match="The bag TEST-4 was used before, by custodian-1"):
            packages.close(PackageClosed("custodian-2", "TEST-4", "A share.", "TEST safe"))
