"""The card as its vendor means it: what it does, and what it refuses."""

import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kif.formats.apdu import Command, Response
from kif.formats.dgi import Dgi, store_data
from kif.formats.scp03 import Options
from kif.formats.tlv import find, tlv
from kif.simulator.card import DOMAIN_AID, Card
from kif.simulator.emv import APPLICATION_AID
from kif.simulator.vendor import Vendor
from tests.simulator.host import LEVELS, Host, WrongResponseMac
from tests.simulator.script import (
    INSTALL,
    KEYS,
    RECORD,
    arqc_verifies,
    groups,
    personalise,
    store,
)

SELECT_APPLICATION = Command(0, 0xA4, 4, 0, APPLICATION_AID, 256)


@pytest.fixture
def card() -> Card:
    """A fresh card."""
    return Card()


@pytest.fixture
def host(card: Card) -> Host:
    """A host whose channel to the card is open, after INSTALL [for personalization]."""
    made = Host(card.apdu)
    assert made.open().ok
    assert made.secured(INSTALL).ok
    return made


MODES = [
    pytest.param(size, options, level, id=f"AES-{8 * size}-i={options.i:02X}-level={level:02X}")
    for size in (16, 24, 32)
    for options in map(Options, (0x00, 0x10, 0x20, 0x60, 0x70, 0x01, 0x71))
    for level in options.levels
]


def test_an_application_is_personalised_directly_where_its_domain_hands_nothing_on() -> None:
    manager = secrets.token_bytes(16)
    card = Card(vendor=Vendor("test", (manager,), direct=True), options=Options(0x70))
    host = Host(card.apdu, 0x33, manager)
    assert host.open().ok
    assert host.secured(INSTALL).sw == 0x6985
    assert host.plain(SELECT_APPLICATION).ok
    host = Host(card.apdu, 0x33, manager)
    assert host.card_proved
    assert host.open().ok
    assert host.secured(Command(0x80, 0xD8, 1, 0x81, bytes(9))).sw == 0x6D00
    assert store(host, groups(host)).ok
    assert card.application.personalised
    assert arqc_verifies(host)
    assert host.plain(SELECT_APPLICATION).ok
    again = Command(0x80, 0x50, 1, 0, bytes(8), 256)
    assert host.plain(again).sw == 0x6D00  # its application is a terminal's now


@pytest.mark.control("KIF-FMT-01")
@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_command_of_extended_length_is_secured(level: int) -> None:
    manager = secrets.token_bytes(16)
    card = Card(vendor=Vendor("test", (manager,), largest=1024), options=Options(0x70))
    host = Host(card.apdu, level, manager)
    assert host.open().ok
    assert host.secured(INSTALL).ok
    large = Dgi(0x0101, tlv(0x70, tlv(0x5F20, bytes(900))))
    assert host.secured(Command(0x80, 0xE2, 0x08, 0, large.encode())).sw == 0x9000
    assert host.secured(Command(0x80, 0xE2, 0x08, 1, bytes(1020))).sw == 0x6700
    assert Card().apdu(Command(0x80, 0xE2, 0x08, 1, bytes(256)).encode()) == b"\x67\x00"


@pytest.mark.parametrize(("size", "options", "level"), MODES)
def test_a_card_is_personalised_in_every_mode(size: int, options: Options, level: int) -> None:
    manager = secrets.token_bytes(size)
    card = Card(vendor=Vendor("test", (manager,)), options=options)
    host = Host(card.apdu, level, manager, options.size)
    personalise(host)
    assert card.application.personalised
    assert arqc_verifies(host)


def test_a_terminal_reads_what_was_personalised(host: Host) -> None:
    assert store(host, groups(host)).ok
    fci = host.plain(SELECT_APPLICATION)
    assert find(fci.data, 0x50) == b"TEST"
    options = host.plain(Command(0x80, 0xA8, 0, 0, b"\x83\x00", 256))
    assert find(options.data, 0x94) == b"\x08\x01\x01\x00"
    assert host.plain(Command(0, 0xB2, 1, 0x0C, le=256)).data == RECORD
    assert host.plain(Command(0, 0xB2, 2, 0x0C, le=256)).sw == 0x6A83
    assert host.plain(Command(0x80, 0xCA, 0x9F, 0x36, le=256)).data == tlv(0x9F36, b"\x00\x01")
    assert host.plain(Command(0x80, 0xCA, 0x9F, 0x17, le=256)).sw == 0x6A88  # it has no PIN
    assert host.plain(Command(0x80, 0xCA, 0x9F, 0x13, le=256)).data == tlv(0x9F13, bytes(2))
    assert host.plain(Command(0x80, 0xCA, 0x9F, 0x4F, le=256)).sw == 0x6A88


def test_each_transaction_begins_with_its_processing_options(host: Host) -> None:
    store(host, groups(host))
    assert arqc_verifies(host)
    assert host.plain(SELECT_APPLICATION).ok
    assert host.plain(Command(0x80, 0xAE, 0x80, 0, bytes(29), 256)).sw == 0x6985
    assert arqc_verifies(host)
    assert host.plain(Command(0x80, 0xCA, 0x9F, 0x36, le=256)).data[-2:] == b"\x00\x02"


UNKNOWN_GROUP = Dgi(0x9999, b"\x00").encode()


@pytest.mark.parametrize(("block", "data", "sw"), [(5, b"", 0x6A86), (1, UNKNOWN_GROUP, 0x6A88)])
def test_a_refusal_has_the_blocks_counted_from_the_beginning(
    host: Host, block: int, data: bytes, sw: int
) -> None:
    first, *_ = groups(host, x8000=None)
    assert host.secured(Command(0x80, 0xE2, 0x08, 0, first.encode())).ok
    assert host.secured(Command(0x80, 0xE2, 0x08, block, data)).sw == sw
    assert host.secured(Command(0x80, 0xE2, 0x08, 2, first.encode())).sw == 0x6A86
    assert host.secured(Command(0x80, 0xE2, 0x08, 0, first.encode())).ok


def test_a_decline_is_an_aac(host: Host) -> None:
    store(host, groups(host))
    host.plain(SELECT_APPLICATION)
    host.plain(Command(0x80, 0xA8, 0, 0, b"\x83\x00", 256))
    answer = host.plain(Command(0x80, 0xAE, 0x00, 0, bytes(29), 256))
    assert find(answer.data, 0x9F27) == b"\x00"


def test_a_blank_card_is_selected_but_pays_nothing(host: Host) -> None:
    assert find(host.plain(SELECT_APPLICATION).data, 0x50) == b"TEST DEBIT"
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
    "options without an AFL": ({"x9104": tlv(0x82, b"\x18\x00")}, 0x6A80),
    "options that are no TLV": ({"x9104": b"\x82\x05\x18"}, 0x6A80),
    "issuer data without 9F10": ({"x9200": b""}, 0x6A80),
    "a reserved grouping": ({"x7FF0": b"x"}, 0x6A88),
}


@pytest.mark.parametrize("case", REFUSED)
def test_incomplete_or_wrong_data_is_refused(card: Card, host: Host, case: str) -> None:
    changed, status = REFUSED[case]
    assert store(host, groups(host, **changed)).sw == status
    assert not card.application.personalised


def test_a_personalised_card_takes_nothing_more(host: Host) -> None:
    store(host, groups(host))
    assert host.secured(INSTALL).ok
    assert store(host, groups(host)).sw == 0x6985


def test_blocks_come_in_their_order(host: Host) -> None:
    first, second, *_ = store_data(groups(host), 200)
    assert host.secured(second).sw == 0x6A86
    assert host.secured(first).ok
    assert host.secured(first).sw == 0x6A86


@pytest.mark.parametrize("p1", [0x00, 0x10, 0x28, 0x60, 0x0A])
def test_only_groupings_plain_or_encrypted_are_stored(host: Host, p1: int) -> None:
    assert host.secured(Command(0x80, 0xE2, p1, 0, Dgi(0x0101, RECORD[:3]).encode())).sw == 0x6A86


def test_whether_a_grouping_is_answered_p1_says(host: Host) -> None:
    asked = Dgi(0x7F49, bytes.fromhex("0400")).encode()
    record = Dgi(0x0101, bytes.fromhex("70035F2000")).encode()
    assert host.secured(Command(0x80, 0xE2, 0x09, 0, record)).sw == 0x6A86
    assert host.secured(Command(0x80, 0xE2, 0x08, 0, asked)).sw == 0x6A86
    assert host.secured(Command(0x80, 0xE2, 0x09, 0, asked, 256)).data[:2] == b"\x7f\x49"
    for bits in ("03F8", "07C8", "0401", "04", "040000"):
        wrong = Dgi(0x7F49, bytes.fromhex(bits)).encode()
        assert host.secured(Command(0x80, 0xE2, 0x09, 1, wrong, 256)).sw == 0x6A80
        assert host.secured(Command(0x80, 0xE2, 0x09, 0, asked, 256)).ok


def test_a_grouping_cut_off_at_the_last_block_is_refused(card: Card, host: Host) -> None:
    cut = Dgi(0x0101, RECORD).encode()[:100]
    assert host.secured(Command(0x80, 0xE2, 0x88, 0, cut)).sw == 0x6A80
    assert not card.application.personalised


def test_a_refused_last_block_ends_the_script(host: Host) -> None:
    refused = store_data([Dgi(0x7FF0, b"x")], 200)[0]
    assert host.secured(refused).sw == 0x6A88
    assert host.secured(refused).sw == 0x6985


def test_keys_in_clear_are_refused(host: Host) -> None:
    assert host.secured(store_data([Dgi(0x8000, KEYS)], 200)[0]).sw == 0x6A80


@pytest.mark.parametrize("level", LEVELS[1:], ids=lambda level: f"{level:02X}")
def test_a_wrong_mac_ends_the_session(card: Card, level: int) -> None:
    host = Host(card.apdu, level)
    assert host.open().ok
    host.chaining = bytes(16)
    assert host.secured(INSTALL).sw == 0x6982
    assert host.plain(INSTALL).sw == 0x6982


def test_an_unprotected_command_ends_a_protected_session(host: Host) -> None:
    assert host.plain(INSTALL).sw == 0x6982
    assert host.secured(INSTALL).sw == 0x6982


def test_a_script_does_not_go_on_in_another_session(card: Card, host: Host) -> None:
    first, second, *_ = store_data(groups(host), 200)
    assert host.secured(first).ok
    other = Host(card.apdu)
    assert other.open().ok
    assert other.secured(second).sw == 0x6985


def test_nothing_is_stored_without_a_session() -> None:
    card = Card()
    for command in (INSTALL, store_data([Dgi(0x0101, RECORD)], 200)[0]):
        assert Response.decode(card.apdu(command.encode())).sw == 0x6982


def test_a_wrong_host_cryptogram_opens_nothing(card: Card) -> None:
    host = Host(card.apdu)
    host.host_cryptogram = bytes(8)
    assert host.open().sw == 0x6300
    assert host.secured(INSTALL).sw == 0x6982


def test_a_security_level_that_does_not_exist_opens_nothing(card: Card) -> None:
    host = Host(card.apdu, 0x31)
    assert host.open().sw == 0x6A86
    assert host.plain(INSTALL).sw == 0x6982


@pytest.mark.parametrize(("i", "level"), [(0x00, 0x11), (0x10, 0x33), (0x20, 0x33), (0x30, 0x33)])
def test_a_level_that_the_card_can_not_opens_nothing(i: int, level: int) -> None:
    host = Host(Card(options=Options(i)).apdu, level)
    assert host.open().sw == 0x6A86
    assert host.secured(INSTALL).sw == 0x6982


UNKNOWN = Command(0x80, 0x99, 0, 0, b"\x01")


@pytest.mark.parametrize("level", LEVELS[1:], ids=lambda level: f"{level:02X}")
def test_the_mac_of_an_unknown_command_is_looked_at_first(card: Card, level: int) -> None:
    """Amendment D, 5.5 and 6.2.4: the chain goes on, and so does the session."""
    host = Host(card.apdu, level)
    assert host.open().ok
    assert host.secured(UNKNOWN).sw == 0x6D00
    assert host.secured(INSTALL).ok
    host.chaining = bytes(16)
    assert host.secured(UNKNOWN).sw == 0x6982
    assert host.secured(INSTALL).sw == 0x6982


@pytest.mark.parametrize("command", [UNKNOWN, Command(0x00, 0xCA, 0x9F, 0x7F, le=256)])
def test_whatever_comes_without_a_mac_ends_a_protected_session(
    host: Host, command: Command
) -> None:
    assert host.plain(command).sw == 0x6982
    assert host.secured(INSTALL).sw == 0x6982


@pytest.mark.parametrize("cla", [0x01, 0x03, 0x81, 0x83, 0x85])
def test_there_is_one_logical_channel(host: Host, cla: int) -> None:
    assert host.plain(Command(cla, 0xA4, 4, 0, DOMAIN_AID, 256)).sw == 0x6881
    assert host.secured(INSTALL).ok


def test_a_reset_forgets_the_session_and_keeps_the_memory(card: Card, host: Host) -> None:
    store(host, groups(host))
    card.reset()
    assert host.secured(INSTALL).sw == 0x6982
    assert card.application.personalised


def test_selecting_what_is_not_there_leaves_the_session(host: Host) -> None:
    assert host.plain(Command(0, 0xA4, 4, 0, bytes(7), 256)).sw == 0x6A82
    assert host.secured(INSTALL).ok
    assert host.plain(Command(0, 0xA4, 4, 0, DOMAIN_AID, 256)).ok
    assert host.secured(INSTALL).sw == 0x6982


def test_the_sequence_counter_and_challenge_change_with_each_session(card: Card) -> None:
    update = Command(0x80, 0x50, 1, 0, bytes(8), 256).encode()
    first, second = (Response.decode(card.apdu(update)).data for _ in range(2))
    assert (first[-3:], second[-3:]) == (b"\x00\x00\x01", b"\x00\x00\x02")
    assert first[13:21] != second[13:21]


def test_a_spoilt_answer_is_noticed_by_the_host(card: Card) -> None:
    host = Host(card.apdu, 0x11)
    host.open()
    host.rmac = bytes(16)
    with pytest.raises(WrongResponseMac):
        host.secured(INSTALL)


APPLICATION_COMMANDS = ("00A8000000", "80B2010C00", "00AE800000", "00CA9F3600")


@pytest.mark.parametrize("raw", APPLICATION_COMMANDS)
def test_the_application_has_its_classes(card: Card, raw: str) -> None:
    card.apdu(SELECT_APPLICATION.encode())
    assert card.apdu(bytes.fromhex(raw)) == b"\x6e\x00"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("00A4040007A0000000000000", "6A82"),
        ("80500200080000000000000000", "6A88"),
        ("80500101080000000000000000", "6A86"),
        ("80500100070000000000000000"[:24], "6700"),
        ("00500100080000000000000000", "6E00"),
        ("00E62000", "6E00"),
        ("80820100100000000000000000000000000000000000", "6E00"),
        ("80A4040000", "6E00"),
        ("00A4000000", "6A86"),
        ("8099000000", "6D00"),
        ("F0500100080000000000000000", "6E00"),
        ("8050", "6700"),
        ("84820100100000000000000000000000000000000000", "6985"),
    ],
)
def test_other_commands_have_their_status(raw: str, status: str) -> None:
    assert Card().apdu(bytes.fromhex(raw)).hex().upper() == status


GET_DATA = {
    "42": "4203999999",
    "45": "45084B49462D54455354",
    "66": "6631732F06072A864886FC6B01600C060A2A864886FC6B02020301630906072A864886FC6B03"
    "640B06092A864886FC6B040370",
    "C1": "C103000000",
    "E0": "E012C00401018810C00402018810C00403018810",
}


@pytest.mark.parametrize("tag", GET_DATA)
def test_the_domain_tells_what_it_is(card: Card, tag: str) -> None:
    answer = Response.decode(card.apdu(Command(0x80, 0xCA, 0, int(tag, 16), le=256).encode()))
    assert (answer.data.hex().upper(), answer.sw) == (GET_DATA[tag], 0x9000)


def test_the_life_cycle_data_has_the_cards_serial_number(card: Card) -> None:
    answer = Response.decode(card.apdu(Command(0x80, 0xCA, 0x9F, 0x7F, le=256).encode()))
    data = find(answer.data, 0x9F7F)
    assert data is not None
    assert (len(data), data[12:16]) == (42, card.serial[-4:])


def test_the_counter_is_told_and_begins_anew_with_other_keys(card: Card) -> None:
    for expected in (1, 2):
        host = Host(card.apdu)
        assert host.open().ok
        told = host.secured(Command(0x80, 0xCA, 0x00, 0xC1, le=256))
        assert find(told.data, 0xC1) == expected.to_bytes(3, "big")


@pytest.mark.parametrize(("p1", "p2"), [(0, 0), (0, 0x67), (0x9F, 0x36), (0xFF, 0x21)])
def test_other_data_there_is_not(card: Card, p1: int, p2: int) -> None:
    assert card.apdu(Command(0x80, 0xCA, p1, p2, le=256).encode()) == b"\x6a\x88"


def test_no_two_cards_have_one_serial() -> None:
    assert len({Card().serial for _ in range(100)}) == 100


COMMANDS = st.builds(
    Command,
    st.sampled_from((0x00, 0x80, 0x84)),
    st.sampled_from((0x50, 0x82, 0xA4, 0xE6, 0xE2, 0xA8, 0xAE, 0xB2, 0xCA, 0x99)),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=247),
    st.sampled_from((None, 256)),
).map(Command.encode)


@given(st.lists(COMMANDS | st.binary(max_size=300), max_size=8))
def test_whatever_comes_is_answered(commands: list[bytes]) -> None:
    card = Card()
    for raw in commands:
        assert len(card.apdu(raw)) >= 2
    assert not card.application.personalised


BLOCKS = st.binary(max_size=200) | st.builds(
    lambda identifier, data: Dgi(identifier, data).encode(),
    st.sampled_from((0x0101, 0x8000, 0x9000, 0x9102, 0x9104, 0x9200)),
    st.binary(max_size=100),
)


@given(st.lists(st.tuples(st.sampled_from((0x08, 0x68, 0x88)), BLOCKS), max_size=8))
@settings(deadline=None)
def test_no_script_but_a_right_one_personalises(blocks: list[tuple[int, bytes]]) -> None:
    card = Card()
    host = Host(card.apdu)
    host.open()
    host.secured(INSTALL)
    for number, (p1, data) in enumerate(blocks):
        host.secured(Command(0x80, 0xE2, p1, number, data))
    assert not card.application.personalised
    host.plain(SELECT_APPLICATION)
    assert host.plain(Command(0x80, 0xA8, 0, 0, b"\x83\x00", 256)).sw == 0x6985
