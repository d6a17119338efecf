"""kryoptic, a third token: no 3DES, and what it does is what the others do."""

import os
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kif.formats.secret import Secret
from kif.hsm.component import Combination
from kif.hsm.form import kcv_of
from kif.hsm.kat.run import Verdict, run
from kif.hsm.kat.throwaway import throwaway_token
from kif.hsm.kat.vector import read
from kif.hsm.key import Algorithm, Cipher, released
from kif.hsm.promises import tried
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import nothing_left
from tests.hsm.software import aes_kcv
from tests.vectors import KNOWN_ANSWERS

pytestmark = pytest.mark.tokens
OF_DES = {"CVV-PVV", "EMV-MK", "EMV-SK-AC", "EMV-SM", "RETAIL-MAC", "SCP02"}


@pytest.fixture(scope="module")
def kryoptic() -> Iterator[Token]:
    """A throw-away token of the library that was built."""
    with throwaway_token(Path(os.environ["KRYOPTIC"])) as opened:
        yield opened


def test_what_it_has_mechanisms_for_gives_the_published_values(kryoptic: Token) -> None:
    with nothing_left(kryoptic):
        results = list(run(kryoptic, read(KNOWN_ANSWERS)))
    assert not [each for each in results if each.verdict is Verdict.FAILED]
    skipped = {each.vector.category for each in results if each.verdict is Verdict.SKIPPED}
    assert skipped >= OF_DES
    passed = {each.vector.category for each in results if each.verdict is Verdict.PASSED}
    assert passed >= {"AES-CMAC", "AN10922", "SCP03", "MILENAGE", "ICAO-PACE", "KCV", "PIN-BLOCK"}
    for each in results:
        if each.verdict is Verdict.SKIPPED:
            of_des = "unwrapping" in each.detail or "importing" in each.detail
            assert of_des or "192" in each.vector.id  # what it derives it does not cut


@pytest.mark.parametrize("algorithm", [each for each in Algorithm if each.cipher is Cipher.AES])
def test_components_are_combined_inside(kryoptic: Token, algorithm: Algorithm) -> None:
    value, mask = (secrets.token_bytes(algorithm.size) for _ in range(2))
    with nothing_left(kryoptic), closing(Combination(kryoptic, algorithm)) as combination:
        combination.enter(Secret(mask))
        combination.enter(Secret(bytes(a ^ b for a, b in zip(value, mask, strict=True))))
        key = combination.session_key(Usage.PUBLIC_BLOCK)
        with released(key):
            assert kcv_of(key).value == aes_kcv(value)


def test_it_keeps_every_promise_but_one(kryoptic: Token) -> None:
    broken = [each.what for each in tried(kryoptic) if not each.kept]
    assert broken == ["no key is wrapped by ECB, block by block"]
