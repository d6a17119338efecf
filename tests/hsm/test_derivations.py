"""Derivations that no vector is published for, against software."""

import secrets

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode
from pyemv import kd

from kif.formats import diversification, emv
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.hsm.an10922 import diversified
from kif.hsm.boundary import crossings, permitting
from kif.hsm.cmac import CmacPair, key_of_messages
from kif.hsm.emv import common_session_key, icc_master_key
from kif.hsm.form import kcv_of
from kif.hsm.key import Algorithm, Cipher, Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm.objects import imported, nothing_left
from tests.hsm.software import aes_ecb, aes_kcv, cmac, tdes_ecb, tdes_kcv

AES_ALGORITHMS = [each for each in Algorithm if each.cipher is Cipher.AES]
PAN, PSN = "5413330000000019", "01"


def checked(key: Key) -> bytes:
    with released(key):
        return kcv_of(key).value


def pair(token: Token, algorithm: Algorithm, value: bytes) -> CmacPair:
    return CmacPair(
        imported(token, Usage.CARD_DERIVATION, algorithm, value),
        imported(token, Usage.PUBLIC_BLOCK, algorithm, value),
    )


@pytest.mark.parametrize("algorithm", AES_ALGORITHMS)
@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("label", [b"x", b"a label of more than one block, to be chained"])
def test_counter_mode_gives_what_cryptography_gives(
    token: Token, algorithm: Algorithm, size: int, label: bytes
) -> None:
    value, context = secrets.token_bytes(algorithm.size), secrets.token_bytes(20)
    kdf = KBKDFCMAC(
        AES, Mode.CounterMode, size, 1, 4, CounterLocation.BeforeFixed, label, context, None
    )
    messages = diversification.counter_kdf_messages(label, context, 8 * size)
    with nothing_left(token):
        master = pair(token, algorithm, value)
        with released(*master):
            wanted = Algorithm.of(Cipher.AES, size)
            key = key_of_messages(master, messages, wanted, Usage.PUBLIC_BLOCK)
            assert checked(key) == aes_kcv(kdf.derive(value))


@pytest.mark.parametrize("algorithm", AES_ALGORITHMS)
def test_option_c_and_its_session_key_give_what_software_gives(
    token: Token, algorithm: Algorithm
) -> None:
    value = secrets.token_bytes(algorithm.size)
    y = bytes.fromhex((PAN + PSN).zfill(32))
    complement = bytes(0xFF - byte for byte in y)
    icc = aes_ecb(value, y + complement)[: algorithm.size]
    diversifier = emv.of_atc(b"\x00\x1c", emv.AES_BLOCK)
    data = diversifier
    if algorithm is not Algorithm.AES_128:
        data = b"".join(diversifier[:2] + half + diversifier[3:] for half in (b"\xf0", b"\x0f"))
    session = aes_ecb(icc, data)[: algorithm.size]
    with nothing_left(token):
        master = imported(token, Usage.CARD_DERIVATION, algorithm, value)
        with released(master):
            assert checked(icc_master_key(master, PAN, PSN, Usage.PUBLIC_BLOCK)) == aes_kcv(icc)
            card = icc_master_key(master, PAN, PSN, Usage.CARD_DERIVATION)
            with released(card):
                key = common_session_key(card, diversifier, Usage.PUBLIC_BLOCK)
                assert checked(key) == aes_kcv(session)


@pytest.mark.parametrize("pan", ["1234567890123456", "12345678901234567", "1234567890123456789"])
def test_option_b_gives_what_pyemv_gives(token: Token, pan: str) -> None:
    value = secrets.token_bytes(16)
    master = imported(token, Usage.CARD_DERIVATION, Algorithm.TDES_2, value)
    with released(master):
        key = icc_master_key(master, pan, PSN, Usage.PUBLIC_BLOCK)
        assert checked(key) == tdes_kcv(kd.derive_icc_mk_b(value, pan, PSN))


@pytest.mark.parametrize("size", [1, 14, 15, 16, 30, 31])
def test_an10922_of_aes_256_is_two_cmacs(token: Token, size: int) -> None:
    value, data = secrets.token_bytes(32), secrets.token_bytes(size)
    master = pair(token, Algorithm.AES_256, value)
    with nothing_left(token):
        key = diversified(token, master, data, Usage.PUBLIC_BLOCK)
        assert checked(key) == aes_kcv(b"".join(_padded_cmac(value, c, data) for c in b"\x21\x22"))
    for each in master:
        each.destroy()


def _padded_cmac(key: bytes, constant: int, data: bytes) -> bytes:
    """CMAC over two blocks, as AN10922 pads: by the definition, with a block cipher alone."""
    message = bytes((constant,)) + data
    if len(message) > 16:
        return cmac(key, message)
    zero = int.from_bytes(aes_ecb(key, bytes(16)), "big")
    for _ in range(2):
        zero = (zero << 1) ^ ((1 << 128 | 0x87) if zero >> 127 else 0)
    padded = (message + b"\x80").ljust(32, b"\x00")
    chain = int.from_bytes(aes_ecb(key, padded[:16]), "big")
    last = chain ^ int.from_bytes(padded[16:], "big") ^ zero
    return aes_ecb(key, last.to_bytes(16, "big"))


def test_an10922_of_3tdea_has_three_constants(token: Token) -> None:
    value, data = secrets.token_bytes(24), secrets.token_bytes(15)
    zero = int.from_bytes(tdes_ecb(value, bytes(8)), "big")
    k1 = (zero << 1) ^ ((1 << 64 | 0x1B) if zero >> 63 else 0)
    parts = b""
    for constant in b"\x31\x32\x33":
        message = bytes((constant,)) + data  # two whole blocks
        chain = int.from_bytes(tdes_ecb(value, message[:8]), "big")
        parts += tdes_ecb(
            value, (chain ^ int.from_bytes(message[8:], "big") ^ k1).to_bytes(8, "big")
        )
    master = pair(token, Algorithm.TDES_3, value)
    with released(*master), nothing_left(token):
        assert checked(diversified(token, master, data, Usage.PUBLIC_BLOCK)) == tdes_kcv(parts)


@pytest.mark.control("KIF-HSM-04")
def test_an10922_of_aes_192_is_refused_unless_it_is_permitted_by_name(token: Token) -> None:
    master = pair(token, Algorithm.AES_192, secrets.token_bytes(24))
    with released(*master), nothing_left(token):
        with permitting("something else"), pytest.raises(Refused) as caught:
            diversified(token, master, b"data", Usage.PUBLIC_BLOCK)
        assert caught.value.control is Control.KEY_BOUNDARY
    assert not crossings()
