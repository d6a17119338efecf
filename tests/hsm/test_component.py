"""Components combined inside the token."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from pkcs11 import Attribute, Mechanism
from pkcs11.exceptions import AttributeSensitive, PKCS11Error

from kif.formats import emv
from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed, Refused
from kif.formats.scp03 import StaticKey
from kif.formats.secret import Secret
from kif.formats.weak import odd_parity
from kif.hsm.boundary import crossings, permitting
from kif.hsm.clear import clear_value
from kif.hsm.cmac import CmacMaster, kdf3
from kif.hsm.component import Combination, component_kcv
from kif.hsm.derive import derive_2tdea
from kif.hsm.form import Formed, find_cmac_master, kcv_of
from kif.hsm.key import Algorithm, Cipher, Key, generate, released
from kif.hsm.library import calling
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm import hostile
from tests.hsm.objects import count, nothing_left
from tests.hsm.software import aes_ecb, aes_kcv, option_a, tdes_kcv
from tests.hsm.software import kdf3 as software_kdf3

PAN, PSN, KDD = "5413330000000019", "01", bytes(range(10))


def combined(components: list[bytes]) -> bytes:
    value = bytes(len(components[0]))
    for component in components:
        value = xor(value, component)
    return value


def expected_kcv(algorithm: Algorithm, value: bytes) -> bytes:
    return tdes_kcv(value) if algorithm.cipher is Cipher.TDEA else aes_kcv(value)


@contextmanager
def formed(token: Token, algorithm: Algorithm, components: list[bytes]) -> Iterator[Formed]:
    """A master formed of components, taken away again with its L."""
    label = f"component test {secrets.token_hex(4)}"
    with closing(Combination(token, algorithm)) as combination:
        for component in components:
            combination.enter(Secret(component))
        values = combination.check_values()
        master = Formed(combination.form(label), values)
    yield master
    with calling("taking the test's master away"):
        for each in list(token.session.get_objects()):
            if hasattr(each, "label") and each.label == label:
                each.destroy()


@pytest.mark.control("KIF-HSM-06")
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_the_key_is_the_xor_of_the_components_by_its_check_value(
    token: Token, algorithm: Algorithm, number: int
) -> None:
    components = [secrets.token_bytes(algorithm.size) for _ in range(number)]
    with formed(token, algorithm, components) as master:
        assert master.values.kcv.value == expected_kcv(algorithm, combined(components))
        assert master.key.usage is Usage.MASTER_DERIVATION


@pytest.mark.parametrize("algorithm", Algorithm)
def test_the_check_value_is_known_after_each_component(token: Token, algorithm: Algorithm) -> None:
    components = [secrets.token_bytes(algorithm.size) for _ in range(4)]
    with closing(Combination(token, algorithm)) as combination:
        for at, component in enumerate(components):
            combination.enter(Secret(component))
            value = combined(components[: at + 1])
            assert combination.check_values().kcv.value == expected_kcv(algorithm, value)


def test_a_2tdea_master_of_components_derives_what_software_derives(token: Token) -> None:
    components = [secrets.token_bytes(16) for _ in range(3)]
    with formed(token, Algorithm.TDES_2, components) as master:
        key = derive_2tdea(master.key, emv.option_a(PAN, PSN), Usage.PUBLIC_BLOCK)
        with released(key):
            assert kcv_of(key).value == tdes_kcv(option_a(combined(components), PAN, PSN))


@pytest.mark.parametrize("algorithm", [each for each in Algorithm if each.cipher is Cipher.AES])
def test_an_aes_master_of_components_derives_what_software_derives(
    token: Token, algorithm: Algorithm
) -> None:
    components = [secrets.token_bytes(algorithm.size) for _ in range(2)]
    value = combined(components)
    with formed(token, algorithm, components) as master:
        kept = find_cmac_master(token, master.key.native[Attribute.LABEL], algorithm)
        assert kept == CmacMaster(kept.key, aes_ecb(value, bytes(16)))
        key = kdf3(kept, StaticKey.ENC, KDD, Usage.PUBLIC_BLOCK)
        with released(key):
            assert kcv_of(key).value == aes_kcv(software_kdf3(value, 1, KDD))


def test_equal_components_cancel_each_other(token: Token) -> None:
    component, last = secrets.token_bytes(16), secrets.token_bytes(16)
    with formed(token, Algorithm.AES_128, [component, component, last]) as master:
        assert master.values.kcv.value == aes_kcv(last)


@pytest.mark.control("KIF-CER-03")
@pytest.mark.parametrize(
    ("algorithm", "size"),
    [
        (Algorithm.TDES_2, 8),
        (Algorithm.TDES_2, 24),
        (Algorithm.AES_128, 0),
        (Algorithm.AES_128, 15),
        (Algorithm.AES_192, 16),
        (Algorithm.AES_256, 33),
    ],
)
def test_a_component_of_another_length_is_refused_in_a_sentence(
    token: Token, algorithm: Algorithm, size: int
) -> None:
    wrong, right = Secret(secrets.token_bytes(size)), secrets.token_bytes(algorithm.size)
    with closing(Combination(token, algorithm)) as combination:
        combination.enter(Secret(right))
        with nothing_left(token), pytest.raises(BadInput) as caught:
            combination.enter(wrong)
        assert combination.check_values().kcv.value == expected_kcv(algorithm, right)
    assert caught.value.control is Control.COMPONENT
    assert caught.value.sentence == (
        f"The component has {size} bytes; a component of {algorithm.value} has {algorithm.size}. "
        "It was not entered; read it from the sheet again."
    )
    assert not size or wrong.reveal().hex() not in str(caught.value).lower()


@pytest.mark.control("KIF-CER-03")
@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_component_has_a_check_value_of_its_own(token: Token, algorithm: Algorithm) -> None:
    component = secrets.token_bytes(algorithm.size)
    with nothing_left(token):
        kcv = component_kcv(token, algorithm, Secret(component))
    assert kcv.value == expected_kcv(algorithm, component)


@pytest.mark.control("KIF-CER-03")
def test_a_component_of_another_length_has_no_check_value(token: Token) -> None:
    with nothing_left(token), pytest.raises(BadInput, match="has 15 bytes; one of AES-128 has 16"):
        component_kcv(token, Algorithm.AES_128, Secret(bytes(15)))


@pytest.mark.control("KIF-HSM-04")
def test_the_combiner_cannot_decrypt_what_it_wrapped(token: Token) -> None:
    combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
    piece = generate(token, Usage.COMPONENT_PIECE, Algorithm.AES_128)
    with released(combiner, piece):
        blob = combiner.native.wrap_key(piece.native, mechanism=Mechanism.AES_KEY_WRAP)
        with pytest.raises(PKCS11Error, match=hostile.NOT_PERMITTED):
            hostile.unbound(combiner.native).decrypt(blob[8:], mechanism=Mechanism.AES_ECB)


@pytest.mark.control("KIF-HSM-04")
def test_a_pieces_value_is_not_read(token: Token) -> None:
    with closing(Combination(token, Algorithm.AES_128)) as combination:
        combination.enter(Secret(secrets.token_bytes(16)))
        for piece in _pieces(combination):
            with pytest.raises(AttributeSensitive):
                _ = piece.native[Attribute.VALUE]


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_combination_that_is_given_up_leaves_nothing_in_the_token(
    token: Token, algorithm: Algorithm
) -> None:
    with nothing_left(token), closing(Combination(token, algorithm)) as combination:
        combination.enter(Secret(secrets.token_bytes(algorithm.size)))
        combination.enter(Secret(secrets.token_bytes(algorithm.size)))
        combination.check_values()


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("algorithm", [Algorithm.TDES_2, Algorithm.AES_256])
def test_a_key_that_is_formed_leaves_itself_and_its_l_only(
    token: Token, algorithm: Algorithm
) -> None:
    before = count(token)
    components = [secrets.token_bytes(algorithm.size) for _ in range(2)]
    with formed(token, algorithm, components):
        assert count(token) == before + 2


@pytest.mark.parametrize("algorithm", [Algorithm.TDES_2, Algorithm.TDES_3])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_des_key_that_is_formed_has_odd_parity(
    token: Token, algorithm: Algorithm, number: int
) -> None:
    components = [secrets.token_bytes(algorithm.size) for _ in range(number)]
    with closing(Combination(token, algorithm)) as combination:
        for component in components:
            combination.enter(Secret(component))
        key = combination.session_key(Usage.CARD_DELIVERY)
        with released(key), permitting("test"):
            assert clear_value(token, key, "test").reveal() == odd_parity(combined(components))
    crossings()


WEAK = "0101010101010101"
SEMI_WEAK = "FE01FE01FE01FE01"
GOOD, OTHER = "0123456789ABCDEF", "FEDCBA9876543210"


@pytest.mark.control("KIF-HSM-10")
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (WEAK + GOOD, "weak or semi-weak DES part"),
        (GOOD + SEMI_WEAK, "weak or semi-weak DES part"),
        ("00" * 8 + GOOD, "weak or semi-weak DES part"),
        (GOOD + GOOD, "two equal parts, which is single DES"),
        (GOOD + "0022446688AACCEE", "two equal parts"),
        (GOOD + OTHER + GOOD, "two equal parts"),
        (GOOD + OTHER + WEAK, "weak or semi-weak DES part"),
        ("00" * 32, "a key of zeros"),
    ],
)
def test_a_weak_key_is_not_formed(token: Token, value: str, why: str) -> None:
    whole = bytes.fromhex(value)
    algorithm = Algorithm.of(Cipher.AES if len(whole) == 32 else Cipher.TDEA, len(whole))
    mask = secrets.token_bytes(len(whole))
    with nothing_left(token), closing(Combination(token, algorithm)) as combination:
        combination.enter(Secret(mask))
        combination.enter(Secret(xor(whole, mask)))
        with pytest.raises(Refused, match=why) as caught:
            combination.require_strong()
    assert caught.value.control is Control.KEY_WEAK


@pytest.mark.parametrize(
    "value", [GOOD + OTHER, GOOD + OTHER + "1122334455667788", "00" * 31 + "01"]
)
def test_a_key_that_is_not_weak_is_taken(token: Token, value: str) -> None:
    whole = bytes.fromhex(value)
    algorithm = Algorithm.of(Cipher.AES if len(whole) == 32 else Cipher.TDEA, len(whole))
    with nothing_left(token), closing(Combination(token, algorithm)) as combination:
        combination.enter(Secret(whole))
        combination.require_strong()


def test_a_key_of_no_components_is_not_formed(token: Token) -> None:
    with (
        nothing_left(token),
        closing(Combination(token, Algorithm.AES_128)) as combination,
        pytest.raises(DeviceFailed, match="refused while unwrapping"),
    ):
        combination.form("component test of nothing")


def _pieces(combination: Combination) -> list[Key]:
    return combination._pieces
