"""Keys on their way to another HSM, opened there by software."""

import secrets
from collections.abc import Callable
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_unwrap_with_padding

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.form import kcv_of
from kif.hsm.key import Algorithm, Cipher, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_kwp, unwrap_rfc3394, wrap_cbc, wrap_kwp, wrap_oaep, wrap_rfc3394
from tests.hsm.objects import imported, nothing_left
from tests.hsm.software import aes_cbc, aes_kcv, tdes_kcv

ALL = list(Algorithm)


def kcv(algorithm: Algorithm, value: bytes) -> bytes:
    return tdes_kcv(value) if algorithm.cipher is Cipher.TDEA else aes_kcv(value)


@pytest.mark.parametrize("algorithm", ALL)
def test_each_wrapping_is_the_standards(token: Token, algorithm: Algorithm) -> None:
    kek_value, value = secrets.token_bytes(32), secrets.token_bytes(algorithm.size)
    with nothing_left(token):
        kek = imported(token, Usage.TRANSPORT_OUT, Algorithm.AES_256, kek_value)
        key = imported(token, Usage.CARD_DELIVERY, algorithm, value)
        with released(kek, key):
            assert aes_key_unwrap(kek_value, wrap_rfc3394(kek, key)) == value
            assert aes_key_unwrap_with_padding(kek_value, wrap_kwp(kek, key)) == value
            if algorithm.size % 16 == 0:
                assert wrap_cbc(kek, key, bytes(16)) == aes_cbc(kek_value, bytes(16), value)


@pytest.mark.parametrize("algorithm", ALL)
def test_what_was_wrapped_comes_back_as_a_key_of_its_usage(
    token: Token, algorithm: Algorithm
) -> None:
    kek_value, value = secrets.token_bytes(32), secrets.token_bytes(algorithm.size)
    out = imported(token, Usage.TRANSPORT_OUT, Algorithm.AES_256, kek_value)
    back = imported(token, Usage.TRANSPORT_IN, Algorithm.AES_256, kek_value)
    key = imported(token, Usage.CARD_DELIVERY, algorithm, value)
    with released(out, back, key):
        for blob, unwrap in (
            (wrap_rfc3394(out, key), unwrap_rfc3394),
            (wrap_kwp(out, key), unwrap_kwp),
        ):
            found = unwrap(back, Usage.PUBLIC_BLOCK, algorithm, blob)
            with released(found):
                assert kcv_of(found).value == kcv(algorithm, value)
            wrong = blob[:-1] + bytes((blob[-1] ^ 1,))
            with nothing_left(token), pytest.raises(DeviceFailed) as caught:
                unwrap(back, Usage.PUBLIC_BLOCK, algorithm, wrong)
            assert caught.value.control is Control.TOKEN_CALL


@pytest.mark.parametrize("algorithm", ALL)
def test_oaep_opens_with_the_private_key_elsewhere(token: Token, algorithm: Algorithm) -> None:
    recipient = rsa.generate_private_key(65537, 2048)
    value = secrets.token_bytes(algorithm.size)
    key = imported(token, Usage.CARD_DELIVERY, algorithm, value)
    with released(key), nothing_left(token):
        blob = wrap_oaep(token, recipient.public_key(), key)
    scheme = padding.OAEP(padding.MGF1(SHA1()), SHA1(), None)  # noqa: S303
    assert recipient.decrypt(blob, scheme) == value


def test_a_key_that_may_not_leave_does_not(token: Token) -> None:
    recipient = rsa.generate_private_key(65537, 2048).public_key()
    kek = imported(token, Usage.TRANSPORT_OUT, Algorithm.AES_256, bytes(32))
    with released(kek):
        for usage in (Usage.CARD_DERIVATION, Usage.PUBLIC_BLOCK, Usage.BACKUP_KEK, Usage.RETENTION):
            key = imported(token, usage, Algorithm.AES_256, bytes(32))
            with released(key):
                ways: list[Callable[[], bytes]] = [
                    partial(wrap_rfc3394, kek, key),
                    partial(wrap_kwp, kek, key),
                    partial(wrap_cbc, kek, key, bytes(16)),
                    partial(wrap_oaep, token, recipient, key),
                ]
                for wrap in ways:
                    with nothing_left(token), pytest.raises(DeviceFailed, match="may not leave"):
                        wrap()
