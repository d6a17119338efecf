"""A card verification key: two objects of one key, however it comes, and wherever it goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from psec import tr31 as psec

from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import DeviceFailed, Refused
from kif.formats.kcv import KcvMethod
from kif.formats.secret import Secret
from kif.formats.weak import odd_parity
from kif.hsm.boundary import crossings, permitting
from kif.hsm.clear import clear_value
from kif.hsm.component import Combination
from kif.hsm.form import (
    destroy_master,
    drawn_master,
    find_with_left,
    generate_master,
    master_of,
    object_labels,
    standing_check_value,
)
from kif.hsm.key import Algorithm, find, generate, released
from kif.hsm.keyblock import ON_HOST, left_of_block
from kif.hsm.pin import cvv
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_rfc3394
from tests.hsm.objects import imported, nothing_left
from tests.hsm.software import tdes_kcv
from tests.hsm.test_keyblock import cipher_of, master
from tests.vectors import load

LABEL = "cvk test"
KIND = (Usage.CARD_VERIFICATION, Algorithm.TDES_2)
CVVS = [each for each in load("CVV-PVV") if "cvv" in each["expect"]]


@pytest.fixture(autouse=True)
def _taken_away(token: Token) -> Iterator[None]:
    with nothing_left(token):
        yield
        destroy_master(token, LABEL)


@pytest.mark.control("KIF-HSM-04", "KIF-HSM-06")
@pytest.mark.parametrize("vector", CVVS, ids=lambda vector: str(vector["id"]))
def test_a_key_of_components_gives_the_published_values(
    token: Token, vector: dict[str, Any]
) -> None:
    given = vector["inputs"]
    value, first = bytes.fromhex(given["cvk"]), b"\x5a\xc3" * 8
    with closing(Combination(token, Algorithm.TDES_2)) as combination:
        combination.enter(Secret(first))
        combination.enter(Secret(xor(value, first)))
        values = combination.check_values(Usage.CARD_VERIFICATION)
        combination.form(LABEL, Usage.CARD_VERIFICATION)
    assert values.kcv.value == tdes_kcv(value)
    assert values.derived.method is KcvMethod.RETAIL_MAC_ZERO
    assert standing_check_value(token, LABEL, *KIND) == values.derived
    key = find_with_left(token, LABEL, *KIND)
    code = given.get("service_code", "000")
    assert cvv(key, given["pan"], given["expiry"], code) == vector["expect"]["cvv"]


@pytest.mark.control("KIF-HSM-04")
def test_a_key_that_is_generated_stands_with_its_own_left_half(token: Token) -> None:
    """Both of its objects are wrapped out as what they are made of, before they stand."""
    with drawn_master(token, Algorithm.TDES_2, Usage.CARD_VERIFICATION) as drawn:
        made = drawn._wrapping
        values = []
        for blob in (made.blob, made.left):
            came = unwrap_rfc3394(made.combiner, Usage.COMPONENT_PIECE, made.algorithm, blob)
            with released(came), permitting("test"):
                values.append(clear_value(token, came, "test").reveal())
        drawn.form(LABEL)
    crossings()
    whole, left = values
    assert left == whole[:8] * 2
    assert whole == odd_parity(whole)
    assert whole[:8] != whole[8:]
    assert drawn.values.kcv.value == tdes_kcv(whole)
    assert standing_check_value(token, LABEL, *KIND) == drawn.values.derived


@pytest.mark.control("KIF-HSM-05")
def test_a_left_half_of_another_key_is_recognised(token: Token) -> None:
    made = generate_master(token, LABEL, Algorithm.TDES_2, Usage.CARD_VERIFICATION)
    _, left = object_labels(LABEL, Usage.CARD_VERIFICATION)
    find(token, *KIND, left).destroy()
    with pytest.raises(DeviceFailed, match="no key with the label") as caught:
        find_with_left(token, LABEL, *KIND)
    assert caught.value.control is Control.KEY_FOUND
    generate(token, *KIND, left)
    assert standing_check_value(token, LABEL, *KIND) != made.values.derived


@pytest.mark.control("KIF-HSM-04", "KIF-HSM-09")
@pytest.mark.parametrize("version", ["B", "D"])
def test_the_left_half_of_a_key_in_a_block_is_taken_with_it(token: Token, version: str) -> None:
    value, protection = odd_parity(bytes(range(40, 56))), bytes(range(16))
    block = psec.wrap(protection, psec.Header(version, "C0", "T", "C", "00", "N"), value)
    with (
        master(token, protection, cipher_of(version)) as kbpk,
        permitting(ON_HOST, "test"),
        released(left := left_of_block(token, kbpk, block)),
    ):
        assert clear_value(token, left, "test").reveal() == value[:8] * 2
    crossings()


@pytest.mark.control("KIF-HSM-03")
def test_a_whole_key_alone_is_refused_and_leaves_nothing(token: Token) -> None:
    piece = imported(token, Usage.COMPONENT_PIECE, Algorithm.TDES_2, bytes(range(16)))
    with released(piece):
        refused = pytest.raises(Refused, match="came without")
        with nothing_left(token), refused as caught, master_of(token, piece, KIND[0]):
            pass
    assert caught.value.control is Control.KEY_USAGE
