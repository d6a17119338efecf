"""SCP03 channels against published traces, byte for byte."""

from typing import Any

import pytest
from pkcs11 import Attribute
from pkcs11.exceptions import AttributeSensitive

from kif.formats import scp03
from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.hsm.cmac import CmacPair
from kif.hsm.key import Key
from kif.hsm.scp03 import Channel, StaticKeys, static_keys
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from tests.hsm import software
from tests.hsm.objects import imported_aes, imported_cmac_master, nothing_left
from tests.vectors import load

VECTORS = [
    each for each in load("SCP03") if "ext_auth" in each["expect"] and "S16" not in each["id"]
]
BY_ID = {each["id"]: each for each in VECTORS}
PYSIM = [each for each in VECTORS if "get_eid_rsp_protected" in each["inputs"]]
SAMSUNG = [each for each in VECTORS if "SAMSUNG" in each["id"]]
PYSIM_COMMANDS = ("get_eid", "case_1", "case_2", "case_3", "case_4")
SAMSUNG_COMMANDS = {"list_packages": 0x20, "list_applets": 0x40, "list_issuer_domain": 0x80}
ENCRYPTED = BY_ID["SCP03-S8-256-33"]
MACED = BY_ID["SCP03-S8-128-11"]
EID = bytes.fromhex("BF3E125A1089882119900000000000000000000005")


def name(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def static(token: Token, vector: dict[str, Any]) -> StaticKeys:
    values = [
        bytes.fromhex(vector["inputs"].get(f"key_{which}") or vector["inputs"]["key"])
        for which in ("enc", "mac", "dek")
    ]
    return StaticKeys(
        _pair(token, values[0]),
        _pair(token, values[1]),
        imported_aes(token, Usage.CARD_TRANSPORT, values[2]),
    )


def _pair(token: Token, value: bytes) -> CmacPair:
    return CmacPair(
        imported_aes(token, Usage.CARD_DERIVATION, value),
        imported_aes(token, Usage.PUBLIC_BLOCK, value),
    )


def opened(token: Token, vector: dict[str, Any], answer: bytes | None = None) -> Channel:
    challenge = bytes.fromhex(vector["inputs"]["init_update"])[5:13]
    raw = answer or bytes.fromhex(vector["inputs"]["init_update_rsp"])[:32]
    response = scp03.InitializeUpdateResponse.decode(raw)
    return Channel.open(static(token, vector), challenge, response)


def authenticated(token: Token, vector: dict[str, Any]) -> Channel:
    channel = opened(token, vector)
    published = bytes.fromhex(vector["expect"]["ext_auth"])
    assert channel.external_authenticate(published[2]) == published
    return channel


def commands(vector: dict[str, Any]) -> list[tuple[Command, str]]:
    """Each plain command, and what it is once protected, in the order of the trace."""
    inputs, expect = vector["inputs"], vector["expect"]
    if vector in SAMSUNG:
        return [
            (Command(0x80, 0xF2, p1, 0x00, b"\x4f\x00"), expect[f"w_{which}"])
            for which, p1 in SAMSUNG_COMMANDS.items()
        ]
    if "plain_1" in inputs:
        return [(Command.decode(bytes.fromhex(inputs["plain_1"])), expect["wrapped_1"])]
    return [
        (Command.decode(bytes.fromhex(inputs[f"plain_{which}"])), expect[f"w_{which}"])
        for which in PYSIM_COMMANDS
    ]


@pytest.mark.parametrize("vector", VECTORS, ids=name)
def test_authentication_and_every_command_are_the_published_bytes(
    token: Token, vector: dict[str, Any]
) -> None:
    with nothing_left(token):
        channel = authenticated(token, vector)
        for command, protected in commands(vector):
            assert channel.protect(command).hex().upper() == protected
        channel.close()


@pytest.mark.control("KIF-CHIP-05")
@pytest.mark.parametrize("vector", PYSIM, ids=name)
def test_the_published_answer_verifies_and_opens(token: Token, vector: dict[str, Any]) -> None:
    channel = authenticated(token, vector)
    channel.protect(commands(vector)[0][0])
    protected = bytes.fromhex(vector["inputs"]["get_eid_rsp_protected"])
    assert channel.check(0, Response(protected, 0x9000)) == EID
    channel.close()


@pytest.mark.control("KIF-CHIP-05")
@pytest.mark.parametrize("vector", SAMSUNG, ids=name)
def test_answers_are_checked_after_the_last_command_was_protected(
    token: Token, vector: dict[str, Any]
) -> None:
    channel = authenticated(token, vector)
    for command, _ in commands(vector):
        channel.protect(command)
    for number, which in enumerate(SAMSUNG_COMMANDS):
        response = Response.decode(bytes.fromhex(vector["inputs"][f"rsp_{which}"]))
        plain = channel.check(number, response)
        assert plain.hex().upper() == vector["expect"][f"plain_rsp_{which}"]
    channel.close()


@pytest.mark.control("KIF-CHIP-02")
@pytest.mark.parametrize("at", [13, 20, 21, 28])
@pytest.mark.parametrize("vector", [ENCRYPTED, MACED], ids=name)
def test_a_wrong_card_cryptogram_is_refused_and_leaves_no_key(
    token: Token, vector: dict[str, Any], at: int
) -> None:
    answer = bytearray.fromhex(vector["inputs"]["init_update_rsp"])
    answer[at] ^= 0x01
    refusal = pytest.raises(DeviceFailed, match="The channel was not opened")
    with nothing_left(token), refusal as caught:
        opened(token, vector, bytes(answer))
    assert caught.value.control is Control.CARD_CRYPTOGRAM


@pytest.mark.control("KIF-CHIP-02")
def test_a_card_with_other_keys_is_refused(token: Token) -> None:
    inputs = MACED["inputs"]
    other = MACED | {"inputs": inputs | {"key_mac": inputs["key_enc"]}}
    with nothing_left(token), pytest.raises(DeviceFailed, match="its keys are not ours"):
        opened(token, other)


WRONG_ANSWERS = {
    "first bit of the data": lambda raw: bytes([raw[0] ^ 0x80]) + raw[1:],
    "last bit of the R-MAC": lambda raw: raw[:-1] + bytes([raw[-1] ^ 0x01]),
    "R-MAC gone": lambda raw: raw[:-8],
    "R-MAC cut": lambda raw: raw[:-1],
    "everything gone": lambda raw: b"",
    "a byte more": lambda raw: raw + b"\x00",
}


@pytest.mark.control("KIF-CHIP-05")
@pytest.mark.parametrize("wrong", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
@pytest.mark.parametrize("vector", [ENCRYPTED, MACED], ids=name)
def test_an_answer_without_the_right_r_mac_is_refused(
    token: Token, vector: dict[str, Any], wrong: Any
) -> None:
    with nothing_left(token):
        channel = authenticated(token, vector)
        channel.protect(commands(vector)[0][0])
        answer = wrong(bytes.fromhex(vector["inputs"]["get_eid_rsp_protected"]))
        with pytest.raises(DeviceFailed, match="protected command 1 does not") as caught:
            channel.check(0, Response(answer, 0x9000))
        channel.close()
    assert caught.value.control is Control.CARD_RESPONSE_MAC


@pytest.mark.control("KIF-CHIP-05")
def test_a_right_answer_is_refused_with_another_status_or_for_another_command(
    token: Token,
) -> None:
    channel = authenticated(token, ENCRYPTED)
    for command, _ in commands(ENCRYPTED)[:2]:
        channel.protect(command)
    answer = bytes.fromhex(ENCRYPTED["inputs"]["get_eid_rsp_protected"])
    for number, status in [(0, 0x6310), (0, 0x6200), (1, 0x9000)]:
        with pytest.raises(DeviceFailed, match="does not carry the card's R-MAC"):
            channel.check(number, Response(answer, status))
    assert channel.check(0, Response(answer, 0x9000)) == EID
    channel.close()


def test_an_error_status_carries_no_r_mac(token: Token) -> None:
    channel = authenticated(token, ENCRYPTED)
    channel.protect(commands(ENCRYPTED)[0][0])
    assert channel.check(0, Response(b"", 0x6A88)) == b""
    channel.close()


def test_an_answer_of_no_data_is_its_r_mac_alone(token: Token) -> None:
    channel = authenticated(token, ENCRYPTED)
    protected = channel.protect(commands(ENCRYPTED)[1][0])
    chaining = _chaining(ENCRYPTED, [protected])
    s_rmac = bytes.fromhex(ENCRYPTED["expect"]["s_rmac"])
    mac = software.cmac(s_rmac, chaining + b"\x90\x00")[:8]
    assert channel.check(0, Response(mac, 0x9000)) == b""
    channel.close()


@pytest.mark.control("KIF-FMT-01")
def test_an_answer_that_is_maced_but_not_whole_blocks_is_bad_input(token: Token) -> None:
    channel = authenticated(token, ENCRYPTED)
    protected = channel.protect(commands(ENCRYPTED)[1][0])
    chaining = _chaining(ENCRYPTED, [protected])
    s_rmac = bytes.fromhex(ENCRYPTED["expect"]["s_rmac"])
    mac = software.cmac(s_rmac, chaining + b"\x01\x02\x90\x00")[:8]
    with pytest.raises(BadInput, match="not whole AES blocks"):
        channel.check(0, Response(b"\x01\x02" + mac, 0x9000))
    channel.close()


def _chaining(vector: dict[str, Any], protected: list[bytes]) -> bytes:
    """The chaining value after some commands, in software."""
    value = bytes(16)
    for raw in (bytes.fromhex(vector["expect"]["ext_auth"]), *protected):
        body = raw[: 5 + raw[4] - 8]
        value = software.cmac(bytes.fromhex(vector["expect"]["s_mac"]), value + body)
    return value


def test_static_keys_of_a_card_are_its_kdf3_keys(token: Token) -> None:
    """A card whose keys follow from the master accepts, so the cryptogram is checked by it."""
    master_value, kdd, host = bytes(range(16)), bytes(range(10)), b"\x11" * 8
    master = imported_cmac_master(token, master_value)
    with nothing_left(token):
        answer = _card_answer(software.kdf3(master_value, 2, kdd), kdd, host)
        channel = Channel.open(static_keys(master, kdd), host, answer)
        channel.close()
    master.key.destroy()


def _card_answer(key_mac: bytes, kdd: bytes, host: bytes) -> scp03.InitializeUpdateResponse:
    card = b"\x22" * 8
    tail = host + card
    s_mac = software.cmac(key_mac, bytes(11) + b"\x06\x00\x00\x80\x01" + tail)
    cryptogram = software.cmac(s_mac, bytes(11) + b"\x00\x00\x00\x40\x01" + tail)[:8]
    return scp03.InitializeUpdateResponse(kdd, 0x30, 0x60, card, cryptogram, None)


@pytest.mark.control("KIF-HSM-04")
def test_no_key_of_an_open_channel_can_be_read(token: Token) -> None:
    channel = authenticated(token, MACED)
    for key in _keys(channel):
        with pytest.raises(AttributeSensitive):
            _ = key.native[Attribute.VALUE]
    channel.close()


def _keys(channel: Channel) -> list[Key]:
    return [channel._enc, channel._mac, channel._rmac, channel.dek]
