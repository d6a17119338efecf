"""The machine behind real PC/SC, and its card transport."""

import socket
from collections.abc import Iterator

import pytest

from kif.chip.reader import Reader, open_reader
from kif.chip.transport import Transport
from kif.formats.apdu import Command, Response
from kif.formats.error import DeviceFailed
from tests.machine import LoadedMachine
from tests.simulator.host import LEVELS, Host, WrongResponseMac
from tests.simulator.script import INSTALL, arqc_verifies, personalise

SELECT = Command(0, 0xA4, 4, 0, le=256).encode()
UPDATE = Command(0x80, 0x50, 1, 0, bytes(8), 256).encode()


def serial(reader: Reader) -> bytes:
    return reader.transmit(UPDATE)[:10]


@pytest.fixture
def reader(machine: LoadedMachine) -> Iterator[Reader]:
    """The machine's reader."""
    opened = open_reader(machine.reader)
    yield opened
    opened.disconnect()


@pytest.fixture
def belt(machine: LoadedMachine) -> Transport:
    """The machine's transport."""
    return Transport.connect(machine.transport)


def test_each_blank_is_another_card(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load()
    serials = []
    for _ in range(5):
        assert belt.feed()
        reader.connect()
        assert Response.decode(reader.transmit(SELECT)).ok
        serials.append(serial(reader))
        reader.disconnect()
        belt.stack(good=True)
    assert len(set(serials)) == 5


def test_a_new_card_starts_without_the_session_of_the_old(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load()
    for _ in range(2):
        belt.feed()
        reader.connect()
        assert Response.decode(reader.transmit(bytes.fromhex("80E62000"))).sw == 0x6982
        serial(reader)
        reader.disconnect()
        belt.stack(good=False)


@pytest.mark.control("KIF-CHIP-03")
def test_a_card_that_vanishes_is_noticed_and_the_next_one_works(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load("vanish@1:2")
    belt.feed()
    reader.connect()
    reader.transmit(SELECT)
    with pytest.raises(DeviceFailed, match="gone from the reader"):
        reader.transmit(SELECT)
    reader.disconnect()
    belt.stack(good=False)
    belt.feed()
    reader.connect()
    assert Response.decode(reader.transmit(SELECT)).ok
    reader.disconnect()


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: f"{level:02X}")
def test_a_card_is_personalised_through_pcsc(
    machine: LoadedMachine, reader: Reader, belt: Transport, level: int
) -> None:
    machine.load()
    belt.feed()
    reader.connect()
    host = Host(reader.transmit, level)
    personalise(host)
    assert arqc_verifies(host)
    reader.disconnect()
    belt.stack(good=True)


def test_each_fault_strikes_its_card_and_no_other(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load("wrong-cryptogram@1", "bad-rmac@2", "wrong-arqc@3", "refuse@4:3")
    for number in range(1, 6):
        belt.feed()
        reader.connect()
        host = Host(reader.transmit, 0x13)
        assert host.card_proved == (number != 1)
        if number in (3, 5):
            personalise(host)
            assert arqc_verifies(host) == (number == 5)
        elif number == 2:
            assert host.open().ok
            with pytest.raises(WrongResponseMac):
                host.secured(INSTALL)
        elif number == 4:
            assert host.open().ok
            assert host.secured(INSTALL).sw == 0x6A80
        reader.disconnect()
        belt.stack(good=number == 5)


@pytest.mark.control("KIF-CHIP-06")
def test_a_stacked_card_answers_nothing_more(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load()
    belt.feed()
    reader.connect()
    reader.transmit(SELECT)
    belt.stack(good=True)
    with pytest.raises(DeviceFailed, match="gone from the reader"):
        reader.transmit(SELECT)


@pytest.mark.control("KIF-CHIP-06")
def test_the_next_card_is_not_taken_for_the_last_one(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load()
    belt.feed()
    reader.connect()
    belt.stack(good=True)
    belt.feed()
    with pytest.raises(DeviceFailed, match="gone from the reader"):
        reader.transmit(SELECT)


@pytest.mark.control("KIF-CHIP-03")
def test_a_card_that_vanished_is_never_stacked_as_good(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load("vanish@1:1")
    belt.feed()
    reader.connect()
    with pytest.raises(DeviceFailed):
        reader.transmit(SELECT)
    reader.disconnect()
    with pytest.raises(DeviceFailed, match="stack it as a reject"):
        belt.stack(good=True)
    belt.stack(good=False)


def test_an_empty_hopper_says_so(machine: LoadedMachine, belt: Transport) -> None:
    machine.load(cards=1)
    assert belt.feed()
    belt.stack(good=True)
    assert not belt.feed()


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        (["FEED", "FEED"], "still in the reader"),
        (["STACK GOOD"], "no card in the reader"),
        (["HOPE"], "no request"),
    ],
)
def test_a_request_at_the_wrong_time_is_an_error(
    machine: LoadedMachine, requests: list[str], words: str
) -> None:
    machine.load()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(machine.transport))
        for request in requests:
            raw.sendall(request.encode() + b"\n")
            answer = raw.recv(1000).decode()
    assert answer.startswith("ERROR")
    assert words in answer


def test_a_long_command_goes_through_the_whole_path(
    machine: LoadedMachine, reader: Reader, belt: Transport
) -> None:
    machine.load()
    belt.feed()
    reader.connect()
    answer = reader.transmit(Command(0, 0xA4, 4, 0, bytes(255), 256).encode())
    assert Response.decode(answer).sw == 0x6A82
    reader.disconnect()
