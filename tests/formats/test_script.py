"""The personalisation script of a card."""

from hypothesis import given
from hypothesis import strategies as st

from kif.formats.script import Artwork, Group, Made, Offline, Personalization, Pin, Recipe, Script

HEX = st.binary(max_size=40).map(lambda data: data.hex().upper())
KEYS = st.lists(
    st.sampled_from(["bank/emv-ac/1", "bank/emv-smi/1", "bank/emv-smc/20"]), min_size=1
).map(tuple)
GROUPS = st.one_of(
    st.builds(Group, st.just("0101"), HEX),
    st.builds(Group, st.just("8000"), st.none(), KEYS),
    st.builds(Group, st.just("9000"), st.none(), st.just(()), KEYS),
    st.builds(Group, st.just("0301"), made=st.sampled_from(Made)),
)
OFFLINE = st.builds(
    Offline,
    signer=st.just("bank/emv-issuer/1"),
    static=HEX,
    code=st.sampled_from(["", "0001"]),
    subject=HEX,
    expiry=st.just("1231"),
    card_key_bits=st.sampled_from([0, 1152]),
)
PINS = st.builds(
    Pin,
    kept=HEX,
    verification_value=st.just("1234"),
    zone=st.just("bank/pin-zone/1"),
    account=HEX,
    tries=st.integers(1, 15),
    permits=st.lists(st.sampled_from(["pin-on-host", "pin-check"]), max_size=2).map(tuple),
)
SCRIPTS = st.builds(
    Script,
    recipe=st.sampled_from(Recipe),
    diversification=st.binary(min_size=16, max_size=16).map(lambda data: data.hex().upper()),
    card_manager=st.just("vendor/card-manager/1"),
    application=HEX,
    security_domain=HEX,
    key_version=st.integers(0, 127),
    domain_key=st.just("bank/issuer-domain/1"),
    domain_version=st.integers(0, 127),
    life_cycle=st.sampled_from(["OP_READY", "INITIALIZED"]),
    options=st.integers(0, 127),
    security_level=st.sampled_from([0x01, 0x03, 0x11, 0x13, 0x33]),
    personalization=st.sampled_from(Personalization),
    largest_command=st.integers(255, 65535),
    arpc_method=st.sampled_from([1, 2]),
    offline=st.none() | OFFLINE,
    pin=st.none() | PINS,
    groups=st.lists(GROUPS, max_size=6).map(tuple),
    directory=st.lists(GROUPS, max_size=2).map(tuple),
    artwork=st.builds(Artwork, st.dictionaries(st.text(), st.text())),
)


@given(SCRIPTS)
def test_a_script_reads_back_as_it_was_written(script: Script) -> None:
    assert Script.decode(script.encode()) == script


@given(SCRIPTS)
def test_neither_a_script_nor_its_encoding_shows_the_card(script: Script) -> None:
    parts = (script, script.artwork, *script.groups)
    shown = " ".join(f"{part!r} {part}" for part in parts) + str(script.encode())
    secret = [script.diversification, *(g.data for g in script.groups if len(g.data or "") > 4)]
    assert not [each for each in secret if each and each in shown]
    named = ", ".join(sorted(script.artwork.fields)).count("redacted")  # a field may be called so
    assert shown.count("redacted") == 2 * len(parts) + 2 * named + 1
