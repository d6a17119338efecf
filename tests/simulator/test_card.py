"""The card as its vendor means it: what it does, and what it refuses."""

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from kif.formats.apdu import Command, Response
from kif.formats.dgi import Dgi, store_data
from kif.formats.tlv import find, tlv
from kif.simulator.card import Card
from kif.simulator.emv import APPLICATION_AID
from tests.simulator.host import Host, cbc

KEYS = bytes(range(48))
INSTALL = Command(0x80, 0xE6, 0x20, 0, b"\x00\x00\x07" + APPLICATION_AID + bytes(3))
RECORD = tlv(0x70, tlv(0x5F20, b"TEST/CARD") + tlv(0x9F1F, bytes(300)))


def kcv(key: bytes) -> bytes:
    return Cipher(TripleDES(key + key[:8]), modes.ECB()).encryptor().update(bytes(8))[:3]  # noqa: S305


CHECKS = b"".join(kcv(KEYS[at : at + 16]) for at in (0, 16, 32))


@pytest.fixture
def host() -> Host:
    """A host whose channel to a fresh card is open, after INSTALL [for personalization]."""
    made = Host(Card())
    assert made.open().ok
    assert made.secured(INSTALL).ok
    return made


def groups(host: Host, **changed: bytes | None) -> list[Dgi]:
    contents: dict[str, bytes | None] = {
        "x8000": cbc(host.dek, KEYS),
        "x9000": CHECKS,
        "x9200": tlv(0x9F10, bytes.fromhex("06011203A00000")),
        "x9104": tlv(0x82, b"\x18\x00") + tlv(0x94, b"\x08\x01\x01\x00"),
        "x9102": tlv(0x50, b"TEST"),
        "x0101": RECORD,
    }
    contents.update(changed)
    return [
        Dgi(int(name[1:], 16), data, name == "x8000")
        for name, data in contents.items()
        if data is not None
    ]


def store(host: Host, dgis: list[Dgi]) -> Response:
    response = Response(b"", 0)
    for command in store_data(dgis, 200):
        response = host.secured(command)
        if not response.ok:
            break
    return response


def test_a_card_is_personalised_and_read_by_a_terminal(host: Host) -> None:
    assert store(host, groups(host)).ok
    fci = host.plain(Command(0, 0xA4, 4, 0, APPLICATION_AID, 256))
    assert find(fci.data, 0x50) == b"TEST"
    options = host.plain(Command(0x80, 0xA8, 0, 0, b"\x83\x00", 256))
    assert find(options.data, 0x94) == b"\x08\x01\x01\x00"
    assert host.plain(Command(0, 0xB2, 1, 0x0C, le=256)).data == RECORD
    assert host.plain(Command(0, 0xB2, 2, 0x0C, le=256)).sw == 0x6A83
    ac = host.plain(Command(0x80, 0xAE, 0x80, 0, bytes(29), 256))
    assert find(ac.data, 0x9F27) == b"\x80"
    assert find(ac.data, 0x9F36) == b"\x00\x01"
    assert len(find(ac.data, 0x9F26) or b"") == 8
    assert host.plain(Command(0x80, 0xAE, 0x80, 0, bytes(29), 256)).sw == 0x6985  # GPO first


def test_a_blank_card_is_selected_but_pays_nothing(host: Host) -> None:
    assert host.plain(Command(0, 0xA4, 4, 0, APPLICATION_AID, 256)).ok
    assert host.plain(Command(0x80, 0xA8, 0, 0, b"\x83\x00", 256)).sw == 0x6985


REFUSED: dict[str, tuple[dict[str, bytes | None], int]] = {
    "no keys": ({"x8000": None}, 0x6A80),
    "no check values": ({"x9000": None}, 0x6A80),
    "no processing options": ({"x9104": None}, 0x6A80),
    "no issuer application data": ({"x9200": None}, 0x6A80),
    "no record": ({"x0101": None}, 0x6A80),
    "wrong check values": ({"x9000": bytes(9)}, 0x6982),
    "keys cut short": ({"x8000": bytes(32)}, 0x6A80),
    "a record without its template": ({"x0101": b"\x5f\x20\x00"}, 0x6A80),
    "a reserved grouping": ({"x7FF0": b"x"}, 0x6A88),
}


@pytest.mark.parametrize("case", REFUSED)
def test_incomplete_or_wrong_data_is_refused(host: Host, case: str) -> None:
    changed, status = REFUSED[case]
    assert store(host, groups(host, **changed)).sw == status
    assert not host.card.application.personalised


def test_a_personalised_card_takes_nothing_more(host: Host) -> None:
    store(host, groups(host))
    assert host.secured(INSTALL).ok
    assert store(host, groups(host)).sw == 0x6985


def test_blocks_come_in_their_order(host: Host) -> None:
    first, second, *_ = store_data(groups(host), 200)
    assert host.secured(second).sw == 0x6A86
    assert host.secured(first).ok


def test_keys_in_clear_are_refused(host: Host) -> None:
    assert host.secured(store_data([Dgi(0x8000, KEYS)], 200)[0]).sw == 0x6A80


def test_a_wrong_mac_ends_the_session(host: Host) -> None:
    host.chaining = bytes(16)
    assert host.secured(INSTALL).sw == 0x6982
    assert Response.decode(host.card.apdu(INSTALL.encode())).sw == 0x6982


def test_nothing_is_stored_without_a_session() -> None:
    card = Card()
    for command in (INSTALL, store_data([Dgi(0x0101, RECORD)], 200)[0]):
        assert Response.decode(card.apdu(command.encode())).sw == 0x6982


def test_a_wrong_host_cryptogram_opens_nothing() -> None:
    host = Host(Card())
    host.host_cryptogram = bytes(8)
    assert host.open().sw == 0x6300
    assert host.secured(INSTALL).sw == 0x6982


def test_a_reset_forgets_the_session_and_keeps_the_memory(host: Host) -> None:
    store(host, groups(host))
    host.card.reset()
    assert host.secured(INSTALL).sw == 0x6982
    assert host.card.application.personalised


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("00A4040007A0000000000000", "6A82"),
        ("80500200080000000000000000", "6A88"),
        ("80500100070000000000000000"[:24], "6700"),
        ("8099000000", "6D00"),
        ("F0500100080000000000000000", "6E00"),
        ("8050", "6700"),
        ("84820100100000000000000000000000000000000000", "6985"),
    ],
)
def test_other_commands_have_their_status(raw: str, status: str) -> None:
    assert Card().apdu(bytes.fromhex(raw)).hex().upper() == status


def test_no_two_cards_have_one_serial() -> None:
    assert len({Card().serial for _ in range(100)}) == 100
