"""Card data at rest, and pseudonyms."""

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed, KifError
from kif.formats.secret import Secret
from kif.hsm.data import (
    batches_with_key,
    find_batch_key,
    generate_batch_key,
    protect,
    pseudonym,
    reveal,
)
from kif.hsm.key import Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import imported_aes, nothing_left
from tests.hsm.software import aes_ecb, cmac

CLEAR, CONTEXT = Secret(b"card record 4000000000000002"), b"batch 1/card 7"
PAN = Secret(b"4000000000000002")


@pytest.fixture
def key(token: Token) -> Iterator[Key]:
    made = generate_batch_key(token, "data-test")
    yield made
    made.destroy()


@settings(deadline=None, max_examples=40)
@given(clear=st.binary(max_size=2000), context=st.binary(max_size=60))
def test_what_is_protected_opens_again(token: Token, clear: bytes, context: bytes) -> None:
    key = imported_aes(token, Usage.BATCH_DATA, bytes(32))
    with released(key):
        sealed = protect(token, key, Secret(clear), context)
        assert len(sealed) == 12 + len(clear) + 16
        assert reveal(key, sealed, context).reveal() == clear


@pytest.mark.control("KIF-ORA-07")
def test_the_clear_record_is_not_in_what_is_kept(token: Token, key: Key) -> None:
    sealed = protect(token, key, CLEAR, CONTEXT)
    assert CLEAR.reveal() not in sealed
    assert b"4000000000000002" not in sealed


def test_the_same_record_is_never_sealed_alike(token: Token, key: Key) -> None:
    sealed = {protect(token, key, CLEAR, CONTEXT) for _ in range(20)}
    assert len({each[:12] for each in sealed}) == 20


@pytest.mark.control("KIF-ORA-07")
def test_every_byte_that_is_altered_is_noticed(token: Token, key: Key) -> None:
    sealed = protect(token, key, CLEAR, CONTEXT)
    for at in range(len(sealed)):
        altered = sealed[:at] + bytes([sealed[at] ^ 0x01]) + sealed[at + 1 :]
        with pytest.raises(CheckFailed, match="Protected card data does not open") as caught:
            reveal(key, altered, CONTEXT)
        assert caught.value.control is Control.DATA_AT_REST
    assert reveal(key, sealed, CONTEXT).reveal() == CLEAR.reveal()


@pytest.mark.control("KIF-ORA-07")
@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 27, 28, 55])
def test_data_that_is_cut_does_not_open(token: Token, key: Key, size: int) -> None:
    sealed = protect(token, key, CLEAR, CONTEXT)
    with pytest.raises(CheckFailed, match="Protected card data does not open"):
        reveal(key, sealed[:size], CONTEXT)


@pytest.mark.control("KIF-ORA-07")
@pytest.mark.parametrize("context", [b"", b"batch 1/card 8", b"batch 1/card 77"])
def test_data_of_another_card_does_not_open(token: Token, key: Key, context: bytes) -> None:
    sealed = protect(token, key, CLEAR, CONTEXT)
    with pytest.raises(CheckFailed, match="it belongs to another card"):
        reveal(key, sealed, context)


@pytest.mark.control("KIF-ORA-07")
def test_once_its_key_is_destroyed_a_batch_never_opens(token: Token) -> None:
    old = generate_batch_key(token, "data-test-erased")
    sealed = protect(token, old, CLEAR, CONTEXT)
    assert "data-test-erased" in batches_with_key(token)
    old.destroy()
    assert "data-test-erased" not in batches_with_key(token)
    with pytest.raises(DeviceFailed, match="no key with the label") as caught:
        find_batch_key(token, "data-test-erased")
    assert caught.value.control is Control.KEY_FOUND
    with pytest.raises(KifError):
        reveal(old, sealed, CONTEXT)
    new = generate_batch_key(token, "data-test-erased")
    with released(new), pytest.raises(CheckFailed):
        reveal(new, sealed, CONTEXT)


def test_a_batchs_key_is_found_by_the_batchs_name(token: Token, key: Key) -> None:
    sealed = protect(token, key, CLEAR, CONTEXT)
    found = find_batch_key(token, "data-test")
    assert reveal(found, sealed, CONTEXT).reveal() == CLEAR.reveal()


@pytest.fixture
def protection(token: Token) -> Iterator[Key]:
    made = imported_aes(token, Usage.MASTER_DERIVATION, bytes(range(32)))
    yield made
    made.destroy()


def test_a_pseudonym_is_the_cmac_that_software_gives(token: Token, protection: Key) -> None:
    label = hashlib.sha256(b"kif pseudonym\x00" + b"issuer one").digest()
    expected = cmac(aes_ecb(bytes(range(32)), label), b"4000000000000002/01").hex()
    with nothing_left(token):
        assert pseudonym(protection, "issuer one", Secret(b"4000000000000002/01")) == expected


def test_a_pseudonym_is_of_one_issuer_and_subject(protection: Key) -> None:
    pseudonyms = {
        pseudonym(protection, issuer, Secret(pan + b"/" + psn))
        for issuer in ("issuer one", "issuer two")
        for pan in (b"4000000000000002", b"4000000000000010")
        for psn in (b"00", b"01")
    }
    assert len(pseudonyms) == 8
    assert not any("4000" + "0000" in each for each in pseudonyms)
