"""Session keys by the hot calls: the same values and the same refusals as by python-pkcs11."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import AttributeReadOnly, AttributeSensitive, PKCS11Error

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.calls import attach
from kif.hsm.derive import derive, derive_2tdea
from kif.hsm.key import Algorithm, Key, confirm, released
from kif.hsm.native import NativeKey
from kif.hsm.sessionkey import SessionKey
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Rule, Usage
from tests.hsm.objects import imported_aes, nothing_left
from tests.hsm.software import aes_cbc, aes_ecb, cmac

MASTER, BLOCK = bytes(range(16)), b"\x5a" * 16
VALUE = aes_ecb(MASTER, BLOCK)


@pytest.fixture
def master(token: Token) -> Iterator[Key]:
    """A master whose value is known."""
    made = imported_aes(token, Usage.MASTER_DERIVATION, MASTER)
    yield made
    made.destroy()


def derived(master: Key, usage: Usage) -> SessionKey:
    native = derive(master, BLOCK, Algorithm.AES_128, usage).native
    assert isinstance(native, SessionKey)
    return native


def test_each_call_gives_what_software_gives(token: Token, master: Key) -> None:
    data, vector = secrets.token_bytes(64), secrets.token_bytes(16)
    with nothing_left(token):
        key = derived(master, Usage.CHANNEL_ENCRYPTION)
        assert key.encrypt(data, mechanism=Mechanism.AES_ECB) == aes_ecb(VALUE, data)
        sealed = key.encrypt(data, mechanism=Mechanism.AES_CBC, mechanism_param=vector)
        assert sealed == aes_cbc(VALUE, vector, data)
        opened = key.decrypt(sealed, mechanism=Mechanism.AES_CBC, mechanism_param=vector)
        assert opened == data
        key.destroy()
        mac = derived(master, Usage.CHANNEL_MAC)
        assert mac.sign(data[:37], mechanism=Mechanism.AES_CMAC) == cmac(VALUE, data[:37])
        mac.destroy()


@pytest.mark.parametrize("aad", [b"", b"batch/1/record"])
@pytest.mark.parametrize("size", [0, 1, 5000])
def test_gcm_opens_only_with_its_nonce_and_its_context(master: Key, size: int, aad: bytes) -> None:
    key, clear = derived(master, Usage.BATCH_DATA), secrets.token_bytes(size)
    right = GCMParams(bytes(12), aad, 128)
    sealed = key.encrypt(clear, mechanism=Mechanism.AES_GCM, mechanism_param=right)
    assert len(sealed) == size + 16
    assert key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=right) == clear
    for wrong in (GCMParams(b"\x01" + bytes(11), aad, 128), GCMParams(bytes(12), b"other", 128)):
        with pytest.raises(PKCS11Error):
            key.decrypt(sealed, mechanism=Mechanism.AES_GCM, mechanism_param=wrong)
    key.destroy()


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize(
    "usage", [Usage.CARD_DERIVATION, Usage.CHANNEL_MAC, Usage.CARD_TRANSPORT, Usage.CARD_DELIVERY]
)
def test_the_token_refuses_what_a_usage_does_not_grant(master: Key, usage: Usage) -> None:
    key, other = derived(master, usage), derived(master, Usage.CARD_DELIVERY)
    calls: dict[Attribute, Callable[[], object]] = {
        Attribute.ENCRYPT: lambda: key.encrypt(BLOCK, mechanism=Mechanism.AES_ECB),
        Attribute.DECRYPT: lambda: key.decrypt(BLOCK, mechanism=Mechanism.AES_ECB),
        Attribute.SIGN: lambda: key.sign(BLOCK, mechanism=Mechanism.AES_CMAC),
        Attribute.WRAP: lambda: key.wrap_key(
            other, mechanism=Mechanism.AES_CBC, mechanism_param=bytes(16)
        ),
        Attribute.UNWRAP: lambda: key.unwrap_key(
            ObjectClass.SECRET_KEY, KeyType.AES, BLOCK, mechanism=Mechanism.AES_CBC, template={}
        ),
    }
    for right, call in calls.items():
        if right in RULES[usage].rights:
            call()
        else:
            with pytest.raises(PKCS11Error, match="0x"):
                call()
    key.destroy()
    other.destroy()


@pytest.mark.control("KIF-HSM-03", "KIF-HSM-04")
def test_a_session_keys_attributes_are_read_and_not_changed_and_its_value_is_not_shown(
    master: Key,
) -> None:
    key = derived(master, Usage.CARD_DELIVERY)
    wanted = RULES[Usage.CARD_DELIVERY].attributes()
    found = key.get_attributes([*wanted, Attribute.VALUE])
    assert {name: found.get(name) for name in wanted} == wanted
    assert Attribute.VALUE not in found
    assert (key[Attribute.SENSITIVE], key.key_type) == (True, KeyType.AES)
    with pytest.raises(AttributeSensitive):
        _ = key[Attribute.VALUE]
    with pytest.raises(AttributeReadOnly):
        key[Attribute.SIGN] = True
    key.destroy()


@pytest.mark.control("KIF-HSM-07")
def test_a_key_that_is_gone_is_a_sentence(master: Key) -> None:
    key = derive(master, BLOCK, Algorithm.AES_128, Usage.CARD_DERIVATION)
    key.destroy()
    for attempt in (
        key.destroy,
        lambda: derive(key, BLOCK, Algorithm.AES_128, Usage.PUBLIC_BLOCK),
    ):
        with pytest.raises(DeviceFailed, match="The HSM refused while") as refused:
            attempt()
        assert refused.value.control is Control.TOKEN_CALL


def test_a_key_of_a_key_is_derived_from_it(token: Token, master: Key) -> None:
    with nothing_left(token):
        parent = derive(master, BLOCK, Algorithm.AES_128, Usage.CARD_DERIVATION)
        child = derive(parent, BLOCK, Algorithm.AES_128, Usage.PUBLIC_BLOCK)
        with released(parent, child):
            shown = child.native.encrypt(BLOCK, mechanism=Mechanism.AES_ECB)
            assert shown == aes_ecb(aes_ecb(VALUE, BLOCK), BLOCK)
        with pytest.raises(DeviceFailed):
            derive_2tdea(master, BLOCK, Usage.PUBLIC_BLOCK)  # an AES master has no 3DES


@pytest.fixture
def readings(token: Token, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Begin anew with a session, and note the usage of each key that is read back."""
    read: list[str] = []

    def confirmed(native: NativeKey, rule: Rule, what: str) -> None:
        read.append(what)
        confirm(native, rule, what)

    monkeypatch.setattr("kif.hsm.derive.confirm", confirmed)
    attach(token.session, token.place.library)
    return read


@pytest.mark.control("KIF-HSM-03")
def test_the_first_key_of_a_template_is_read_back_and_then_one_in_256(
    token: Token, readings: list[str]
) -> None:
    for _ in range(2):
        master = imported_aes(token, Usage.CARD_DERIVATION, MASTER)
        for _ in range(300):
            derive(master, BLOCK, Algorithm.AES_128, Usage.CHANNEL_MAC).destroy()
        derive(master, BLOCK, Algorithm.AES_128, Usage.PUBLIC_BLOCK).destroy()
        derive(master, BLOCK * 2, Algorithm.AES_256, Usage.CHANNEL_MAC).destroy()
        master.destroy()
        attach(token.session, token.place.library)  # as a session does that is opened again
    assert readings == ["channel-mac", "channel-mac", "public-block", "channel-mac"] * 2


@pytest.mark.control("KIF-HSM-03")
def test_a_derivation_that_fails_is_not_the_first_of_its_template(
    token: Token, readings: list[str]
) -> None:
    master = imported_aes(token, Usage.CARD_DERIVATION, MASTER)
    with pytest.raises(DeviceFailed):
        derive(master, bytes(15), Algorithm.AES_128, Usage.KEYED_DIGEST)
    derive(master, BLOCK, Algorithm.AES_128, Usage.KEYED_DIGEST).destroy()
    master.destroy()
    assert readings == ["keyed-digest"]
