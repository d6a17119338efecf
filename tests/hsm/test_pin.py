"""PIN blocks under keys in the token, against psec and software."""

from collections.abc import Callable

import pytest
from psec import pinblock as psec

from kif.formats import pinblock
from kif.formats.error import BadInput
from kif.formats.secret import Secret
from kif.hsm import pin
from kif.hsm.key import Algorithm, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm import software
from tests.hsm.objects import imported, imported_aes, nothing_left

PAN, OTHER_PAN = "4761739001010010", "4761739001010028"
PIN = Secret(b"123456")
NONCE = bytes(range(8))
TDEA_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
AES_KEY = bytes(range(16))


@pytest.mark.parametrize(
    "made",
    [
        lambda: pinblock.format_0(PIN, PAN),
        lambda: pinblock.format_1(PIN, NONCE),
        lambda: pinblock.format_2(PIN),
        lambda: pinblock.format_3(PIN, PAN, NONCE),
    ],
    ids=["format 0", "format 1", "format 2", "format 3"],
)
def test_a_pin_block_is_encrypted_as_one_block_of_tdea(
    token: Token, made: Callable[[], Secret]
) -> None:
    block = made()
    key = imported(token, Usage.PIN_ENCRYPTION, Algorithm.TDES_2, TDEA_KEY)
    with released(key), nothing_left(token):
        sealed = pin.encrypted_block(key, block)
    assert sealed == software.tdes_ecb(TDEA_KEY, block.reveal())


def test_psec_opens_a_block_of_format_4_made_in_the_token(token: Token) -> None:
    key = imported_aes(token, Usage.PIN_ENCRYPTION, AES_KEY)
    with released(key), nothing_left(token):
        sealed = pin.encrypted_format_4(key, PIN, PAN, NONCE)
    assert psec.decipher_pinblock_iso_4(AES_KEY, sealed, PAN) == PIN.reveal().decode()


def test_the_token_opens_a_block_of_format_4_made_by_psec(token: Token) -> None:
    sealed = psec.encipher_pinblock_iso_4(AES_KEY, PIN.reveal().decode(), PAN)
    key = imported_aes(token, Usage.PIN_DECRYPTION, AES_KEY)
    with released(key), nothing_left(token):
        assert pin.opened_format_4(key, sealed, PAN).reveal() == PIN.reveal()


def test_a_block_of_format_4_is_not_opened_for_another_pan(token: Token) -> None:
    sealed = psec.encipher_pinblock_iso_4(AES_KEY, PIN.reveal().decode(), PAN)
    key = imported_aes(token, Usage.PIN_DECRYPTION, AES_KEY)
    with (
        released(key),
        nothing_left(token),
        pytest.raises(BadInput, match=r"not a PIN block for this PAN\. It was not used\."),
    ):
        pin.opened_format_4(key, sealed, OTHER_PAN)
