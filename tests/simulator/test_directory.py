"""The simulated card's directory: personalised as any application, read by terminals."""

from __future__ import annotations

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.dgi import Dgi, store_data
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT
from kif.formats.tlv import tlv
from kif.simulator.card import Card
from tests.simulator.host import Host

SELECT = Command(0, 0xA4, 4, 0, PAYMENT_SYSTEM_ENVIRONMENT, 256)
INSTALL = Command(0x80, 0xE6, 0x20, 0, b"\x00\x00\x0e" + PAYMENT_SYSTEM_ENVIRONMENT + bytes(3))
FCI = Dgi(0x9102, tlv(0x88, b"\x01"))
RECORD = Dgi(0x0101, tlv(0x70, tlv(0x61, tlv(0x4F, b"\xa0\x00\x00\x00\x99"))))


def filled(*groups: Dgi) -> tuple[Host, int]:
    """Store these; return the host and the last status word."""
    host = Host(Card().apdu)
    assert host.open().ok
    assert host.secured(INSTALL).ok
    status = 0
    for command in store_data(groups, 223):
        status = host.secured(command).sw
        if status != 0x9000:
            break
    return host, status


def read(host: Host, number: int = 1, p2: int = 0x0C) -> Response:
    return host.plain(Command(0, 0xB2, number, p2, le=256))


def test_a_directory_is_selected_and_read() -> None:
    host, status = filled(FCI, RECORD)
    assert status == 0x9000
    answer = host.plain(SELECT)
    assert answer.data == tlv(0x6F, tlv(0x84, PAYMENT_SYSTEM_ENVIRONMENT) + tlv(0xA5, FCI.data))
    assert read(host).data == RECORD.data
    for wrong in (read(host, 2), read(host, 1, 0x14), read(host, 1, 0x0D)):
        assert wrong.sw == 0x6A83
    assert host.plain(Command(0x80, 0xB2, 1, 0x0C, le=256)).sw == 0x6E00
    assert host.plain(Command(0x80, 0xA8, 0, 0, b"\x83\x00", 256)).sw == 0x6D00


def test_that_of_a_blank_names_no_file() -> None:
    host = Host(Card().apdu)
    empty = tlv(0x6F, tlv(0x84, PAYMENT_SYSTEM_ENVIRONMENT) + tlv(0xA5, b""))
    assert host.plain(SELECT).data == empty
    assert read(host).sw == 0x6A83


REFUSED = {
    "no record": ((FCI,), 0x6A80),
    "no file": ((RECORD,), 0x6A80),
    "no SFI": ((Dgi(0x9102, tlv(0x50, b"X")), RECORD), 0x6A80),
    "no entry": ((FCI, Dgi(0x0101, tlv(0x70, b""))), 0x6A80),
    "no template": ((FCI, Dgi(0x0101, tlv(0x61, b"\x01"))), 0x6A80),
    "no BER": ((FCI, Dgi(0x0101, b"\x70\x05")), 0x6A80),
    "what it has no place for": ((FCI, Dgi(0x9104, b"\x00")), 0x6A88),
    "keys": ((FCI, Dgi(0x8000, bytes(48), encrypted=True)), 0x6A88),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_a_directory_is_refused(case: str) -> None:
    groups, expected = REFUSED[case]
    assert filled(*groups)[1] == expected


def test_a_directory_is_written_once() -> None:
    host, _ = filled(FCI, RECORD)
    assert host.secured(INSTALL).ok
    (command,) = store_data([RECORD], 223)
    assert host.secured(command).sw == 0x6985
