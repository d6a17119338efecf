"""Masters, and what is public of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from pkcs11 import Attribute, ObjectClass

from kif.formats import emv
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.kcv import KcvMethod
from kif.hsm.derive import derive, derive_2tdea
from kif.hsm.form import (
    derived_check_value,
    destroy_master,
    find_cmac_master,
    find_master,
    generate_master,
    kcv_of,
)
from kif.hsm.key import Algorithm, generate, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import count, imported, imported_aes, nothing_left
from tests.vectors import load

KCVS = [each for each in load("KCV") if "CMAC" not in each["id"]]
PAN = "4000000000000002"


@pytest.fixture
def cleared(token: Token) -> Iterator[None]:
    """Take away what a test keeps in the token."""
    before = {each.handle for each in token.session.get_objects()}
    yield
    for each in list(token.session.get_objects()):
        if each.handle not in before:
            each.destroy()


@pytest.mark.control("KIF-HSM-06")
@pytest.mark.parametrize("vector", KCVS, ids=lambda vector: str(vector["id"]))
def test_a_keys_check_value_is_the_published_one(token: Token, vector: dict[str, Any]) -> None:
    value = bytes.fromhex(vector["inputs"]["key"])
    tdes = vector["id"].startswith("KCV-DES")
    key = (
        imported(token, Usage.PUBLIC_BLOCK, Algorithm.TDES_2, value)
        if tdes
        else imported_aes(token, Usage.PUBLIC_BLOCK, value)
    )
    with released(key):
        kcv = kcv_of(key)
    assert kcv.value.hex().upper() == vector["expect"]["kcv"]
    assert kcv.method is (KcvMethod.DES_ZERO if tdes else KcvMethod.GP_AES_01)


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.usefixtures("cleared")
def test_a_master_that_is_generated_is_found_and_derives_the_same(
    token: Token, algorithm: Algorithm
) -> None:
    label = f"form test {algorithm.value}"
    made = generate_master(token, label, algorithm).key
    found = find_master(token, label, algorithm)
    values = []
    for master in (made, found):
        if algorithm is Algorithm.TDES_2:
            key = derive_2tdea(master, emv.option_a(PAN, "00"), Usage.PUBLIC_BLOCK)
        else:
            key = derive(master, bytes(32), algorithm, Usage.PUBLIC_BLOCK)
        with released(key):
            values.append(kcv_of(key))
    assert values[0] == values[1]


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.usefixtures("cleared")
def test_generating_a_master_leaves_itself_and_its_l_only(
    token: Token, algorithm: Algorithm
) -> None:
    before = count(token)
    generate_master(token, "form test", algorithm)
    assert count(token) == before + 2


@pytest.mark.control("KIF-HSM-06")
@pytest.mark.usefixtures("cleared")
def test_the_l_that_is_kept_is_the_encryption_of_zero(token: Token) -> None:
    generate_master(token, "form test", Algorithm.AES_256)
    master = find_cmac_master(token, "form test", Algorithm.AES_256)
    twin = derive(master.key, bytes(16), Algorithm.AES_128, Usage.PUBLIC_BLOCK)
    same = imported_aes(token, Usage.PUBLIC_BLOCK, master.encrypted_zero)
    with released(twin, same):
        assert kcv_of(twin) == kcv_of(same)


@pytest.mark.usefixtures("cleared")
def test_two_masters_are_two_keys(token: Token) -> None:
    formed = [generate_master(token, f"form test {n}", Algorithm.AES_128) for n in range(4)]
    assert len({each.values.kcv for each in formed}) == 4


@pytest.mark.control("KIF-HSM-05")
def test_a_master_that_is_not_there_is_not_found(token: Token) -> None:
    with pytest.raises(DeviceFailed, match="no key with the label 'form test'") as caught:
        find_master(token, "form test", Algorithm.AES_128)
    assert caught.value.control is Control.KEY_FOUND


@pytest.mark.control("KIF-HSM-05")
@pytest.mark.usefixtures("cleared")
def test_a_label_that_two_masters_have_finds_neither(token: Token) -> None:
    for _ in range(2):
        generate_master(token, "form test", Algorithm.AES_128)
    with pytest.raises(DeviceFailed, match="several keys with the label 'form test'") as caught:
        find_master(token, "form test", Algorithm.AES_128)
    assert caught.value.control is Control.KEY_FOUND


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.usefixtures("cleared")
def test_a_key_of_another_usage_is_no_master_and_stays(token: Token) -> None:
    generate(token, Usage.RETENTION, Algorithm.AES_256, "form test")
    with pytest.raises(DeviceFailed, match="is not of its usage") as caught:
        find_master(token, "form test", Algorithm.AES_256)
    assert caught.value.control is Control.KEY_USAGE
    assert token.find("form test", ObjectClass.SECRET_KEY)


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.usefixtures("cleared")
def test_a_master_is_stored_under_the_attributes_of_a_master(token: Token) -> None:
    native = generate_master(token, "form test", Algorithm.AES_128).key.native
    assert native[Attribute.TOKEN] is True
    assert native[Attribute.WRAP_WITH_TRUSTED] is True
    assert native[Attribute.COPYABLE] is False
    assert native[Attribute.ID] == b"form test"


@pytest.mark.control("KIF-HSM-06")
@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.usefixtures("cleared")
def test_a_master_is_recognised_by_what_it_derives(token: Token, algorithm: Algorithm) -> None:
    made = generate_master(token, "form test", algorithm)
    with nothing_left(token):
        assert derived_check_value(made.key) == made.values.derived
        other = imported(token, Usage.MASTER_DERIVATION, algorithm, b"\x11" * algorithm.size)
        with released(other):
            assert derived_check_value(other) != made.values.derived
    assert made.values.derived.method is made.values.kcv.method.derived


@pytest.mark.usefixtures("cleared")
def test_a_master_is_destroyed_with_its_l(token: Token) -> None:
    before = count(token)
    generate_master(token, "form test", Algorithm.AES_256)
    destroy_master(token, "form test")
    destroy_master(token, "form test")
    assert count(token) == before
