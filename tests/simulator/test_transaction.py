"""Transactions on the simulated card, with the issuer's side computed by pyemv."""

from __future__ import annotations

import warnings

import pytest
from cryptography.utils import CryptographyDeprecationWarning
from pyemv import ac, kd

from kif.formats.apdu import Command, Response
from kif.formats.tlv import find, tlv
from kif.simulator.card import Card
from kif.simulator.emv import APPLICATION_AID
from tests.simulator.host import Host
from tests.simulator.script import (
    AIP,
    CDOL1,
    ISSUER_DATA,
    KEYS,
    TERMINAL_DATA,
    cryptogram,
    groups,
    personalise,
    store,
)

ARQC, TC, AAC = 0x80, 0x40, 0x00
APPROVES, DECLINES = bytes.fromhex("00800000"), bytes.fromhex("00000000")
SECOND = b"00" + TERMINAL_DATA
IN_THE_LIST = {
    "x9104": tlv(0x82, b"\x18\x00") + tlv(0x94, b"\x08\x01\x01\x00"),
    "x9200": tlv(0x9F10, bytes.fromhex("06010A03A00000")),
    "x0101": tlv(0x70, tlv(0x8C, CDOL1) + tlv(0x8D, bytes.fromhex("8A02910A") + CDOL1)),
}
"""A card whose issuer's response is in the second list, by ARPC method 1."""


class Terminal:
    """A terminal with a card that was personalised."""

    def __init__(self, host: Host) -> None:
        self.plain = host.plain
        assert self.plain(Command(0, 0xA4, 4, 0, APPLICATION_AID, 256)).ok
        assert self.plain(Command(0x80, 0xA8, 0, 0, b"\x83\x00", 256)).ok

    def generate_ac(self, kind: int, data: bytes) -> Response:
        return self.plain(Command(0x80, 0xAE, kind, 0, data, 256))

    def asked(self, kind: int = ARQC) -> tuple[int, bytes, bytes]:
        """Return what kind it gave, ATC and cryptogram."""
        return read(self.generate_ac(kind, TERMINAL_DATA))

    def respond(self, data: bytes) -> int:
        return self.plain(Command(0, 0x82, 0, 0, data)).sw


def read(answer: Response) -> tuple[int, bytes, bytes]:
    assert answer.ok, answer
    found = [find(answer.data, tag) or b"" for tag in (0x9F27, 0x9F36, 0x9F26)]
    return found[0][0], found[1], found[2]


def issuer(atc: bytes, arqc: bytes, *, method: int, approves: bool = True) -> bytes:
    """Return issuer authentication data, as pyemv computes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        session = kd.derive_common_sk(KEYS[:16], atc + bytes(6))
        if method == 1:
            code = b"00" if approves else b"05"
            return ac.generate_arpc_1(session, arqc, code) + code
        update = APPROVES if approves else DECLINES
        return ac.generate_arpc_2(session, arqc, update) + update


@pytest.fixture
def host() -> Host:
    """A personalised card behind a host; its response comes by EXTERNAL AUTHENTICATE."""
    made = Host(Card().apdu)
    personalise(made)
    return made


def test_an_approved_transaction_ends_with_a_tc_and_is_remembered(host: Host) -> None:
    terminal = Terminal(host)
    kind, atc, arqc = terminal.asked()
    assert (kind, arqc) == (ARQC, cryptogram(atc, TERMINAL_DATA + AIP + atc + ISSUER_DATA))
    assert terminal.respond(issuer(atc, arqc, method=2)) == 0x9000
    kind, _, tc = read(terminal.generate_ac(TC, SECOND))
    assert (kind, tc) == (TC, arqc)  # over the same data
    assert terminal.plain(Command(0x80, 0xCA, 0x9F, 0x13, le=256)).data == tlv(0x9F13, atc)
    for again in (ARQC, TC, AAC):
        assert terminal.generate_ac(again, SECOND).sw == 0x6985


def test_a_request_for_a_tc_goes_online_and_one_for_an_aac_ends(host: Host) -> None:
    assert Terminal(host).asked(TC)[0] == ARQC
    terminal = Terminal(host)
    assert terminal.asked(AAC)[0] == AAC
    assert terminal.generate_ac(AAC, SECOND).sw == 0x6985
    assert terminal.respond(bytes(8)) == 0x6985


@pytest.mark.parametrize("response", ["none", "wrong", "declines", "of another card"])
def test_without_the_issuers_right_response_the_card_declines(host: Host, response: str) -> None:
    terminal = Terminal(host)
    _, atc, arqc = terminal.asked()
    given = {
        "wrong": issuer(atc, arqc, method=2)[:-1] + b"\x01",
        "declines": issuer(atc, arqc, method=2, approves=False),
        "of another card": issuer(atc, bytes(8), method=2),
    }.get(response)
    if given:
        assert terminal.respond(given) == 0x6300
        assert terminal.respond(issuer(atc, arqc, method=2)) == 0x6985  # one try
    assert read(terminal.generate_ac(TC, SECOND))[0] == AAC
    assert terminal.plain(Command(0x80, 0xCA, 0x9F, 0x13, le=256)).data == tlv(0x9F13, bytes(2))


@pytest.mark.parametrize("approves", [True, False])
def test_a_response_in_the_second_list_is_by_method_1(approves: bool) -> None:
    host = Host(Card().apdu)
    assert host.open().ok
    host.secured(Command(0x80, 0xE6, 0x20, 0, b"\x00\x00\x07" + APPLICATION_AID + bytes(3)))
    assert store(host, groups(host, **IN_THE_LIST)).ok
    terminal = Terminal(host)
    _, atc, arqc = terminal.asked()
    response = issuer(atc, arqc, method=1, approves=approves)
    assert terminal.respond(response) == 0x6985  # the AIP does not say so
    second = b"00" + response + TERMINAL_DATA
    assert read(terminal.generate_ac(TC, second))[0] == (TC if approves else AAC)


def test_what_is_not_asked_for_is_refused(host: Host) -> None:
    terminal = Terminal(host)
    assert terminal.respond(bytes(8)) == 0x6985
    for wrong in (TERMINAL_DATA[:-1], TERMINAL_DATA + b"\x00", b"", SECOND):
        assert terminal.generate_ac(ARQC, wrong).sw == 0x6700
    for p1 in (0xC0, 0x90, 0x81):
        assert terminal.generate_ac(p1, TERMINAL_DATA).sw == 0x6A86
    terminal.asked()
    for size in (7, 17):
        assert terminal.respond(bytes(size)) == 0x6700
    assert terminal.plain(Command(0, 0x82, 1, 0, bytes(8))).sw == 0x6A86
    assert terminal.generate_ac(TC, TERMINAL_DATA).sw == 0x6700
    assert terminal.generate_ac(ARQC, SECOND).sw == 0x6985
