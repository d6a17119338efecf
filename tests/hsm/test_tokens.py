"""A second token that has nothing in common with SoftHSM gives the same values."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from pkcs11 import Attribute, Mechanism
from pkcs11.exceptions import AttributeSensitive, PKCS11Error
from psec import tr31 as psec

from kif.formats.control import Control
from kif.formats.emv import option_a
from kif.formats.error import DeviceFailed, KifError
from kif.formats.scp03 import InitializeUpdateResponse
from kif.formats.secret import Secret
from kif.formats.tr31 import Header, Version
from kif.formats.weak import odd_parity
from kif.hsm.boundary import crossings, permitting
from kif.hsm.clear import clear_value
from kif.hsm.cmac import CmacMaster
from kif.hsm.component import Combination
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.deliver import icc_check_values, wrapped_icc_keys
from kif.hsm.emv import application_cryptogram, icc_master_key
from kif.hsm.form import kcv_of
from kif.hsm.kat.run import Verdict, run
from kif.hsm.kat.throwaway import throwaway_token
from kif.hsm.kat.vector import Vector, read
from kif.hsm.key import Algorithm, Cipher, Key, released
from kif.hsm.keyblock import left_of_block, open_block, wrap_block
from kif.hsm.promises import tried
from kif.hsm.provision import provision
from kif.hsm.quorum import combine, create, load_share
from kif.hsm.scp03 import Channel, static_keys
from kif.hsm.softokn import softokn_library
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage
from kif.hsm.wrap import unwrap_rfc3394, wrap_kwp, wrap_rfc3394
from tests.hsm import derivation_run as run_inside
from tests.hsm.objects import imported, imported_aes, nothing_left
from tests.hsm.test_inside import spoken
from tests.vectors import KNOWN_ANSWERS

SECRET = [
    usage
    for usage, rule in RULES.items()
    if not rule.private and not rule.token and not rule.trusted
]


@pytest.fixture(scope="module")
def softokn() -> Iterator[Token]:
    """A throw-away token of NSS softokn."""
    with throwaway_token(softokn_library()) as opened:
        yield opened


@pytest.mark.parametrize("vector", read(KNOWN_ANSWERS), ids=lambda vector: str(vector.id))
def test_a_published_vector_passes_on_softokn(softokn: Token, vector: Vector) -> None:
    with nothing_left(softokn):
        (result,) = run(softokn, [vector])
    assert (result.verdict, result.detail) == (Verdict.PASSED, "")


@pytest.mark.parametrize("algorithm", Algorithm)
def test_equal_components_give_equal_keys_on_both_tokens(
    softokn: Token, token: Token, algorithm: Algorithm
) -> None:
    components = [secrets.token_bytes(algorithm.size) for _ in range(3)]
    found = []
    for each in (softokn, token):
        with closing(Combination(each, algorithm)) as combination:
            for component in components:
                combination.enter(Secret(component))
            key = combination.session_key(Usage.PUBLIC_BLOCK)
            with released(key):
                found.append(kcv_of(key))
    assert found[0] == found[1]


def card(token: Token) -> list[bytes]:
    """Return everything that goes to a card, and its cryptogram, from TEST components."""
    with ExitStack() as stack:

        def combined(name: str, algorithm: Algorithm, usage: Usage) -> Key:
            with closing(Combination(token, algorithm)) as combination:
                for component in run_inside.COMPONENTS[name]:
                    combination.enter(Secret(bytes.fromhex(component)))
                key = combination.session_key(usage)
            stack.enter_context(released(key))
            return key

        issuer = combined("issuer", Algorithm.TDES_2, Usage.CARD_DERIVATION)
        public = combined("manager", Algorithm.AES_128, Usage.PUBLIC_BLOCK)
        manager = CmacMaster(
            combined("manager", Algorithm.AES_128, Usage.CARD_DERIVATION),
            encrypt_blocks(public, bytes(16)),
        )
        cryptogram, _ = spoken()
        answer = InitializeUpdateResponse(
            run_inside.CARD, 1, 0x70, run_inside.OF_CARD, bytes.fromhex(cryptogram), None
        )
        channel = Channel.open(static_keys(manager, run_inside.CARD), run_inside.HOST, answer)
        data = option_a(run_inside.PAN, run_inside.PSN)
        sent = [channel.external_authenticate(0x33)]
        sent += [channel.protect(command) for command in run_inside.COMMANDS]
        sent += [wrapped_icc_keys(channel.dek, [issuer], data), icc_check_values([issuer], data)]
        channel.close()
        icc = icc_master_key(issuer, run_inside.PAN, run_inside.PSN, Usage.CARD_DERIVATION)
        stack.enter_context(released(icc))
        return [*sent, application_cryptogram(icc, run_inside.ATC, run_inside.DATA)]


def test_equal_components_give_equal_cards_on_both_tokens(softokn: Token, token: Token) -> None:
    with nothing_left(softokn), nothing_left(token):
        one, other = card(softokn), card(token)
    assert one == other
    assert len(one) == 7


@pytest.mark.control("KIF-HSM-03")
def test_softokn_forms_no_master_that_stays(softokn: Token) -> None:
    """It keeps no data object, and a master could be wrapped under any key (WRAP_WITH_TRUSTED)."""
    with nothing_left(softokn), closing(Combination(softokn, Algorithm.TDES_2)) as combination:
        for component in run_inside.COMPONENTS["issuer"]:
            combination.enter(Secret(bytes.fromhex(component)))
        with pytest.raises(DeviceFailed, match="refused while keeping a master L"):
            combination.form("a master")


def test_a_key_travels_from_one_token_to_the_other(softokn: Token, token: Token) -> None:
    kek = secrets.token_bytes(32)
    out = imported_aes(softokn, Usage.TRANSPORT_OUT, kek)
    back = imported_aes(token, Usage.TRANSPORT_IN, kek)
    key = imported_aes(softokn, Usage.CARD_DELIVERY, bytes(range(32)))
    same = imported_aes(token, Usage.PUBLIC_BLOCK, bytes(range(32)))
    with released(out, back, key, same):
        there = unwrap_rfc3394(back, Usage.PUBLIC_BLOCK, Algorithm.AES_256, wrap_rfc3394(out, key))
        with released(there):
            assert kcv_of(there) == kcv_of(same)


@pytest.mark.control("KIF-HSM-11")
def test_a_quorum_of_one_token_comes_back_on_the_other(softokn: Token, token: Token) -> None:
    values = [secrets.token_bytes(32) for _ in range(3)]
    shares = [load_share(token, Secret(each)) for each in values]
    with released(*shares):
        quorum = create(token, "test quorum", shares, 2)
    shares = [load_share(softokn, Secret(each)) for each in values[1:]]
    with released(*shares):
        key = combine(quorum, dict(enumerate(shares, start=2)), Usage.PUBLIC_BLOCK)
        with released(key):
            assert kcv_of(key) == quorum.kcv


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("usage", SECRET)
def test_softokn_refuses_what_a_usage_does_not_grant(softokn: Token, usage: Usage) -> None:
    key = imported_aes(softokn, usage, bytes(range(32)))
    other = imported_aes(softokn, Usage.CARD_DELIVERY, bytes(range(32)))
    calls: dict[Attribute, Callable[[], object]] = {
        Attribute.ENCRYPT: lambda: key.calls.encrypt(key.handle, int(Mechanism.AES_ECB), bytes(16)),
        Attribute.DECRYPT: lambda: key.calls.decrypt(key.handle, int(Mechanism.AES_ECB), bytes(16)),
        Attribute.SIGN: lambda: key.calls.sign(key.handle, int(Mechanism.AES_CMAC), bytes(16)),
        Attribute.WRAP: lambda: wrap_kwp(key, other),
    }
    with released(key, other):
        for right, call in calls.items():
            if right in RULES[usage].rights:
                call()
            else:
                with pytest.raises((PKCS11Error, DeviceFailed)):
                    call()
        with pytest.raises(AttributeSensitive):
            _ = key.native[Attribute.VALUE]


@pytest.mark.control("KIF-HSM-03")
def test_softokn_wraps_no_key_that_may_not_leave(softokn: Token) -> None:
    kek = imported_aes(softokn, Usage.TRANSPORT_OUT, bytes(32))
    for usage in SECRET:
        key = imported_aes(softokn, usage, bytes(range(32)))
        with released(key):
            if RULES[usage].extractable:
                wrap_kwp(kek, key)
            else:
                with pytest.raises(DeviceFailed, match="may not leave the token"):
                    wrap_kwp(kek, key)
    kek.destroy()


@pytest.mark.control("KIF-HSM-01")
def test_a_token_that_is_in_use_is_never_made_anew(softokn: Token) -> None:
    with pytest.raises(DeviceFailed) as caught:
        provision(softokn_library(), "kif", Secret(b"TEST-SO"), Secret(b"TEST-USER"))
    assert caught.value.control is Control.TOKEN_PRESENT


PROTECTIONS = {"D": Algorithm.AES_256, "B": Algorithm.TDES_3}
BLOCKS = [
    (version, algorithm)
    for version, protecting in PROTECTIONS.items()
    for algorithm in Algorithm
    if algorithm.strength <= protecting.strength
]


@contextmanager
def protection(token: Token, version: str) -> Iterator[tuple[CmacMaster, bytes]]:
    """A key block protection key that may only DERIVE, and its value."""
    algorithm = PROTECTIONS[version]
    value = secrets.token_bytes(algorithm.size)
    deriving = imported(token, Usage.CARD_DERIVATION, algorithm, value)
    public = imported(token, Usage.PUBLIC_BLOCK, algorithm, value)
    with released(deriving, public):
        zero = encrypt_blocks(public, bytes(algorithm.cipher.block))
        yield CmacMaster(deriving, zero), value


def letter(algorithm: Algorithm) -> str:
    return "A" if algorithm.cipher is Cipher.AES else "T"


@pytest.mark.control("KIF-HSM-04", "KIF-HSM-09")
@pytest.mark.parametrize(("version", "algorithm"), BLOCKS)
def test_softokn_wraps_a_key_block_inside_that_psec_opens(
    softokn: Token, version: str, algorithm: Algorithm
) -> None:
    value = secrets.token_bytes(algorithm.size)
    key = imported(softokn, Usage.KEY_BLOCK_PAYLOAD, algorithm, value)
    with released(key), nothing_left(softokn), protection(softokn, version) as (master, kbpk):
        header = Header(Version[version], "E0", letter(algorithm), "X")
        block = wrap_block(softokn, master, key, header)  # nothing is permitted, nothing crosses
    assert not crossings()
    # softokn gives a DES key odd parity when it comes in.
    right = odd_parity(value) if algorithm.cipher is Cipher.TDEA else value
    assert psec.unwrap(kbpk, block)[1] == right


@pytest.mark.control("KIF-HSM-04", "KIF-HSM-09")
@pytest.mark.parametrize(("version", "algorithm"), BLOCKS)
@pytest.mark.parametrize("hidden", [True, False])
def test_softokn_opens_a_key_block_of_psec_inside(
    softokn: Token, version: str, algorithm: Algorithm, hidden: bool
) -> None:
    value = secrets.token_bytes(algorithm.size)
    header = psec.Header(version, "E0", letter(algorithm), "X", "00", "N")
    longest = 32 if algorithm.cipher is Cipher.AES else 24
    expected = imported(softokn, Usage.PUBLIC_BLOCK, algorithm, value)
    with released(expected), nothing_left(softokn), protection(softokn, version) as (master, kbpk):
        block = psec.wrap(kbpk, header, value, longest if hidden else algorithm.size)
        opened = open_block(softokn, master, block, Usage.PUBLIC_BLOCK)
        with released(opened.key):
            assert kcv_of(opened.key) == kcv_of(expected)
            assert opened.key.algorithm is algorithm
    alike = algorithm.size == longest or (version == "D" and algorithm.cipher is Cipher.TDEA)
    assert opened.obfuscated == (hidden or alike)
    assert not crossings()


@pytest.mark.control("KIF-HSM-04", "KIF-HSM-09")
@pytest.mark.parametrize("version", PROTECTIONS)
def test_softokn_takes_the_left_half_of_a_key_inside(softokn: Token, version: str) -> None:
    value = odd_parity(secrets.token_bytes(16))
    header = psec.Header(version, "C0", "T", "C", "00", "N")
    with nothing_left(softokn), protection(softokn, version) as (master, kbpk):
        left = left_of_block(softokn, master, psec.wrap(kbpk, header, value))
        assert not crossings()
        with released(left), permitting("test"):
            assert clear_value(softokn, left, "test").reveal() == value[:8] * 2
    crossings()


@pytest.mark.control("KIF-HSM-09")
@pytest.mark.parametrize("version", PROTECTIONS)
def test_softokn_opens_no_key_block_with_a_sign_changed(softokn: Token, version: str) -> None:
    with protection(softokn, version) as (master, kbpk):
        block = psec.wrap(kbpk, psec.Header(version, "E0", "T", "X", "00", "N"), bytes(range(16)))
        for at in range(5, len(block), 9):
            other = "1" if block[at] != "1" else "0"
            changed = block[:at] + other + block[at + 1 :]
            with nothing_left(softokn), pytest.raises(KifError) as caught:
                open_block(softokn, master, changed, Usage.PUBLIC_BLOCK)
            assert caught.value.control is Control.KEY_BLOCK


BROKEN = {
    "a key that is not EXTRACTABLE is not wrapped",
    "a key without DERIVE is not used for it",
    "no key is wrapped by ECB, block by block",
    "a user makes no TRUSTED key",
    "it has the attribute WRAP_WITH_TRUSTED",
}


@pytest.mark.control("KIF-HSM-03")
def test_softhsm_keeps_every_promise_and_softokn_breaks_those_that_are_known(
    softokn: Token, token: Token
) -> None:
    """What softokn breaks stands in docs/tokens.md; kif itself refuses to wrap such a key."""
    with nothing_left(softokn):
        assert {each.what for each in tried(token) if not each.kept} == set()
        assert {each.what for each in tried(softokn) if not each.kept} == BROKEN


def test_the_page_of_tokens_is_up_to_date() -> None:
    script = Path(__file__).parents[2] / "scripts" / "tokens"
    done = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
