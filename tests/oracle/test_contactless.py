"""A card that is read over the air too: what it answers there, and that it is checked there."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.elements import PROXIMITY_ENVIRONMENT
from kif.formats.error import DeviceFailed, Refused
from kif.formats.state import JobState
from kif.formats.tlv import find, read_all, tlv
from kif.ledger.events.card import CardVerified
from kif.line.round import make_cards
from kif.oracle.local import LocalOracle
from kif.oracle.messages import BatchView
from kif.quality import chip as quality
from kif.quality.chip import check_chip
from kif.simulator import emv
from kif.simulator.card import Card
from kif.simulator.kept import keep, take
from tests.machine import LoadedMachine
from tests.oracle.test_chip import Wire, antenna, card, entries
from tests.oracle.test_offline import asked, batch, checked, made, opened, sha_1
from tests.site import TestSite, released_batch, shared_scheme

__all__ = ["batch"]


def read_over_air(chip: Card) -> dict[int, bytes]:
    """Read a card as a terminal does that it is held to: through its directory (Book B, 3.3)."""
    chip.reset(contactless=True)
    environment = asked(chip, Command(0, 0xA4, 4, 0, PROXIMITY_ENVIRONMENT, 256))
    entry = find(environment, 0x61) or b""
    found = {each.tag: each.value for each in read_all(entry)}
    selected = asked(chip, Command(0, 0xA4, 4, 0, found[0x4F], 256))
    found |= {0x9F38: find(selected, 0x9F38) or b""}
    options = asked(chip, Command(0x80, 0xA8, 0, 0, tlv(0x83, bytes(14)), 256))
    found |= {tag: find(options, tag) or b"" for tag in (0x82, 0x94)}
    afl, static = found[0x94], b""
    for at in range(0, len(afl), 4):
        for number in range(afl[at + 1], afl[at + 2] + 1):
            record = asked(chip, Command(0, 0xB2, number, afl[at] | 4, le=256))
            content = find(record, 0x70) or b""
            found |= {each.tag: each.value for each in read_all(content)}
            static += content if number - afl[at + 1] < afl[at + 3] else b""
    return found | {-1: static}


@pytest.mark.control("KIF-QC-04")
def test_over_the_air_its_certificate_verifies_by_the_books_alone(
    oracle: LocalOracle, batch: BatchView
) -> None:
    """Book 2, 6.4, over the static data of this interface; then a cryptogram that is signed."""
    chip = card()
    assert checked(oracle, batch, chip).state is JobState.GOOD
    told = (each.event for each in entries(oracle, batch))
    *_, last = (each for each in told if isinstance(each, CardVerified))
    wanted = {"contactless directory", "contactless arqc", "contactless card certificate"}
    assert set(last.checks) >= wanted
    data, scheme = read_over_air(chip), shared_scheme().public
    assert (data[0x4F], data[0x9F2A]) == (emv.APPLICATION_AID, b"\x02")
    assert (data[0x82].hex(), 0x5F20 in data) == ("1980", False)
    issuer = opened(data[0x90], scheme.key.modulus, scheme.key.exponent)
    modulus = (issuer[15:-21] + data.get(0x92, b""))[: issuer[13]]
    icc = opened(data[0x9F46], modulus, data[0x9F32])
    rest = icc[1:-21] + data.get(0x9F48, b"") + data[0x9F47] + data[-1] + data[0x82]
    assert sha_1(rest) == icc[-21:-1]
    answer = Response.decode(chip.apdu(Command(0x80, 0xAE, 0x90, 0, bytes(29), 256).encode()))
    assert (answer.ok, find(answer.data, 0x9F27)) == (True, b"\x80")
    assert find(answer.data, 0x9F26) is None
    assert len(find(answer.data, 0x9F4B) or b"") == 1152 // 8


def test_a_transaction_over_the_air_ends_with_its_first_cryptogram(
    oracle: LocalOracle, batch: BatchView
) -> None:
    chip = card()
    checked(oracle, batch, chip)
    read_over_air(chip)
    ask = Command(0x80, 0xAE, 0x80, 0, bytes(29), 256).encode()
    assert Response.decode(chip.apdu(ask)).ok
    assert Response.decode(chip.apdu(ask)).sw == 0x6985
    pin = Command(0x00, 0x20, 0x00, 0x80, bytes.fromhex("241234FFFFFFFFFF"))
    assert Response.decode(chip.apdu(pin.encode())).sw == 0x6985  # no PIN goes over the air


WRONG: dict[str, Callable[[Card], None]] = {
    "another track": lambda chip: change(chip, 0x0402, 10),
    "another label": lambda chip: change(chip, 0x9103, 3),
    "another AIP": lambda chip: change(chip, 0x9105, 3),
    "another certificate": lambda chip: change(chip, 0x0501, 40),
    "no entry in its directory": lambda chip: chip.registry.applications.remove(
        PROXIMITY_ENVIRONMENT
    ),
}


def change(chip: Card, dgi: int, at: int) -> None:
    groups = chip.application.stored.groups
    raw = bytearray(groups[dgi])
    raw[at] ^= 0x01
    groups[dgi] = bytes(raw)


@pytest.mark.control("KIF-QC-01")
@pytest.mark.parametrize("case", WRONG)
def test_a_card_that_is_wrong_over_the_air_alone_is_suspect(
    oracle: LocalOracle, batch: BatchView, case: str
) -> None:
    chip = card()
    view = made(oracle, batch, chip)
    WRONG[case](chip)
    view = check_chip(view.id, Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))
    assert view.state is JobState.SUSPECT


@pytest.mark.control("KIF-QC-02", "KIF-QC-03")
def test_a_card_is_not_secured_before_it_was_asked_over_the_air(
    oracle: LocalOracle, batch: BatchView, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = card()
    view = made(oracle, batch, chip)
    monkeypatch.setattr(quality, "check_contactless_cryptogram", lambda *_: None)
    with pytest.raises(Refused, match="has no verified cryptograms") as caught:
        check_chip(view.id, Wire(chip), oracle.quality, secrets.token_bytes, antenna(chip))
    assert caught.value.control is Control.CHIP_CRYPTOGRAM


@pytest.mark.control("KIF-CHIP-01")
def test_without_a_contactless_reader_the_line_stops(oracle: LocalOracle, batch: BatchView) -> None:
    chip = card()
    view = made(oracle, batch, chip)
    with pytest.raises(DeviceFailed, match="there is no contactless reader") as caught:
        check_chip(view.id, Wire(chip), oracle.quality, secrets.token_bytes)
    assert caught.value.control is Control.READER


def test_a_card_that_is_kept_answers_over_the_air_as_before(
    oracle: LocalOracle, batch: BatchView, tmp_path: Path
) -> None:
    chip = card()
    checked(oracle, batch, chip)
    keep(chip, tmp_path / "card.json")
    assert read_over_air(take(tmp_path / "card.json"))[-1] == read_over_air(chip)[-1]


def test_a_blank_is_no_application_over_the_air() -> None:
    chip = card()
    chip.reset(contactless=True)
    select = Command(0, 0xA4, 4, 0, emv.APPLICATION_AID, 256)
    assert Response.decode(chip.apdu(select.encode())).sw == 0x6A82


@pytest.mark.control("KIF-CHIP-03", "KIF-ORA-05")
def test_a_machine_moves_each_card_to_its_antenna_and_back(
    site: TestSite, oracle: LocalOracle, machine: LoadedMachine
) -> None:
    """Behind a real pcscd; a card that goes at the antenna is suspect, and the rest go on."""
    number = len(oracle.supervision.batches())
    there = released_batch(site, oracle, f"A-{number}", 4, first=9500, product="test-credit")
    machine.load("vanish@2:40", "refuse@3:45", "t0@4")
    with machine.open() as line:
        done = make_cards(oracle, there.id, line)
    assert (done.good, [job.number for job in done.suspects]) == (2, [2, 3])
