"""The usage table: its own rules, and the token that enforces them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import AttributeReadOnly, AttributeSensitive, PKCS11Error

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.form import generate_master
from kif.hsm.issuersigner import generate_issuer_pair
from kif.hsm.key import Algorithm, Key, confirm, find, generate, recognise
from kif.hsm.keypair import generate_log_signer, generate_recipient, generate_site_ca
from kif.hsm.officer import open_with_officer
from kif.hsm.token import Token, TokenPlace
from kif.hsm.usage import RULES, Rule, Usage
from tests.hsm import hostile
from tests.hsm.conftest import TEST_PIN, TEST_SO_PIN
from tests.hsm.objects import nothing_left

ENCRYPTING = (Usage.CARD_VERIFICATION, Usage.PIN_VERIFICATION, Usage.PIN_ZONE)
ENCRYPTS = {Attribute.ENCRYPT, Attribute.WRAP}
COMBINERS = (Usage.COMPONENT_COMBINER, Usage.OFFICER_COMBINER)
PRIVATE: dict[Usage, Callable[[Token, str], object]] = {
    Usage.ENVELOPE_RECIPIENT: generate_recipient,
    Usage.SHARE_RECIPIENT: lambda token, label: generate_recipient(
        token, label, Usage.SHARE_RECIPIENT
    ),
    Usage.SITE_CA: generate_site_ca,
    Usage.ISSUER_SIGNER: lambda token, label: generate_issuer_pair(token, label, 1024),
    Usage.LOG_SIGNER: lambda token, label: generate_log_signer(token, label, "test log"),
}
SECRET = [usage for usage in Usage if usage not in PRIVATE]
WEAKER = {
    Attribute.SENSITIVE: False,
    Attribute.EXTRACTABLE: True,
    Attribute.WRAP_WITH_TRUSTED: False,
    Attribute.MODIFIABLE: True,
    Attribute.COPYABLE: True,
    Attribute.ENCRYPT: True,
    Attribute.DECRYPT: True,
    Attribute.SIGN: True,
    Attribute.WRAP: True,
    Attribute.UNWRAP: True,
}


@pytest.fixture(scope="module")
def token(place: TokenPlace) -> Iterator[Token]:
    """The open token, with the key that the security officer makes."""
    with open_with_officer(place, TEST_PIN, TEST_SO_PIN) as opened:
        yield opened


@pytest.fixture(scope="module")
def keys(token: Token) -> Iterator[dict[Usage, Any]]:
    """One native object of every usage, made as kif makes it."""
    made: dict[Usage, Any] = {}
    for usage in Usage:
        label = f"usage test {usage.value}"
        if usage is Usage.MASTER_DERIVATION:
            made[usage] = generate_master(token, label, Algorithm.AES_256).key.native
        elif usage is Usage.OFFICER_COMBINER and token.trusted is not None:
            made[usage] = token.trusted.native
        elif usage in PRIVATE:
            PRIVATE[usage](token, label)
            made[usage] = token.find(label, ObjectClass.PRIVATE_KEY)
        else:
            made[usage] = generate(token, usage, Algorithm.AES_256, label).native
    yield made
    for native in made.values():
        native.destroy()


@pytest.fixture
def target(token: Token) -> Iterator[Key]:
    """A key that may be wrapped out."""
    key = generate(token, Usage.CARD_DELIVERY, Algorithm.AES_128)
    yield key
    key.destroy()


@pytest.mark.control("KIF-HSM-03")
def test_every_usage_has_a_rule() -> None:
    assert set(RULES) == set(Usage)


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("usage", Usage)
def test_no_rule_joins_rights_that_must_stand_apart(usage: Usage) -> None:
    rights = RULES[usage].rights
    assert not {Attribute.WRAP, Attribute.DECRYPT} <= rights
    assert not {Attribute.UNWRAP, Attribute.ENCRYPT} <= rights or usage in COMBINERS
    assert Attribute.DERIVE not in rights or rights == {Attribute.DERIVE}


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("usage", COMBINERS)
def test_a_combiner_cannot_decrypt(usage: Usage) -> None:
    assert Attribute.DECRYPT not in RULES[usage].rights


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("usage", Usage)
def test_every_rule_keeps_its_key_sensitive_unmodifiable_and_uncopyable(usage: Usage) -> None:
    attributes = RULES[usage].attributes()
    assert attributes[Attribute.SENSITIVE] is True
    assert attributes[Attribute.PRIVATE] is (usage is not Usage.OFFICER_COMBINER)
    assert attributes[Attribute.MODIFIABLE] is False
    assert attributes[Attribute.COPYABLE] is False


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("usage", Usage)
def test_a_key_that_stays_and_can_leave_leaves_only_under_a_trusted_key(usage: Usage) -> None:
    rule = RULES[usage]
    if rule.token and rule.extractable:
        # In a custodian's own token its PIN's holder may hand the share over to whom he will.
        assert rule.wrap_with_trusted or usage is Usage.CUSTODIAN_SHARE


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("usage", Usage)
def test_a_key_that_can_leave_does_nothing_but_derive(usage: Usage) -> None:
    """Or, if it leaves under a trusted key alone, encrypt: it never opens what it made."""
    rule = RULES[usage]
    if rule.extractable:
        assert rule.rights <= ({Attribute.DERIVE} if usage not in ENCRYPTING else ENCRYPTS)
    if usage in ENCRYPTING:
        assert rule.wrap_with_trusted


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("usage", Usage)
def test_the_token_has_the_attributes_of_the_usage(keys: dict[Usage, Any], usage: Usage) -> None:
    expected = RULES[usage].attributes()
    assert {name: keys[usage][name] for name in expected} == expected


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize("usage", SECRET)
def test_the_token_gives_no_secret_keys_value(keys: dict[Usage, Any], usage: Usage) -> None:
    with pytest.raises(AttributeSensitive):
        _ = keys[usage][Attribute.VALUE]


@pytest.mark.control("KIF-HSM-04")
@pytest.mark.parametrize(
    ("usage", "part"),
    [
        (Usage.ENVELOPE_RECIPIENT, Attribute.PRIVATE_EXPONENT),
        (Usage.ENVELOPE_RECIPIENT, Attribute.PRIME_1),
        (Usage.ENVELOPE_RECIPIENT, Attribute.EXPONENT_1),
        (Usage.SHARE_RECIPIENT, Attribute.PRIVATE_EXPONENT),
        (Usage.SHARE_RECIPIENT, Attribute.PRIME_1),
        (Usage.SITE_CA, Attribute.VALUE),
        (Usage.LOG_SIGNER, Attribute.VALUE),
    ],
)
def test_the_token_gives_no_private_keys_value(
    keys: dict[Usage, Any], usage: Usage, part: Attribute
) -> None:
    with pytest.raises(AttributeSensitive):
        _ = keys[usage][part]


# No mechanism unwraps under a curve's key, whatever its rights.
BEYOND = [
    pytest.param(usage, right, id=f"{usage.value}-{right.name}")
    for usage, rule in RULES.items()
    for right in hostile.RIGHTS
    if right in rule.attributes()
    and right not in rule.rights
    and not (right is Attribute.UNWRAP and usage in {Usage.SITE_CA, Usage.LOG_SIGNER})
]


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize(("usage", "right"), BEYOND)
def test_the_token_refuses_every_call_beyond_the_usage(
    keys: dict[Usage, Any], target: Key, usage: Usage, right: Attribute
) -> None:
    with pytest.raises(PKCS11Error, match=hostile.NOT_PERMITTED):
        hostile.calls(keys[usage], target)[right]()


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("attribute", WEAKER, ids=lambda each: each.name)
@pytest.mark.parametrize("usage", Usage)
def test_no_attribute_can_be_set_afterwards(
    keys: dict[Usage, Any], usage: Usage, attribute: Attribute
) -> None:
    with pytest.raises(PKCS11Error):
        keys[usage][attribute] = WEAKER[attribute]


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize("usage", Usage)
def test_no_copy_can_be_made_weaker_or_not(
    token: Token, keys: dict[Usage, Any], usage: Usage
) -> None:
    with nothing_left(token):
        with pytest.raises(PKCS11Error):
            keys[usage].copy({})
        for attribute, value in WEAKER.items():
            with pytest.raises(PKCS11Error):
                keys[usage].copy({attribute: value, Attribute.TOKEN: False})


@pytest.mark.control("KIF-HSM-04")
def test_a_master_is_not_wrapped_under_an_aes_key_of_our_own(
    token: Token, keys: dict[Usage, Any]
) -> None:
    rights = {Attribute.WRAP: True, Attribute.DECRYPT: True, Attribute.TOKEN: False}
    own: Any = token.session.generate_key(KeyType.AES, 256, template=rights)
    try:
        for mechanism in (Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD):
            with pytest.raises(PKCS11Error):
                own.wrap_key(keys[Usage.MASTER_DERIVATION], mechanism=mechanism)
    finally:
        own.destroy()


@pytest.mark.control("KIF-HSM-04")
def test_nobody_but_the_security_officer_makes_a_trusted_key(token: Token) -> None:
    rights = {Attribute.WRAP: True, Attribute.TRUSTED: True, Attribute.TOKEN: False}
    with pytest.raises(AttributeReadOnly):
        token.session.generate_key(KeyType.AES, 256, template=rights)


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize(
    "usage", [Usage.MASTER_DERIVATION, Usage.BATCH_DATA, Usage.CONTENT, Usage.CARD_TRANSPORT]
)
def test_the_combiner_cannot_wrap_a_key_to_bring_it_back_under_another_usage(
    keys: dict[Usage, Any], usage: Usage
) -> None:
    with pytest.raises(PKCS11Error):
        keys[Usage.COMPONENT_COMBINER].wrap_key(keys[usage], mechanism=Mechanism.AES_KEY_WRAP)


@pytest.mark.control("KIF-HSM-03")
def test_what_a_card_transport_key_wrapped_it_neither_decrypts_nor_unwraps(
    keys: dict[Usage, Any], target: Key
) -> None:
    transport = keys[Usage.CARD_TRANSPORT]
    wrapped = transport.wrap_key(target.native, mechanism=Mechanism.AES_KEY_WRAP)
    attack = hostile.unbound(transport)
    tries: list[Callable[[], object]] = [
        lambda: attack.decrypt(wrapped[8:], mechanism=Mechanism.AES_ECB),
        lambda: attack.unwrap_key(
            ObjectClass.SECRET_KEY, KeyType.AES, wrapped, mechanism=Mechanism.AES_KEY_WRAP
        ),
    ]
    for attempt in tries:
        with pytest.raises(PKCS11Error, match=hostile.NOT_PERMITTED):
            attempt()


@pytest.mark.control("KIF-HSM-03")
def test_a_key_that_reads_back_otherwise_is_destroyed(token: Token) -> None:
    with nothing_left(token):
        made = generate(token, Usage.CHANNEL_MAC, Algorithm.AES_128)
        with pytest.raises(DeviceFailed, match=r"SIGN, WRAP|WRAP, SIGN") as caught:
            confirm(made.native, RULES[Usage.CARD_TRANSPORT], "card-transport")
    assert caught.value.control is Control.KEY_USAGE
    assert "The key was destroyed." in caught.value.sentence


@pytest.mark.control("KIF-HSM-03")
def test_a_key_that_is_found_with_another_usage_is_refused_and_left_alone(
    keys: dict[Usage, Any],
) -> None:
    signer = keys[Usage.LOG_SIGNER]
    with pytest.raises(DeviceFailed, match="differs in SIGN, UNWRAP"):
        recognise(signer, RULES[Usage.ENVELOPE_RECIPIENT], "log")
    assert signer[Attribute.SIGN] is True


@pytest.mark.control("KIF-HSM-03")
@pytest.mark.parametrize(
    ("usage", "algorithm", "difference"),
    [
        (Usage.CHANNEL_MAC, Algorithm.AES_256, "DERIVE"),
        (Usage.RETENTION, Algorithm.TDES_2, "KEY_TYPE"),
        (Usage.RETENTION, Algorithm.AES_128, "VALUE_LEN"),
    ],
)
@pytest.mark.usefixtures("keys")
def test_a_key_is_found_only_under_its_usage_and_algorithm(
    token: Token, usage: Usage, algorithm: Algorithm, difference: str
) -> None:
    label = f"usage test {Usage.RETENTION.value}"
    assert find(token, Usage.RETENTION, Algorithm.AES_256, label).usage is Usage.RETENTION
    with pytest.raises(DeviceFailed, match=difference) as caught:
        find(token, usage, algorithm, label)
    assert caught.value.control is Control.KEY_USAGE


def test_a_rule_for_a_private_key_names_only_what_a_private_key_has() -> None:
    private = Rule(frozenset({Attribute.SIGN}), private=True).attributes()
    assert Attribute.WRAP not in private
    assert Attribute.ENCRYPT not in private
