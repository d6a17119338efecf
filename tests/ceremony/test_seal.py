"""The two-person seal."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from kif.ceremony.seal import Destination, half_digest, holders, new_pin, seal, unseal
from kif.formats import canonical
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret

TO = Destination("TEST token", "/usr/lib/hsm.so", "ab" * 32, own_folder=True)
FIRST, SECOND = Secret(b"TEST passphrase one"), Secret(b"TEST passphrase two")
BOTH = {"one": FIRST, "two": SECOND}


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, Secret]:
    """A folder with a sealed PIN."""
    pin = new_pin()
    seal(tmp_path / "seal", "user-pin", pin, BOTH, TO)
    return tmp_path / "seal", pin


def test_two_people_open_it(sealed: tuple[Path, Secret]) -> None:
    folder, pin = sealed
    assert unseal(folder, "user-pin", BOTH, TO).reveal() == pin.reveal()
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
        unseal(sealed[0], "user-pin", given, TO)


def test_a_half_is_bound_to_its_purpose(sealed: tuple[Path, Secret]) -> None:
    folder, _ = sealed
    (folder / "user-pin").rename(folder / "so-pin")
    with pytest.raises(Refused, match="does not open"):
        unseal(folder, "so-pin", BOTH, TO)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"salt": "x", "nonce": "", "sealed": ""}'])
def test_a_damaged_half_is_a_sentence(sealed: tuple[Path, Secret], content: str) -> None:
    (sealed[0] / "user-pin" / "one.json").write_text(content)
    with pytest.raises(Refused, match="is damaged"):
        unseal(sealed[0], "user-pin", BOTH, TO)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least 12"):
        seal(tmp_path / "seal", "p", new_pin(), {"one": Secret(b"short"), "two": SECOND}, TO)


def test_the_files_do_not_hold_the_pin(sealed: tuple[Path, Secret]) -> None:
    folder, pin = sealed
    for path in folder.rglob("*.json"):
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
        unseal(sealed[0], "user-pin", BOTH, to)


@pytest.mark.control("KIF-CER-04")
def test_changing_the_destination_in_the_file_as_well_does_not_help(
    sealed: tuple[Path, Secret],
) -> None:
    """Even with a check sum that fits: the destination is authenticated by the passphrase."""
    for person in BOTH:
        path = sealed[0] / "user-pin" / f"{person}.json"
        fields = json.loads(path.read_text())
        del fields["check"]
        fields["to"]["library"] = "/tmp/x.so"  # noqa: S108
        fields["check"] = hashlib.sha256(canonical.encode(fields)).hexdigest()
        path.write_text(json.dumps(fields))
    with pytest.raises(Refused, match="does not open"):
        unseal(sealed[0], "user-pin", BOTH, replace(TO, library="/tmp/x.so"))  # noqa: S108


def test_any_digit_of_a_half_that_is_changed_is_damage_and_no_wrong_passphrase(
    sealed: tuple[Path, Secret],
) -> None:
    path = sealed[0] / "user-pin" / "one.json"
    whole = path.read_text()
    for place in range(0, len(whole), 5):
        if whole[place].isspace():
            continue
        other = "0" if whole[place] != "0" else "1"
        path.write_text(whole[:place] + other + whole[place + 1 :])
        with pytest.raises(Refused, match="is damaged or was changed"):
            unseal(sealed[0], "user-pin", BOTH, TO)


def test_halves_are_told_apart_by_their_digests(sealed: tuple[Path, Secret]) -> None:
    folder, pin = sealed
    before = [half_digest(folder, "user-pin", person) for person in BOTH]
    assert before != seal(folder, "user-pin", pin, BOTH, TO)
    assert half_digest(folder, "user-pin", "nobody") == hashlib.sha256(b"").hexdigest()
