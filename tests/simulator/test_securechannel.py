"""The card's side of SCP03 against published vectors."""

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.scp03 import StaticKey
from kif.simulator.securechannel import (
    CardChannel,
    CardKeys,
    SecurityError,
    card_challenge,
)
from kif.simulator.vendor import TEST_VENDOR
from tests.vectors import load

S8 = [v for v in load("SCP03") if v["id"].startswith("SCP03-S8-128")]
PAIRS = ("get_eid", "case_1", "case_2", "case_3", "case_4")


def h(text: str) -> bytes:
    return bytes.fromhex(text)


def opened(vector: dict) -> CardChannel:  # type: ignore[type-arg]
    inputs = vector["inputs"]
    keys = CardKeys(h(inputs["key_enc"]), h(inputs["key_mac"]), h(inputs["key_dek"]))
    response = h(inputs["init_update_rsp"])
    return CardChannel(keys, h(inputs["init_update"])[5:13], response[13:21])


@pytest.mark.parametrize("vector", S8, ids=lambda v: v["id"])
def test_the_card_accepts_what_the_published_host_sent(vector: dict) -> None:  # type: ignore[type-arg]
    channel = opened(vector)
    assert channel.card_cryptogram == h(vector["expect"]["card_cryptogram"])
    assert channel.authenticate(Command.decode(h(vector["expect"]["ext_auth"])))
    for name in PAIRS:
        plain = Command.decode(h(vector["inputs"][f"plain_{name}"]))
        wrapped = Command.decode(h(vector["expect"][f"w_{name}"]))
        assert channel.unwrap(wrapped) == plain


@pytest.mark.parametrize("vector", S8, ids=lambda v: v["id"])
def test_the_card_answers_what_the_published_card_answered(vector: dict) -> None:  # type: ignore[type-arg]
    channel = opened(vector)
    channel.authenticate(Command.decode(h(vector["expect"]["ext_auth"])))
    channel.unwrap(Command.decode(h(vector["expect"]["w_get_eid"])))
    protected = h(vector["inputs"]["get_eid_rsp_protected"])
    plain = h("BF3E125A1089882119900000000000000000000005")
    assert channel.wrap(Response(plain, 0x9000)).data == protected


def test_commands_and_answers_agree_with_published_ones_at_level_33() -> None:
    (vector,) = (v for v in load("SCP03") if v["id"] == "SCP03-S8-SAMSUNG-128")
    channel, expect = opened(vector), vector["expect"]
    assert channel.card_cryptogram == h(expect["card_cryptogram"])
    assert channel.authenticate(Command.decode(h(expect["ext_auth"])))
    for name, p1 in (("packages", 0x20), ("applets", 0x40), ("issuer_domain", 0x80)):
        plain = channel.unwrap(Command.decode(h(expect[f"w_list_{name}"])))
        assert plain == Command(0x80, 0xF2, p1, 0x00, h("4F00"))
        if name == "issuer_domain":
            break  # The published card pads its last answer by a block too many.
        answer = Response(h(expect[f"plain_rsp_list_{name}"]), 0x9000)
        assert channel.wrap(answer).encode() == h(vector["inputs"][f"rsp_list_{name}"])


def test_an_answer_without_data_is_not_encrypted() -> None:
    (vector,) = (v for v in load("SCP03") if v["id"] == "SCP03-S8-SAMSUNG-128")
    channel = opened(vector)
    channel.authenticate(Command.decode(h(vector["expect"]["ext_auth"])))
    channel.unwrap(Command.decode(h(vector["expect"]["w_list_packages"])))
    assert len(channel.wrap(Response(b"", 0x9000)).data) == 8


@pytest.mark.parametrize("vector", S8, ids=lambda v: v["id"])
def test_an_altered_command_is_refused(vector: dict) -> None:  # type: ignore[type-arg]
    raw = h(vector["expect"]["w_get_eid"])
    for place in range(len(raw) - 1):
        channel = opened(vector)
        channel.authenticate(Command.decode(h(vector["expect"]["ext_auth"])))
        altered = raw[:place] + bytes((raw[place] ^ 0x02,)) + raw[place + 1 :]
        if place == 4:
            continue  # another length is another APDU altogether
        with pytest.raises(SecurityError):
            channel.unwrap(Command.decode(altered))


def test_the_static_keys_are_those_of_the_published_diversification() -> None:
    (vector,) = (v for v in load("GP-DIV") if v["id"] == "DIV-KDF3-128")
    assert h(vector["inputs"]["master_key"]) == TEST_VENDOR.keys[0]
    kdd = h(vector["inputs"]["kdd"])
    for which in StaticKey:
        assert TEST_VENDOR.static_key(which, kdd, 1) == h(vector["expect"][which.name.lower()])


def test_the_card_challenge_is_that_of_a_real_card() -> None:
    (vector,) = (v for v in load("SCP03") if v["id"] == "SCP03-KAOH-DELETE")
    inputs = vector["inputs"]
    keys = CardKeys(h(inputs["key_enc"]), h(inputs["key_mac"]), h(inputs["key_dek"]))
    challenge = card_challenge(keys, 0x15, h(inputs["invoking_aid"]), 8)
    assert challenge == h(vector["expect"]["card_challenge_pseudo_random"])


def test_an_error_status_carries_no_mac() -> None:
    channel = opened(S8[0])
    channel.authenticate(Command.decode(h(S8[0]["expect"]["ext_auth"])))
    assert channel.wrap(Response(b"", 0x6A80)) == Response(b"", 0x6A80)
