"""An updated library: the PIN's holders seal it anew, on the record."""

import hashlib
import shutil
from pathlib import Path

import pytest

from kif.ceremony.acceptance import accept_library
from kif.ceremony.seal import put_in_place
from kif.formats.error import KifError, Refused
from kif.formats.secret import Secret
from kif.ledger.genesis import USER_PIN
from kif.oracle.audit import audit
from tests.site import OPERATORS, TestSite, make_site


@pytest.fixture
def updated(tmp_path: Path) -> tuple[TestSite, Path]:
    """A site whose hsm.yaml names a copy of the library, with a byte more at its end."""
    site = make_site(tmp_path / "home")
    old = site.home.token_place().library
    new = tmp_path / "libsofthsm2.so"
    shutil.copy(old, new)
    with new.open("ab") as file:
        file.write(b"\n")
    place = site.home.site / "hsm.yaml"
    place.write_text(place.read_text().replace(str(old), str(new)))
    return site, new


def holders(site: TestSite) -> dict[str, Secret]:
    return {name: site.people.passphrase(name, USER_PIN) for name in OPERATORS}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.control("KIF-CER-04")
def test_two_holders_accept_it_and_the_site_opens_again(updated: tuple[TestSite, Path]) -> None:
    site, library = updated
    with pytest.raises(Refused, match="The PIN was not opened"):
        site.pin()
    with site.home.alone():
        accepted = accept_library(site.home, holders(site), digest(library).upper())
    assert accepted.library == str(library)
    audit(site.home)
    with site.oracle() as oracle:
        token = oracle.gateway.desk.record.tail.state.genesis.token
        assert token["library_digest"] == digest(library)
    with library.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(Refused, match="accept-library"):
        site.pin()


@pytest.mark.control("KIF-CER-04")
def test_another_file_than_expected_or_one_holder_changes_nothing(
    updated: tuple[TestSite, Path],
) -> None:
    site, library = updated
    before = contents(site.home.seal)
    wrong = {**holders(site), "operator-2": Secret(b"TEST another passphrase")}
    with site.home.alone():
        with pytest.raises(Refused, match="not the one that you expect"):
            accept_library(site.home, holders(site), "00" * 32)
        with pytest.raises(Refused, match="does not open the seal"):
            accept_library(site.home, wrong, digest(library))
        with pytest.raises(Refused, match="2 different people"):
            accept_library(site.home, dict(list(holders(site).items())[:1]), digest(library))
    assert {
        path: path.read_bytes() for path in site.home.seal.rglob("*") if path.is_file()
    } == before


def test_a_kill_after_the_record_is_made_good_by_doing_it_again(
    updated: tuple[TestSite, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from kif.ceremony import acceptance

    site, library = updated

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(acceptance, "put_in_place", killed)
    with site.home.alone(), pytest.raises(KeyboardInterrupt):
        accept_library(site.home, holders(site), digest(library))
    monkeypatch.setattr(acceptance, "put_in_place", put_in_place)
    with pytest.raises(KifError):
        site.pin()
    with site.home.alone():
        accept_library(site.home, holders(site), digest(library))
    audit(site.home)
    with site.oracle():
        pass
