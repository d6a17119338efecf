"""Masters out of one token and into another: under a quorum, and only when the officer is there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pkcs11 import Attribute, Mechanism
from pkcs11.exceptions import PKCS11Error

from kif.formats.control import Control
from kif.formats.error import DeviceFailed, Refused
from kif.formats.secret import Secret
from kif.hsm import library, softhsm
from kif.hsm.backup import put_back, take_out
from kif.hsm.derive import derive
from kif.hsm.form import find_with_left, generate_master, kcv_of, object_labels
from kif.hsm.key import Algorithm, Key, find, released
from kif.hsm.officer import open_with_officer
from kif.hsm.pin import cvv
from kif.hsm.provision import provision
from kif.hsm.quorum import combine, create, load_share
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import Usage
from tests.hsm.conftest import TEST_PIN, TEST_SO_PIN
from tests.hsm.objects import nothing_left

NAME = "site/backup-kek/1"
PAN = "4123456789012345"
MASTERS = {
    "bank/emv-ac/1": Algorithm.TDES_2,
    "vendor/card-manager/1": Algorithm.AES_128,
    "site/data-protection/1": Algorithm.AES_256,
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> list[TokenPlace]:
    """Two tokens with the same PINs: the one that is lost, and the new one."""
    directory: Path = tmp_path_factory.mktemp("tokens")
    softhsm.use_directory(directory)
    made = [TokenPlace(library.softhsm_library(), name, directory) for name in ("old", "new")]
    for place in made:
        provision(place.library, place.label, TEST_SO_PIN, TEST_PIN)
    return made


@contextmanager
def shares(token: Token, values: list[bytes]) -> Iterator[list[Key]]:
    loaded = [load_share(token, Secret(value)) for value in values]
    with released(*loaded):
        yield loaded


def derived(master: Key) -> str:
    """Return the check value of a key that a master derives, which is only so if it is the same."""
    size = master.algorithm.cipher.block * 2
    with released(key := derive(master, bytes(range(size)), master.algorithm, Usage.PUBLIC_BLOCK)):
        return str(kcv_of(key))


@pytest.mark.control("KIF-HSM-04", "KIF-HSM-11")
def test_any_quorum_brings_every_master_back_into_a_new_token(places: list[TokenPlace]) -> None:
    values = [secrets.token_bytes(32) for _ in range(5)]
    blobs, expected = {}, {}
    with open_with_officer(places[0], TEST_PIN, TEST_SO_PIN) as old:
        with shares(old, values) as loaded:
            quorum = create(old, NAME, loaded, 3)
        with shares(old, values[:3]) as loaded:
            kek = combine(quorum, dict(enumerate(loaded, start=1)), Usage.BACKUP_KEK)
            with released(kek):
                for label, algorithm in MASTERS.items():
                    formed = generate_master(old, label, algorithm)
                    with nothing_left(old):
                        blobs[label] = take_out(old, formed.key, kek)
                    expected[label] = (formed.values, derived(formed.key))
    assert {label: len(blob) for label, blob in blobs.items()} == {
        label: algorithm.size + 8 for label, algorithm in MASTERS.items()
    }
    with (
        Token.open(places[1], TEST_PIN) as new,
        shares(new, values[2:]) as loaded,
    ):
        kek = combine(quorum, dict(enumerate(loaded, start=3)), Usage.BACKUP_KEK)
        with released(kek):
            for label, algorithm in MASTERS.items():
                formed = put_back(new, label, algorithm, kek, [blobs[label]])
                assert (formed.values, derived(formed.key)) == expected[label]


@pytest.mark.control("KIF-HSM-04")
def test_a_card_verification_key_comes_back_with_its_left_half(places: list[TokenPlace]) -> None:
    label, kind = "bank/card-verification/1", (Usage.CARD_VERIFICATION, Algorithm.TDES_2)
    values = [secrets.token_bytes(32) for _ in range(3)]
    with open_with_officer(places[0], TEST_PIN, TEST_SO_PIN) as old, shares(old, values) as loaded:
        quorum = create(old, NAME, loaded, 2)
        with released(kek := combine(quorum, dict(enumerate(loaded, 1)), Usage.BACKUP_KEK)):
            formed = generate_master(old, label, kind[1], kind[0])
            expected = cvv(find_with_left(old, label, *kind), PAN, "3012", "201")
            objects = [find(old, *kind, each) for each in object_labels(label, kind[0])]
            with nothing_left(old):
                blobs = [take_out(old, each, kek) for each in objects]
    with Token.open(places[1], TEST_PIN) as new, shares(new, values) as loaded:
        with released(kek := combine(quorum, dict(enumerate(loaded, 1)), Usage.BACKUP_KEK)):
            assert put_back(new, label, kind[1], kek, blobs, kind[0]).values == formed.values
        assert cvv(find_with_left(new, label, *kind), PAN, "3012", "201") == expected


@pytest.mark.control("KIF-HSM-03", "KIF-CER-04")
def test_without_the_officer_no_master_leaves(places: list[TokenPlace]) -> None:
    with Token.open(places[0], TEST_PIN) as token:
        values = [secrets.token_bytes(32) for _ in range(3)]
        with shares(token, values) as loaded:
            quorum = create(token, NAME, loaded, 2)
            kek = combine(quorum, dict(enumerate(loaded, start=1)), Usage.BACKUP_KEK)
        with released(kek):
            formed = generate_master(token, "bank/emv-smi/1", Algorithm.TDES_2)
            with pytest.raises(Refused, match="custodians have opened the security officer's PIN"):
                take_out(token, formed.key, kek)
            with pytest.raises(PKCS11Error):  # nor does the token let it go
                kek.calls.wrap(kek.handle, formed.key.handle, int(Mechanism.AES_KEY_WRAP))


def test_the_officers_key_is_gone_with_its_session(places: list[TokenPlace]) -> None:
    trusted = {Attribute.TRUSTED: True, Attribute.TOKEN: False}
    with open_with_officer(places[0], TEST_PIN, TEST_SO_PIN) as token:
        assert token.trusted is not None
        assert len(list(token.session.get_objects(trusted))) == 1
        with pytest.raises(PKCS11Error):
            token.trusted.native[Attribute.DECRYPT] = True
    with Token.open(places[0], TEST_PIN) as token:
        assert token.trusted is None
        assert not list(token.session.get_objects(trusted))


@pytest.mark.control("KIF-HSM-02")
@pytest.mark.parametrize(
    ("user", "officer", "whose"),
    [
        (TEST_PIN, TEST_PIN, "security officer"),
        (TEST_SO_PIN, TEST_SO_PIN, "user"),
        (TEST_PIN, Secret(b""), "security officer"),
    ],
)
def test_a_wrong_pin_is_named_and_opens_nothing(
    places: list[TokenPlace], user: Secret, officer: Secret, whose: str
) -> None:
    with pytest.raises(DeviceFailed, match=f"did not take the {whose}'s PIN") as caught:
        open_with_officer(places[0], user, officer)
    assert caught.value.control is Control.TOKEN_LOGIN
    with open_with_officer(places[0], TEST_PIN, TEST_SO_PIN) as token:
        assert token.trusted is not None
