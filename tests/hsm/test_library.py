"""The one lock, and errors as sentences."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pkcs11 import exceptions

from kif.formats import emv
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm import library
from kif.hsm.derive import derive_2tdea
from kif.hsm.form import kcv_of
from kif.hsm.key import Algorithm, Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import imported, nothing_left
from tests.hsm.software import option_a, tdes_kcv

ROUNDS = 300
VALUES = [bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes(range(16))]

ERRORS = {
    "wrong PIN": (exceptions.PinIncorrect, Control.TOKEN_LOGIN, "did not accept the PIN"),
    "PIN of no length": (exceptions.PinLenRange, Control.TOKEN_LOGIN, "did not accept the PIN"),
    "locked PIN": (exceptions.PinLocked, Control.TOKEN_LOGIN, "PIN is locked"),
    "token gone": (exceptions.TokenNotPresent, Control.TOKEN_PRESENT, "gone while counting"),
    "HSM gone": (exceptions.DeviceRemoved, Control.TOKEN_PRESENT, "gone while counting"),
    "anything else": (exceptions.GeneralError, Control.TOKEN_CALL, "refused while counting"),
}


def _derived(master: Key, pan: str) -> bytes:
    key = derive_2tdea(master, emv.option_a(pan, "01"), Usage.PUBLIC_BLOCK)
    with released(key):
        return kcv_of(key).value


def _hammer(master: Key, start: int) -> list[tuple[str, bytes]]:
    pans = [f"{start + n:016d}" for n in range(ROUNDS)]
    return [(pan, _derived(master, pan)) for pan in pans]


def test_two_threads_deriving_at_once_get_the_right_keys(token: Token) -> None:
    masters = [
        imported(token, Usage.MASTER_DERIVATION, Algorithm.TDES_2, value) for value in VALUES
    ]
    with released(*masters), nothing_left(token), ThreadPoolExecutor(2) as pool:
        found = list(pool.map(_hammer, masters, (0, 10**9)))
    for value, results in zip(VALUES, found, strict=True):
        assert results == [(pan, tdes_kcv(option_a(value, pan, "01"))) for pan, _ in results]


@pytest.mark.control("KIF-HSM-07")
@pytest.mark.parametrize(("raised", "control", "words"), ERRORS.values(), ids=ERRORS)
def test_a_failing_call_is_a_sentence_with_its_control(
    raised: type[Exception], control: Control, words: str
) -> None:
    with pytest.raises(DeviceFailed, match=words) as caught, library.calling("counting"):
        raise raised
    assert caught.value.control is control
    assert caught.value.exit_code == 3


def test_an_error_of_our_own_passes_through_a_call_unchanged() -> None:
    with pytest.raises(KeyError, match="ours"), library.calling("counting"):
        raise KeyError("ours")


def test_the_lock_is_free_again_after_an_error() -> None:
    with pytest.raises(DeviceFailed), library.calling("counting"):
        raise exceptions.GeneralError
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_enter).result(timeout=5)


def _enter() -> bool:
    with library.calling("counting"):
        return True


@pytest.mark.control("KIF-HSM-01")
def test_a_library_that_is_not_there_is_named() -> None:
    with pytest.raises(DeviceFailed, match=r"no PKCS#11 library at /nonexistent/lib\.so") as caught:
        library.load(Path("/nonexistent/lib.so"))
    assert caught.value.control is Control.TOKEN_PRESENT


def test_softhsm_is_installed() -> None:
    assert library.softhsm_library().name == "libsofthsm2.so"
