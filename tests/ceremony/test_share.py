"""A share in a file."""

import json
from pathlib import Path

import pytest

from kif.ceremony.share import read_share, write_share
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef, of_site
from kif.formats.secret import Secret

KEY, SHARE = of_site("backup-kek"), Secret(bytes(range(32)))
PASSPHRASE = Secret(b"TEST passphrase")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file with a share."""
    path = tmp_path / "share"
    write_share(path, KEY, 2, SHARE, PASSPHRASE)
    return path


def test_it_comes_back_and_is_its_owners_alone(kept: Path) -> None:
    assert read_share(kept, KEY, 2, PASSPHRASE).reveal() == SHARE.reveal()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert SHARE.reveal().hex() not in kept.read_text()


@pytest.mark.control("KIF-HSM-11")
@pytest.mark.parametrize(
    ("key", "number", "passphrase", "words"),
    [
        (KEY, 1, PASSPHRASE, "is share 2 of site/backup-kek/1; share 1 of"),
        (KeyRef("site", "backup-kek", 2), 2, PASSPHRASE, "share 2 of site/backup-kek/2 is needed"),
        (KEY, 2, Secret(b"TEST another one"), "The passphrase does not open"),
    ],
)
def test_another_share_another_set_and_a_wrong_passphrase_are_said(
    kept: Path, key: KeyRef, number: int, passphrase: Secret, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        read_share(kept, key, number, passphrase)


@pytest.mark.control("KIF-HSM-11")
@pytest.mark.parametrize("name", ["number", "key", "sealed", "salt"])
def test_a_file_that_was_changed_gives_no_share(kept: Path, name: str) -> None:
    fields = json.loads(kept.read_text())
    other = {"number": 3, "key": "site/backup-kek/9"}
    value = str(fields[name])
    fields[name] = other.get(name, f"{value[:-1]}{'0' if value[-1:] != '0' else '1'}")
    kept.write_text(json.dumps(fields))
    key, number = KeyRef.parse(fields["key"]), fields["number"]
    with pytest.raises(BadInput, match="or the file was damaged"):
        read_share(kept, key, number, PASSPHRASE)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"format": 1}'])
def test_what_is_no_share_is_a_sentence(kept: Path, content: str | None) -> None:
    kept.unlink()
    if content is not None:
        kept.write_text(content)
    with pytest.raises(BadInput, match="can't be read" if content is None else "no file of a"):
        read_share(kept, KEY, 2, PASSPHRASE)


def test_nothing_is_written_over(kept: Path, tmp_path: Path) -> None:
    before = kept.read_bytes()
    for path in (kept, tmp_path, tmp_path / "nowhere" / "share"):
        with pytest.raises(BadInput, match="The share was not written"):
            write_share(path, KEY, 1, SHARE, PASSPHRASE)
    assert kept.read_bytes() == before
