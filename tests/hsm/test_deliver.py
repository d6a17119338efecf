"""Card keys on their way: decrypted here with a Key-DEK that the test knows."""

import pytest
from pkcs11 import Mechanism
from pkcs11.exceptions import KeyNotWrappable

from kif.formats import emv
from kif.hsm.deliver import domain_keys, icc_check_values, wrapped_icc_keys
from kif.hsm.key import Algorithm, Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import imported, imported_aes, imported_cmac_master, nothing_left
from tests.hsm.software import aes_cbc_decrypt, aes_kcv, kdf3, option_a, tdes_kcv

MASTERS = [
    bytes.fromhex(each)
    for each in (
        "0123456789ABCDEFFEDCBA9876543210",
        "FEDCBA98765432100123456789ABCDEF",
        "89ABCDEF0123456776543210FEDCBA98",
    )
]
PAN, PSN = "1234567890123456", "01"
DATA = emv.option_a(PAN, PSN)


def masters(token: Token) -> list[Key]:
    return [imported(token, Usage.MASTER_DERIVATION, Algorithm.TDES_2, value) for value in MASTERS]


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("dek_size", [16, 24, 32])
def test_a_cards_own_keys_are_those_of_the_published_derivation(
    token: Token, size: int, dek_size: int
) -> None:
    dek_value, value, serial = bytes(range(dek_size)), bytes(range(50, 50 + size)), b"TEST SERIA"
    dek = imported_aes(token, Usage.CARD_TRANSPORT, dek_value)
    own = imported_cmac_master(token, value)
    with released(dek, own.key), nothing_left(token):
        fields = domain_keys(dek, own, serial)
    assert [field.size for field in fields] == [size] * 3
    for number, field in enumerate(fields, start=1):
        key = aes_cbc_decrypt(dek_value, bytes(16), field.cryptogram)
        assert key == kdf3(value, number, serial)
        assert field.check_value == aes_kcv(key)


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("size", [16, 24, 32])
def test_the_cryptogram_holds_the_cards_keys_in_order(token: Token, size: int) -> None:
    dek_value = bytes(range(size))
    dek, keys = imported_aes(token, Usage.CARD_TRANSPORT, dek_value), masters(token)
    with released(dek, *keys), nothing_left(token):
        cryptogram = wrapped_icc_keys(dek, keys, DATA)
    plain = aes_cbc_decrypt(dek_value, bytes(16), cryptogram)
    assert plain == b"".join(option_a(value, PAN, PSN) for value in MASTERS)


def test_the_check_values_are_those_of_the_cards_keys(token: Token) -> None:
    keys = masters(token)
    with released(*keys), nothing_left(token):
        values = icc_check_values(keys, DATA)
    assert values == b"".join(tdes_kcv(option_a(value, PAN, PSN)) for value in MASTERS)


def test_no_masters_give_nothing(token: Token) -> None:
    dek = imported_aes(token, Usage.CARD_TRANSPORT, bytes(16))
    with released(dek):
        assert wrapped_icc_keys(dek, [], DATA) == icc_check_values([], DATA) == b""


@pytest.mark.control("KIF-HSM-04")
def test_a_master_itself_is_not_wrapped_for_a_card(token: Token) -> None:
    dek, keys = imported_aes(token, Usage.CARD_TRANSPORT, bytes(16)), masters(token)
    with released(dek, *keys):
        for key in keys:
            with pytest.raises(KeyNotWrappable):
                dek.native.wrap_key(
                    key.native, mechanism=Mechanism.AES_CBC, mechanism_param=bytes(16)
                )
