"""Key blocks against psec, both ways, and what is no key block of ours."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from psec import tr31 as psec

from kif.formats import tr31
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, KifError, Refused
from kif.formats.secret import Secret
from kif.formats.tr31 import Header, Version
from kif.hsm.boundary import crossings, permitting
from kif.hsm.cmac import CmacMaster
from kif.hsm.component import Combination
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.form import kcv_of
from kif.hsm.key import Algorithm, Cipher, released
from kif.hsm.keyblock import ON_HOST, open_block, wrap_block
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.variantblock import open_variant_block
from tests.hsm.objects import imported, nothing_left
from tests.hsm.software import aes_kcv, tdes_kcv

SIZES = {"D": (16, 24, 32), "B": (16, 24)}
KEYS = {
    Algorithm.TDES_2: "T",
    Algorithm.TDES_3: "T",
    Algorithm.AES_128: "A",
    Algorithm.AES_256: "A",
}


def cipher_of(version: str) -> Cipher:
    return Cipher.TDEA if version == "B" else Cipher.AES


WAYS = [
    (version, size, algorithm)
    for version, sizes in SIZES.items()
    for size in sizes
    for algorithm in KEYS
    if algorithm.strength <= Algorithm.of(cipher_of(version), size).strength
]


@contextmanager
def master(token: Token, value: bytes, cipher: Cipher) -> Iterator[CmacMaster]:
    """A protection key that may only DERIVE, with its L."""
    algorithm = Algorithm.of(cipher, len(value))
    deriving = imported(token, Usage.CARD_DERIVATION, algorithm, value)
    public = imported(token, Usage.PUBLIC_BLOCK, algorithm, value)
    with released(deriving, public):
        yield CmacMaster(deriving, encrypt_blocks(public, bytes(cipher.block)))


def kcv(algorithm: Algorithm, value: bytes) -> bytes:
    return tdes_kcv(value) if algorithm.cipher is Cipher.TDEA else aes_kcv(value)


def header(version: str, algorithm: str = "A", **more: object) -> Header:
    return Header(Version[version], "E0", algorithm, "X", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("version", "size", "algorithm"), WAYS)
def test_psec_opens_what_is_wrapped_here(
    token: Token, version: str, size: int, algorithm: Algorithm
) -> None:
    protection, value = secrets.token_bytes(size), secrets.token_bytes(algorithm.size)
    key = imported(token, Usage.CARD_DELIVERY, algorithm, value)
    with nothing_left(token), master(token, protection, cipher_of(version)) as kbpk:
        with permitting(ON_HOST):
            block = wrap_block(token, kbpk, key, header(version, KEYS[algorithm]))
        assert crossings() == {ON_HOST}
    key.destroy()
    found, opened = psec.unwrap(protection, block)
    assert opened == value
    assert (found.version_id, found.key_usage, found.mode_of_use) == (version, "E0", "X")
    assert found.exportability == "N"


@pytest.mark.parametrize(("version", "size", "algorithm"), WAYS)
def test_a_block_of_psec_opens_here(
    token: Token, version: str, size: int, algorithm: Algorithm
) -> None:
    protection, value = secrets.token_bytes(size), secrets.token_bytes(algorithm.size)
    for masked, hidden in ((32 if KEYS[algorithm] == "A" else 24, True), (algorithm.size, False)):
        block = psec.wrap(
            protection, psec.Header(version, "E0", KEYS[algorithm], "X", "00", "E"), value, masked
        )
        with (
            nothing_left(token),
            master(token, protection, cipher_of(version)) as kbpk,
            permitting(ON_HOST),
        ):
            opened = open_block(token, kbpk, block, Usage.PUBLIC_BLOCK)
            with released(opened.key):
                assert kcv_of(opened.key).value == kcv(algorithm, value)
                assert opened.key.algorithm is algorithm
        # 2TDEA and 3TDEA fill the same blocks of version D anyway.
        alike = version == "D" and KEYS[algorithm] == "T"
        alike = alike or algorithm in (Algorithm.AES_256, Algorithm.TDES_3)
        assert opened.obfuscated == (hidden or alike)
        assert opened.header.exportability == "E"
    crossings()


@pytest.mark.parametrize("algorithm", [Algorithm.AES_128, Algorithm.AES_192, Algorithm.AES_256])
def test_blocks_of_keys_of_one_cipher_are_equally_long(token: Token, algorithm: Algorithm) -> None:
    key = imported(token, Usage.CARD_DELIVERY, algorithm, secrets.token_bytes(algorithm.size))
    with master(token, secrets.token_bytes(32), Cipher.AES) as kbpk, permitting(ON_HOST):
        assert len(wrap_block(token, kbpk, key, header("D"))) == 16 + 2 * (48 + 16)
    key.destroy()
    crossings()


def test_optional_blocks_are_kept_and_are_under_the_mac(token: Token) -> None:
    protection = secrets.token_bytes(32)
    given = psec.Header("D", "E0", "A", "X", "01", "N")
    given.blocks["KS"] = "00604B120F9292800000"
    block = psec.wrap(protection, given, bytes(16))
    with master(token, protection, Cipher.AES) as kbpk, permitting(ON_HOST):
        opened = open_block(token, kbpk, block, Usage.PUBLIC_BLOCK)
        opened.key.destroy()
        assert opened.header.optional[0] == ("KS", "00604B120F9292800000")
        with pytest.raises(CheckFailed):
            open_block(token, kbpk, block.replace("0060", "0061", 1), Usage.PUBLIC_BLOCK)
    crossings()


@pytest.mark.control("KIF-HSM-04")
def test_without_a_permit_nothing_is_wrapped_or_taken(token: Token) -> None:
    protection = secrets.token_bytes(32)
    block = psec.wrap(protection, psec.Header("D", "E0", "A", "X", "00", "N"), bytes(16))
    key = imported(token, Usage.CARD_DELIVERY, Algorithm.AES_128, bytes(16))
    with nothing_left(token), master(token, protection, Cipher.AES) as kbpk:
        with pytest.raises(Refused, match="tr31-on-host") as caught:
            wrap_block(token, kbpk, key, header("D"))
        assert caught.value.control is Control.KEY_BOUNDARY
        with pytest.raises(Refused):
            open_block(token, kbpk, block, Usage.PUBLIC_BLOCK)
    key.destroy()
    assert not crossings()


@pytest.mark.control("KIF-HSM-09")
def test_a_block_with_any_sign_changed_gives_no_key(token: Token) -> None:
    protection = secrets.token_bytes(32)
    block = psec.wrap(protection, psec.Header("D", "E0", "A", "X", "00", "N"), bytes(16))
    with master(token, protection, Cipher.AES) as kbpk, permitting(ON_HOST):
        for at in range(0, len(block), 3):
            other = "1" if block[at] != "1" else "0"
            with nothing_left(token), pytest.raises(KifError) as caught:
                open_block(token, kbpk, block[:at] + other + block[at + 1 :], Usage.PUBLIC_BLOCK)
            assert caught.value.control is Control.KEY_BLOCK
    crossings()


@pytest.mark.control("KIF-HSM-09")
def test_a_block_of_another_protection_key_gives_no_key(token: Token) -> None:
    block = psec.wrap(bytes(32), psec.Header("D", "E0", "A", "X", "00", "N"), bytes(16))
    with master(token, b"\x01" * 32, Cipher.AES) as kbpk, permitting(ON_HOST):
        with pytest.raises(CheckFailed, match="of another protection key") as caught:
            open_block(token, kbpk, block, Usage.PUBLIC_BLOCK)
        assert caught.value.control is Control.KEY_BLOCK
    crossings()


@pytest.mark.control("KIF-HSM-09")
@pytest.mark.parametrize(
    ("block", "why"),
    [
        ("", "does not begin with a header"),
        ("D0112", "does not begin with a header"),
        ("F0016P0AE00E0000", "does not begin with a header"),
        ("D0112P0AE00E0000", "has 16 signs and its header says 112"),
        ("D0020P0AE00E0000ZZZZ", "not hexadecimal"),
        ("D0018P0AE00E000000", "not whole blocks"),
        ("D0016P0AE00E0100", "length of an optional block is not a number"),
        ("D0020P0AE00E0100KSFF", "longer than the key block"),
        ("D0020P0AE00E0100KSXX", "not a number"),
        ("D0020P0AE00E0100KS03", "longer than the key block"),
    ],
)
def test_what_is_no_key_block_says_why(block: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as caught:
        tr31.KeyBlock.parse(block)
    assert caught.value.control is Control.KEY_BLOCK


@pytest.mark.control("KIF-HSM-09")
@pytest.mark.parametrize(
    ("given", "algorithm", "why"),
    [
        (header("E"), Algorithm.AES_128, "Version E is read and not written"),
        (header("D", "T"), Algorithm.AES_128, "header says 'T' and the key is AES-128"),
        (header("D", "H"), Algorithm.AES_128, "algorithm 'H', not A"),
        (header("A"), Algorithm.AES_128, "version A is not in use"),
        (header("B", "T"), Algorithm.TDES_2, "version B is for a protection key of TDEA"),
        (header("D"), Algorithm.AES_256, "AES-256 does not go under a weaker one of AES-128"),
        (header("D", optional=(("KS", "00"),)), Algorithm.AES_128, "not padded to whole blocks"),
    ],
)
def test_a_block_that_is_not_strict_is_not_written(
    token: Token, given: Header, algorithm: Algorithm, why: str
) -> None:
    key = imported(token, Usage.CARD_DELIVERY, algorithm, secrets.token_bytes(algorithm.size))
    with master(token, bytes(16), Cipher.AES) as kbpk, permitting(ON_HOST):
        with nothing_left(token), pytest.raises(BadInput, match=why) as caught:
            wrap_block(token, kbpk, key, given)
        assert caught.value.control is Control.KEY_BLOCK
    key.destroy()
    assert not crossings()


def opened_variant(token: Token, protection: bytes, block: str) -> bytes:
    algorithm = Algorithm.of(Cipher.TDEA, len(protection))
    with closing(Combination(token, algorithm)) as combination:
        combination.enter(Secret(protection))
        key = open_variant_block(token, combination, algorithm.size, block, Usage.PUBLIC_BLOCK)
    with released(key):
        return kcv_of(key).value


@pytest.mark.parametrize("version", ["A", "C"])
@pytest.mark.parametrize("size", [16, 24])
def test_an_old_block_of_psec_opens_here(token: Token, version: str, size: int) -> None:
    protection, value = secrets.token_bytes(size), secrets.token_bytes(16)
    block = psec.wrap(protection, psec.Header(version, "E0", "T", "X", "00", "N"), value)
    with nothing_left(token), permitting(ON_HOST):
        assert opened_variant(token, protection, block) == tdes_kcv(value)
        with pytest.raises(CheckFailed):
            opened_variant(token, protection, block[:-1] + ("0" if block[-1] != "0" else "1"))
    with nothing_left(token), pytest.raises(Refused):
        opened_variant(token, protection, block)
    crossings()
