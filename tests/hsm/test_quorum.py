"""M of N custodians inside the token."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from math import comb

import pytest

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, Refused
from kif.formats.secret import Secret
from kif.hsm.form import kcv_of
from kif.hsm.key import Algorithm, Key, generate, released
from kif.hsm.quorum import Quorum, combine, create, load_share
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_kwp, wrap_kwp
from tests.hsm.objects import nothing_left

NAME = "test quorum"


@contextmanager
def loaded(token: Token, secrets_: list[bytes]) -> Iterator[list[Key]]:
    shares = [load_share(token, Secret(each)) for each in secrets_]
    with released(*shares):
        yield shares


def drawn(number: int) -> list[bytes]:
    return [secrets.token_bytes(32) for _ in range(number)]


def made(token: Token, values: list[bytes], threshold: int) -> Quorum:
    with loaded(token, values) as shares:
        return create(token, NAME, shares, threshold)


@pytest.mark.control("KIF-HSM-11")
@pytest.mark.parametrize(("holders", "threshold"), [(2, 2), (3, 2), (5, 3), (4, 4)])
def test_any_m_bring_the_same_key_back_in_any_order(
    token: Token, holders: int, threshold: int
) -> None:
    values = drawn(holders)
    with nothing_left(token):
        quorum = made(token, values, threshold)
    assert len(quorum.blobs) == comb(holders, threshold)
    assert max(map(len, quorum.blobs.values())) < 200
    for present in combinations(range(1, holders + 1), threshold):
        numbers = list(reversed(present))
        with (
            nothing_left(token),
            loaded(token, [values[number - 1] for number in numbers]) as shares,
        ):
            key = combine(quorum, dict(zip(numbers, shares, strict=True)), Usage.PUBLIC_BLOCK)
            with released(key):
                assert kcv_of(key) == quorum.kcv


@pytest.mark.control("KIF-HSM-11")
def test_the_key_that_comes_back_opens_what_it_wrapped_before(token: Token) -> None:
    values = drawn(3)
    quorum = made(token, values, 2)
    kept = generate(token, Usage.CARD_DELIVERY, Algorithm.AES_256)
    with loaded(token, values[:2]) as shares:
        kek = combine(quorum, dict(enumerate(shares, start=1)), Usage.BACKUP_KEK)
        with released(kek):
            blob = wrap_kwp(kek, kept)
    with loaded(token, values[1:]) as shares:
        kek = combine(quorum, dict(enumerate(shares, start=2)), Usage.BACKUP_KEK)
        with released(kek):
            back = unwrap_kwp(kek, Usage.CARD_DELIVERY, Algorithm.AES_256, blob)
            assert wrap_kwp(kek, back) == blob
    back.destroy()
    kept.destroy()


@pytest.mark.control("KIF-HSM-11")
def test_fewer_than_m_are_refused(token: Token) -> None:
    values = drawn(3)
    quorum = made(token, values, 3)
    with nothing_left(token), loaded(token, values[:2]) as shares:
        with pytest.raises(Refused, match="2 shares are there; test quorum needs 3") as caught:
            combine(quorum, dict(enumerate(shares, start=1)), Usage.BACKUP_KEK)
        assert caught.value.control is Control.QUORUM


@pytest.mark.control("KIF-HSM-11")
def test_a_wrong_share_is_named(token: Token) -> None:
    values = drawn(3)
    quorum = made(token, values, 2)
    with nothing_left(token), loaded(token, [values[0], drawn(1)[0]]) as shares:
        for numbers in ((1, 2), (1, 4), (1, 0)):
            with pytest.raises(CheckFailed, match=f"share of custodian {min(numbers[1:])} is not"):
                combine(quorum, dict(zip(numbers, shares, strict=True)), Usage.BACKUP_KEK)


@pytest.mark.control("KIF-HSM-11")
@pytest.mark.parametrize("what", ["name", "threshold", "byte", "end", "blob", "missing"])
def test_public_data_that_was_changed_gives_no_key(token: Token, what: str) -> None:
    values = drawn(4)
    quorum = made(token, values, 3)
    blob = quorum.blobs[1, 2, 3]
    changed = {
        "name": replace(quorum, name="another quorum"),
        "threshold": replace(quorum, threshold=2, blobs={(1, 2): blob}),
        "byte": replace(quorum, blobs={(1, 2, 3): blob[:20] + bytes((blob[20] ^ 1,)) + blob[21:]}),
        "end": replace(quorum, blobs={(1, 2, 3): blob[:-1]}),
        "blob": replace(quorum, blobs={(1, 2, 3): quorum.blobs[1, 2, 4]}),
        "missing": replace(quorum, blobs={}),
    }[what]
    with nothing_left(token), loaded(token, values[:3]) as shares:
        with pytest.raises(CheckFailed) as caught:
            combine(changed, dict(enumerate(shares, start=1)), Usage.BACKUP_KEK)
        assert caught.value.control is Control.QUORUM


@pytest.mark.control("KIF-HSM-11")
def test_another_key_than_the_sets_does_not_come_back(token: Token) -> None:
    values = drawn(2)
    one, other = made(token, values, 2), made(token, values, 2)
    mixed = replace(one, blobs=other.blobs)
    with (
        nothing_left(token),
        loaded(token, values) as shares,
        pytest.raises(CheckFailed, match="is not test quorum"),
    ):
        combine(mixed, dict(enumerate(shares, start=1)), Usage.BACKUP_KEK)


@pytest.mark.control("KIF-HSM-11")
@pytest.mark.parametrize(("holders", "threshold"), [(3, 1), (3, 4), (3, 0), (2, -1)])
def test_what_is_no_quorum_is_not_made(token: Token, holders: int, threshold: int) -> None:
    with (
        nothing_left(token),
        loaded(token, drawn(holders)) as shares,
        pytest.raises(BadInput, match=f"{threshold} of {holders} is no quorum"),
    ):
        create(token, NAME, shares, threshold)


@pytest.mark.control("KIF-HSM-11")
def test_too_many_blobs_the_same_share_twice_and_a_short_share_are_refused(token: Token) -> None:
    value = drawn(1)[0]
    with nothing_left(token), loaded(token, [value] * 14) as shares:
        with pytest.raises(BadInput, match="would need 3432 blobs"):
            create(token, NAME, shares, 7)
        with pytest.raises(Refused, match="gave the same share"):
            create(token, NAME, shares[:2], 2)
        for size in (0, 31, 33):
            with pytest.raises(BadInput, match=f"this one has {size}"):
                load_share(token, Secret(bytes(size)))
