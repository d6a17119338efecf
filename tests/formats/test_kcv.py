"""Check values with the name of their method."""

from typing import Any

import pytest

from kif.formats.kcv import Kcv, KcvMethod
from tests.hsm.software import aes_ecb, tdes_ecb
from tests.vectors import load

VECTORS = [each for each in load("KCV") if "CMAC" not in each["id"]]


@pytest.mark.control("KIF-HSM-06")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_a_check_value_is_the_published_one(vector: dict[str, Any]) -> None:
    key = bytes.fromhex(vector["inputs"]["key"])
    tdes = vector["id"].startswith("KCV-DES")
    method = KcvMethod.DES_ZERO if tdes else KcvMethod.GP_AES_01
    kcv = Kcv.from_cryptogram(method, (tdes_ecb if tdes else aes_ecb)(key, method.block))
    assert str(kcv) == f"{method.value}:{vector['expect']['kcv']}"


def test_check_values_of_different_methods_are_different() -> None:
    value = b"\x01\x02\x03"
    assert Kcv(KcvMethod.DES_ZERO, value) != Kcv(KcvMethod.GP_AES_01, value)
