"""A making that fails at any of its steps leaves no object in the token."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kif.formats import emv, scp03
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.secret import Secret
from kif.hsm import key as key_module
from kif.hsm.calls import Calls
from kif.hsm.component import Combination
from kif.hsm.deliver import icc_check_values, wrapped_icc_keys
from kif.hsm.emv import verify_cryptogram
from kif.hsm.form import generate_master
from kif.hsm.key import Algorithm, released
from kif.hsm.scp03 import Channel, static_keys
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import imported, imported_aes, imported_cmac_master, nothing_left

ANSWER = scp03.InitializeUpdateResponse(bytes(10), 1, 0, bytes(8), bytes(8), None)
DATA = emv.option_a("1234567890123456", "00")


def channel(token: Token) -> None:
    master = imported_cmac_master(token, bytes(16))
    with released(master.key):
        Channel.open(static_keys(master, bytes(10)), bytes(8), ANSWER)


def arqc(token: Token) -> None:
    master = imported(token, Usage.MASTER_DERIVATION, Algorithm.TDES_2, bytes(range(16)))
    with released(master):
        verify_cryptogram(master, DATA, bytes(2), bytes(40), bytes(8))


def delivery(token: Token) -> None:
    dek = imported_aes(token, Usage.CARD_TRANSPORT, bytes(16))
    masters = [imported(token, Usage.MASTER_DERIVATION, Algorithm.TDES_2, bytes(range(16)))]
    with released(dek, *masters):
        wrapped_icc_keys(dek, masters * 3, DATA)
        icc_check_values(masters * 3, DATA)
        raise DeviceFailed(Control.TOKEN_CALL, "The end.")


def combination(token: Token) -> None:
    made = Combination(token, Algorithm.AES_256)
    try:
        for _ in range(3):
            made.enter(Secret(secrets.token_bytes(32)))
        made.check_values()
        raise DeviceFailed(Control.TOKEN_CALL, "The end.")
    finally:
        made.close()


WORKS: dict[str, tuple[Callable[[Token], None], int]] = {
    "a channel": (channel, 8),
    "a cryptogram": (arqc, 3),
    "card keys": (delivery, 6),
    "a combination": (combination, 12),
}


@contextmanager
def failing_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[list[int]]:
    """Let the reading back of the n-th key that is made fail."""
    made = [0]
    real = key_module._differing
    monkeypatch.setattr(Calls, "due", lambda *_: True)  # every key is read back here

    def differing(native: object, rule: object) -> list[str]:
        made[0] += 1
        if made[0] == number:
            raise DeviceFailed(Control.TOKEN_CALL, "The HSM refused on purpose.")
        return real(native, rule)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(key_module, "_differing", differing)
        yield made


@pytest.mark.control("KIF-HSM-07")
@pytest.mark.parametrize("case", WORKS)
def test_whichever_key_fails_the_others_are_gone(
    token: Token, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    work, most = WORKS[case]
    reached = 0
    for number in range(1, most + 1):
        with (
            nothing_left(token),
            failing_at(monkeypatch, number) as made,
            pytest.raises(DeviceFailed),
        ):
            work(token)
        reached = max(reached, made[0])
    assert reached >= most - 2


@pytest.mark.control("KIF-CHIP-02")
def test_a_cryptogram_that_is_wrong_or_can_not_be_computed_leaves_nothing(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nothing_left(token), pytest.raises(DeviceFailed, match="cryptogram"):
        channel(token)

    def fail(self: Channel, constant: scp03.Constant) -> bytes:
        raise DeviceFailed(Control.TOKEN_CALL, "The HSM refused on purpose.")

    monkeypatch.setattr(Channel, "_cryptogram", fail)
    with nothing_left(token), pytest.raises(DeviceFailed, match="on purpose"):
        channel(token)


@pytest.mark.control("KIF-HSM-07")
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_master_that_is_not_formed_leaves_nothing(
    token: Token, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with (
        nothing_left(token),
        failing_at(monkeypatch, number),
        pytest.raises(DeviceFailed, match="on purpose"),
    ):
        generate_master(token, "leftover test", Algorithm.TDES_2)
