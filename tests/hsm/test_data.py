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
    batch_key,
    find_retention_key,
    make_retention_key,
    new_seed,
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
SEED = bytes(range(32))
PAN = Secret(b"4000000000000002")


@pytest.fixture
def key(token: Token) -> Iterator[Key]:
    retention = make_retention_key(token, "data-test")
    made = batch_key(retention, SEED)
    yield made
    made.destroy()
    retention.destroy()


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


@pytest.mark.control("KIF-ORA-07", "KIF-ORA-09")
def test_once_its_retention_key_is_destroyed_a_batch_never_opens(token: Token) -> None:
    seed = new_seed(token)
    old = make_retention_key(token, "data-test-erased")
    with released(first := batch_key(old, seed)):
        sealed = protect(token, first, CLEAR, CONTEXT)
    old.destroy()
    with pytest.raises(DeviceFailed, match="no key with the label") as caught:
        find_retention_key(token, "data-test-erased")
    assert caught.value.control is Control.KEY_FOUND
    with pytest.raises(KifError):
        batch_key(old, seed)
    new = make_retention_key(token, "data-test-erased")
    with released(new), released(other := batch_key(new, seed)), pytest.raises(CheckFailed):
        reveal(other, sealed, CONTEXT)


@pytest.mark.control("KIF-ORA-09")
def test_a_data_key_is_of_one_retention_key_and_one_seed(token: Token, key: Key) -> None:
    """The same key comes again from the same two; from any other nothing opens."""
    sealed = protect(token, key, CLEAR, CONTEXT)
    retention = find_retention_key(token, "data-test")
    with released(again := batch_key(retention, SEED)):
        assert reveal(again, sealed, CONTEXT).reveal() == CLEAR.reveal()
    with released(other := batch_key(retention, SEED[::-1])), pytest.raises(CheckFailed):
        reveal(other, sealed, CONTEXT)


def test_a_retention_key_is_made_once(token: Token, key: Key) -> None:
    again = make_retention_key(token, "data-test")
    assert again.native == find_retention_key(token, "data-test").native


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
