"""The seal that any M of its N holders open."""

import hashlib
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from kif.ceremony.destination import Destination
from kif.ceremony.seal import exchange, holders, new_pin, put_in_place, seal, seal_anew, unseal
from kif.formats import canonical
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret

TO = Destination("TEST token", "/usr/lib/hsm.so", "ab" * 32, own_folder=True)
NAMES = ("one", "two", "three", "quorum")
ALL = {name: Secret(f"TEST passphrase {name}".encode()) for name in NAMES}
BOTH = {name: ALL[name] for name in ("one", "two")}
P = "user-pin"


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, Secret]:
    """A folder with a PIN that two of four open."""
    pin = new_pin()
    seal(tmp_path / "seal", P, pin, ALL, 2, TO)
    return tmp_path / "seal", pin


@pytest.mark.parametrize("people", combinations(NAMES, 2))
def test_any_two_open_it(sealed: tuple[Path, Secret], people: tuple[str, ...]) -> None:
    folder, pin = sealed
    for order in (people, people[::-1]):
        given = {name: ALL[name] for name in order}
        assert unseal(folder, P, given, TO).reveal() == pin.reveal()
    assert holders(folder, P) == (sorted(NAMES), 2)


def test_three_of_four_takes_three(tmp_path: Path) -> None:
    pin = new_pin()
    seal(tmp_path, P, pin, ALL, 3, TO)
    for people in combinations(NAMES, 3):
        given = {name: ALL[name] for name in people}
        assert unseal(tmp_path, P, given, TO).reveal() == pin.reveal()
    with pytest.raises(Refused, match="opens with 3 different people; 2 came"):
        unseal(tmp_path, P, BOTH, TO)


@pytest.mark.control("KIF-CER-04")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"one": ALL["one"]}, "2 different people"),
        ({"one": ALL["one"], "nobody": ALL["two"]}, "nobody holds no part"),
        ({"one": ALL["one"], "../two": ALL["two"]}, "holds no part"),
        ({"one": ALL["one"], "two": ALL["one"]}, "passphrase of two does not open"),
        ({"one": ALL["two"], "two": ALL["one"]}, "passphrase of one does not open"),
        ({}, "2 different people; 0 came"),
    ],
)
def test_anything_else_does_not(
    sealed: tuple[Path, Secret], given: dict[str, Secret], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        unseal(sealed[0], P, given, TO)


def test_a_seal_is_bound_to_its_purpose(sealed: tuple[Path, Secret]) -> None:
    folder, _ = sealed
    (folder / P).rename(folder / "so-pin")
    with pytest.raises(Refused, match="does not open"):
        unseal(folder, "so-pin", BOTH, TO)


BAD = ["", "{}", "[]", '{"salt": "x", "sealed": ""}', '{"check": "x"}']


@pytest.mark.parametrize("content", BAD)
@pytest.mark.parametrize("name", ["one.json", "quorum"])
def test_a_damaged_file_is_a_sentence(sealed: tuple[Path, Secret], name: str, content: str) -> None:
    (sealed[0] / P / name).write_text(content)
    with pytest.raises(Refused, match=f"{name} is damaged"):
        unseal(sealed[0], P, BOTH, TO)


def test_a_short_passphrase_and_one_that_two_chose_are_refused(tmp_path: Path) -> None:
    for other, words in ((b"short", "at least 12"), (b"TEST passphrase two", "Somebody else")):
        with pytest.raises(BadInput, match=words):
            seal(tmp_path / "seal", P, new_pin(), {**BOTH, "x": Secret(other)}, 2, TO)
    assert not (tmp_path / "seal").exists()


def test_the_files_do_not_hold_the_pin(sealed: tuple[Path, Secret]) -> None:
    folder, pin = sealed
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert len(paths) == 5
    for path in paths:
        assert pin.reveal() not in path.read_bytes()
        assert pin.reveal().hex().encode() not in path.read_bytes()


OTHER = {
    "another library": (replace(TO, library="/tmp/x.so"), "library /tmp/x.so, but the PIN"),  # noqa: S108
    "another token": (replace(TO, label="other"), "the token 'other'"),
    "a token elsewhere": (replace(TO, own_folder=False), "'TEST token' outside of the site"),
    "an updated library": (replace(TO, library_digest="cd" * 32), "accept-library"),
}


@pytest.mark.control("KIF-CER-04")
@pytest.mark.parametrize("case", OTHER)
def test_a_pin_goes_nowhere_else(sealed: tuple[Path, Secret], case: str) -> None:
    to, words = OTHER[case]
    with pytest.raises(Refused, match=words):
        unseal(sealed[0], P, BOTH, to)


def changed(path: Path, **fields: object) -> None:
    """Change a file as somebody does who knows how its check sum is made."""
    content = json.loads(path.read_text())
    del content["check"]
    content |= fields
    content["check"] = hashlib.sha256(canonical.encode(content)).hexdigest()
    path.write_text(json.dumps(content))


@pytest.mark.control("KIF-CER-04")
def test_changing_the_destination_in_the_file_as_well_does_not_help(
    sealed: tuple[Path, Secret],
) -> None:
    """Even with a check sum that fits: the destination is authenticated by the holders' keys."""
    evil = replace(TO, library="/tmp/x.so")  # noqa: S108
    changed(sealed[0] / P / "quorum", to=vars(evil))
    with pytest.raises(Refused, match="made for another destination"):
        unseal(sealed[0], P, BOTH, evil)


@pytest.mark.control("KIF-CER-04")
def test_a_lower_threshold_in_the_file_does_not_help(sealed: tuple[Path, Secret]) -> None:
    changed(sealed[0] / P / "quorum", threshold=1)
    with pytest.raises(Refused, match="does not open"):
        unseal(sealed[0], P, {"one": ALL["one"]}, TO)


def test_any_digit_that_is_changed_is_damage_and_no_wrong_passphrase(
    sealed: tuple[Path, Secret],
) -> None:
    for name, stride in (("one.json", 5), ("quorum", 41)):
        path = sealed[0] / P / name
        whole = path.read_text()
        for place in range(0, len(whole), stride):
            if whole[place].isspace():
                continue
            other = "0" if whole[place] != "0" else "1"
            path.write_text(whole[:place] + other + whole[place + 1 :])
            with pytest.raises(Refused, match="is damaged, was changed"):
                unseal(sealed[0], P, BOTH, TO)
        path.write_text(whole)


def test_two_seal_it_anew_for_all(sealed: tuple[Path, Secret]) -> None:
    folder, pin = sealed
    other = replace(TO, library_digest="cd" * 32)
    opened = unseal(folder, P, BOTH, None)
    digest = seal_anew(folder, P, opened, other)
    assert unseal(folder, P, BOTH, TO).reveal() == pin.reveal()  # the old one counts as yet
    put_in_place(folder, P)
    assert hashlib.sha256((folder / P / "quorum").read_bytes()).hexdigest() == digest
    for people in combinations(NAMES, 2):
        given = {name: ALL[name] for name in people}
        assert unseal(folder, P, given, other).reveal() == pin.reveal()
    with pytest.raises(Refused, match="another one than the PIN was sealed for"):
        unseal(folder, P, BOTH, TO)


def test_a_seal_takes_the_place_of_the_one_before(sealed: tuple[Path, Secret]) -> None:
    folder, _ = sealed
    pin = new_pin()
    before = holders(folder, P)
    seal(folder, P, pin, BOTH, 2, TO)
    assert holders(folder, P) == before  # until it is put in the place
    exchange(folder, P)
    assert [path.name for path in folder.iterdir()] == [P]
    assert sorted(path.name for path in (folder / P).iterdir()) == [
        "one.json",
        "quorum",
        "two.json",
    ]
    assert unseal(folder, P, BOTH, TO).reveal() == pin.reveal()
