"""A PIN that goes to the card under its public key: EMV Book 2, 7.2, and Book 3, 6.5.12."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, Refused
from kif.formats.offline import PublicKey
from kif.formats.pinverify import GET_CHALLENGE, enciphered
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.ledger.events.card import CardVerified
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView, CardKey, JobView
from kif.quality.chip import check_chip
from kif.simulator.card import Card
from kif.simulator.scheme import RsaKey
from tests.oracle.test_chip import Wire, antenna, card, entries
from tests.oracle.test_offline import batch, checked, made, read
from tests.oracle.test_pin import reference

__all__ = ["batch"]


def signer(chip: Card) -> RsaKey:
    found = chip.application._signer
    assert found is not None
    return found


def shown(chip: Card) -> CardKey:
    data = read(chip)
    return CardKey(data[0x9F46], data[0x9F48], data[0x9F47])


def asked(chip: Card, raw: bytes) -> Response:
    return Response.decode(chip.apdu(raw))


@pytest.mark.control("KIF-QC-05")
def test_a_card_verifies_an_enciphered_pin_and_the_wire_has_none_in_it(
    oracle: LocalOracle, batch: BatchView
) -> None:
    """What the command says is opened by the card's key, as the Book has it."""
    chip = card()
    view = made(oracle, batch, chip)
    proof = shown(chip)
    number = asked(chip, GET_CHALLENGE.encode()).data
    oracle.quality.script(view.id)
    command = Command.decode(oracle.quality.encipher_pin(view.id, proof, number, right=True))
    assert (command.header.hex(), len(command.data)) == ("00200088", 1152 // 8)
    assert reference(chip).block not in command.data
    clear = signer(chip).signed(command.data)
    assert clear[:1] + clear[1:9] == b"\x7f" + reference(chip).block
    assert clear[9:17] == number
    assert asked(chip, command.encode()).ok
    assert asked(chip, command.encode()).sw == 0x6984  # its number was for one command
    again = oracle.quality.encipher_pin(view.id, proof, number, right=True)
    assert again != command.encode()  # the padding is random


def test_both_ways_are_among_the_checks_of_a_good_card(
    oracle: LocalOracle, batch: BatchView
) -> None:
    assert checked(oracle, batch, card()).state is JobState.GOOD
    told = (each.event for each in entries(oracle, batch))
    *_, last = (each for each in told if isinstance(each, CardVerified))
    assert {"pin try counter", "pin", "enciphered pin"} <= set(last.checks)


OTHERS: dict[str, Callable[[CardKey], CardKey]] = {
    "another exponent": lambda key: replace(key, exponent=b"\x01\x00\x01"),
    "another certificate": lambda key: replace(key, certificate=bytes(len(key.certificate))),
    "another remainder": lambda key: replace(key, remainder=key.remainder + b"\x01"),
    "no certificate": lambda key: CardKey(b"", b"", b""),
}


@pytest.mark.control("KIF-QC-04")
@pytest.mark.parametrize("case", OTHERS)
def test_a_pin_is_enciphered_to_no_other_key_than_the_certified_one(
    oracle: LocalOracle, batch: BatchView, case: str
) -> None:
    chip = card()
    view = made(oracle, batch, chip)
    with pytest.raises(CheckFailed) as caught:
        oracle.quality.encipher_pin(view.id, OTHERS[case](shown(chip)), bytes(8), right=True)
    assert caught.value.control is Control.CHIP_AUTHENTIC


@pytest.mark.control("KIF-QC-04")
def test_nor_to_that_of_another_card(oracle: LocalOracle, batch: BatchView) -> None:
    first, second = card(), card()
    view, _ = made(oracle, batch, first), made(oracle, batch, second)
    with pytest.raises(CheckFailed):
        oracle.quality.encipher_pin(view.id, shown(second), bytes(8), right=True)


@pytest.mark.control("KIF-QC-05")
def test_a_card_without_the_number_or_key_for_it_is_suspect(
    oracle: LocalOracle, batch: BatchView
) -> None:
    chip = card()
    view = made(oracle, batch, chip)
    real = chip.application._get_challenge
    chip.application._commands[0x84] = lambda command: replace(real(command), data=bytes(8))
    view = _verdict(oracle, chip, view)
    assert view.state is JobState.SUSPECT
    assert "answered VERIFY with 6984, not 63C2" in (view.reason or "")


def _verdict(oracle: LocalOracle, chip: Card, view: JobView) -> JobView:
    return check_chip(view.id, Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("number", [b"", bytes(7), bytes(9)])
def test_a_number_of_another_length_is_refused(number: bytes) -> None:
    key = PublicKey(b"\xc1" * 128, b"\x03")
    with pytest.raises(BadInput, match="goes with 8 bytes"):
        enciphered(Secret(b"1234"), number, bytes(128 - 17), key)


def test_a_card_that_has_no_pin_has_none_enciphered(
    oracle: LocalOracle, batch: BatchView, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = card()
    view = made(oracle, batch, chip)
    oracle.quality.script(view.id)
    check = oracle.quality._checks[view.id]
    monkeypatch.setattr(check, "script", replace(check.script, pin=None))
    with pytest.raises(Refused, match="has no PIN"):
        oracle.quality.encipher_pin(view.id, shown(chip), bytes(8), right=True)


WRONG: dict[str, Command] = {
    "a challenge with data": Command(0x00, 0x84, 0, 0, b"\x01", 256),
    "a challenge with parameters": Command(0x00, 0x84, 1, 0, le=256),
    "another way": Command(0x00, 0x20, 0x00, 0x81, bytes(8)),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_card_does_not_know_it_refuses(
    oracle: LocalOracle, batch: BatchView, case: str
) -> None:
    chip = card()
    made(oracle, batch, chip)
    read(chip)
    assert asked(chip, WRONG[case].encode()).sw == 0x6A86
