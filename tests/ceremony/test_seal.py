"""The two-person seal."""

from pathlib import Path

import pytest

from kif.ceremony.seal import holders, new_pin, seal, unseal
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret

FIRST, SECOND = Secret(b"TEST passphrase one"), Secret(b"TEST passphrase two")
BOTH = {"one": FIRST, "two": SECOND}


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, Secret]:
    """A folder with a sealed PIN."""
    pin = new_pin()
    seal(tmp_path / "seal", "user-pin", pin, BOTH)
    return tmp_path / "seal", pin


def test_two_people_open_it(sealed: tuple[Path, Secret]) -> None:
    folder, pin = sealed
    assert unseal(folder, "user-pin", BOTH).reveal() == pin.reveal()
    assert holders(folder, "user-pin") == ["one", "two"]


@pytest.mark.control("KIF-CER-04")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"one": FIRST}, "two different people"),
        ({"one": FIRST, "three": SECOND}, "holds no half"),
        ({"one": FIRST, "two": FIRST}, "does not open"),
        ({"one": SECOND, "two": FIRST}, "does not open"),
        ({}, "two different people"),
    ],
)
def test_anything_else_does_not(
    sealed: tuple[Path, Secret], given: dict[str, Secret], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        unseal(sealed[0], "user-pin", given)


def test_a_half_is_bound_to_its_purpose(sealed: tuple[Path, Secret]) -> None:
    folder, _ = sealed
    (folder / "user-pin").rename(folder / "so-pin")
    with pytest.raises(Refused, match="does not open"):
        unseal(folder, "so-pin", BOTH)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"salt": "x", "nonce": "", "sealed": ""}'])
def test_a_damaged_half_is_a_sentence(sealed: tuple[Path, Secret], content: str) -> None:
    (sealed[0] / "user-pin" / "one.json").write_text(content)
    with pytest.raises(Refused, match="is damaged"):
        unseal(sealed[0], "user-pin", BOTH)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least 12"):
        seal(tmp_path / "seal", "p", new_pin(), {"one": Secret(b"short"), "two": SECOND})


def test_the_files_do_not_hold_the_pin(sealed: tuple[Path, Secret]) -> None:
    folder, pin = sealed
    for path in folder.rglob("*.json"):
        assert pin.reveal() not in path.read_bytes()
        assert pin.reveal().hex().encode() not in path.read_bytes()
