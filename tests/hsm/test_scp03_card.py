"""A whole session between the host in the HSM and the card of a vendor, in every mode of SCP03."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest

from kif.formats import scp03
from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.putkey import put_key, put_key_answer
from kif.formats.scp03 import InitializeUpdateResponse, Options
from kif.hsm.deliver import domain_keys
from kif.hsm.scp03 import Channel, static_keys
from kif.hsm.token import Token
from kif.simulator.card import DOMAIN_AID, Card
from kif.simulator.vendor import Vendor
from tests.hsm.objects import imported_cmac_master, nothing_left
from tests.simulator.script import INSTALL
from tests.simulator.test_card import MODES, UNKNOWN

PROTECTED = [mode for mode in MODES if mode.values[2]]
"""A host of ours opens no session without a C-MAC."""


def begun(card: Card, challenge: bytes, version: int = 1) -> InitializeUpdateResponse:
    answer = Response.decode(card.apdu(scp03.initialize_update(version, challenge)))
    assert answer.ok
    return InitializeUpdateResponse.decode(answer.data)


def opened(token: Token, card: Card, manager: bytes, options: Options, version: int = 1) -> Channel:
    challenge = secrets.token_bytes(options.size)
    answer = begun(card, challenge, version)
    master = imported_cmac_master(token, manager)
    try:
        static = static_keys(master, answer.diversification_data)
        return Channel.open(static, challenge, answer, DOMAIN_AID)
    finally:
        master.key.destroy()


@pytest.mark.parametrize("most", [255, 1024])
@pytest.mark.parametrize(("size", "options", "level"), PROTECTED)
def test_the_host_and_the_card_understand_each_other(
    token: Token, size: int, options: Options, level: int, most: int
) -> None:
    manager = secrets.token_bytes(size)
    card = Card(vendor=Vendor("test", (manager,), largest=most), options=options)
    with nothing_left(token):
        channel = opened(token, card, manager, options)
        assert Response.decode(card.apdu(channel.external_authenticate(level))).ok
        longest = bytes(scp03.most_plain_data(level, options.size, most))
        script = [
            INSTALL,
            UNKNOWN,
            Command(0x80, 0xE2, 0x08, 0x00, b"\x01\x01\xff\x03\xff" + longest[5:]),
            Command(0x80, 0xE6, 0x20, 0x00, INSTALL.data),
        ]
        answers = [Response.decode(card.apdu(channel.protect(command))) for command in script]
        assert [answer.sw for answer in answers] == [0x9000, 0x6D00, 0x9000, 0x9000]
        found = [channel.check(number, answer) for number, answer in enumerate(answers)]
        assert found == [b"\x00", b"", b"", b"\x00"]
        channel.close()


@pytest.mark.control("KIF-CHIP-01")
@pytest.mark.parametrize("i", [0x70, 0x71])
def test_a_challenge_that_is_not_the_counters_is_told(token: Token, i: int) -> None:
    """Whoever plays an answer back with another counter."""
    manager, options = secrets.token_bytes(16), Options(i)
    card = Card(vendor=Vendor("test", (manager,)), options=options)
    challenge = secrets.token_bytes(options.size)
    answer = begun(card, challenge)
    master = imported_cmac_master(token, manager)
    for wrong in (
        replace(answer, sequence_counter=b"\x00\x00\x09"),
        replace(answer, sequence_counter=None),
    ):
        with nothing_left(token), pytest.raises(DeviceFailed, match="made of its sequence") as told:
            static = static_keys(master, answer.diversification_data)
            Channel.open(static, challenge, wrong, DOMAIN_AID)
        assert told.value.control is Control.CARD_CRYPTOGRAM
    with nothing_left(token):
        static = static_keys(master, answer.diversification_data)
        Channel.open(static, challenge, answer, DOMAIN_AID).close()
    master.key.destroy()


@pytest.mark.control("KIF-CHIP-01", "KIF-HSM-04")
@pytest.mark.parametrize("size", [16, 32])
def test_the_vendors_keys_are_replaced_by_the_bureaus(token: Token, size: int) -> None:
    """In one session, under the vendor's Key-DEK; after it, only ours open the card."""
    vendors, ours, options = secrets.token_bytes(size), secrets.token_bytes(size), Options(0x70)
    card = Card(vendor=Vendor("test", (vendors,)), options=options)
    own = imported_cmac_master(token, ours)
    channel = opened(token, card, vendors, options)
    assert Response.decode(card.apdu(channel.external_authenticate(0x33))).ok
    fields = domain_keys(channel.dek, own, card.serial)
    answer = Response.decode(card.apdu(channel.protect(put_key(1, 0x30, fields))))
    assert channel.check(0, answer) == put_key_answer(0x30, fields)
    channel.close()
    old = Response.decode(card.apdu(scp03.initialize_update(1, bytes(8))))
    assert old.sw == 0x6A88
    with pytest.raises(DeviceFailed, match="its keys are not ours"):
        opened(token, card, vendors, options, version=0)
    new = opened(token, card, ours, options, version=0x30)
    assert Response.decode(card.apdu(new.external_authenticate(0x33))).ok
    assert Response.decode(card.apdu(new.protect(INSTALL))).ok
    new.close()
    own.key.destroy()


def test_a_wrong_check_value_leaves_the_keys_as_they_were(token: Token) -> None:
    manager, options = secrets.token_bytes(16), Options(0x70)
    card = Card(vendor=Vendor("test", (manager,)), options=options)
    own = imported_cmac_master(token, secrets.token_bytes(16))
    channel = opened(token, card, manager, options)
    card.apdu(channel.external_authenticate(0x33))
    first, second, third = domain_keys(channel.dek, own, card.serial)
    wrong = (first, second, replace(third, check_value=bytes(3)))
    before = card.keyset.keys
    for command, status in (
        (put_key(1, 0x30, wrong), 0x6982),
        (put_key(2, 0x30, (first, second, third)), 0x6A88),
        (put_key(1, 0x30, (first, second)), 0x6A80),
        (put_key(1, 0x30, (first, second, replace(third, size=32))), 0x6A80),
    ):
        assert Response.decode(card.apdu(channel.protect(command))).sw == status
        assert (card.keyset.keys, card.keyset.version) == (before, 1)
    channel.close()
    own.key.destroy()
