"""A supplementary security domain: keys of its own, and an application that belongs to it."""

from __future__ import annotations

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.content import install_for_extradition, install_instance
from kif.formats.putkey import KeyField, key_information, put_key
from kif.oracle.recipe import selection
from kif.simulator.card import Card
from kif.simulator.emv import APPLICATION_AID
from kif.simulator.vendor import BARE_TEST_VENDOR, check_value
from tests.simulator.host import Host, card_key, cbc
from tests.simulator.test_content import APPLICATION, DOMAIN, loaded, opened

AID = bytes.fromhex(DOMAIN.aid)
OWN, VERSION = b"TEST DOMAIN KEY!", 0x20
VENDORS = BARE_TEST_VENDOR.keys[0]
EXTRADITION = install_for_extradition(APPLICATION_AID, AID)
PERSONALIZATION = Command(
    0x80, 0xE6, 0x20, 0, bytes((0, 0, len(APPLICATION_AID))) + APPLICATION_AID + bytes(3), 256
)


def session(
    card: Card, aid: bytes, manager: bytes = VENDORS, version: int = 1, level: int = 0x33
) -> Host:
    assert card.apdu(selection(aid))[-2:] == b"\x90\x00"
    host = Host(card.apdu, level, manager, version=version)
    assert host.card_proved
    assert host.open().ok
    return host


def own_keys(card: Card, host: Host, replaced: int = 0) -> Command:
    """Return PUT KEY with keys derived from OWN."""
    return set_of(card, host, OWN, VERSION, replaced)


def with_domain() -> Card:
    """Return a card with an application, and a domain without keys."""
    card, host = opened()
    assert loaded(host) == 0x9000
    for instance in (APPLICATION, DOMAIN):
        assert host.secured(install_instance(instance)).ok
    return card


def with_keys() -> Card:
    """Return the same card after its domain got keys."""
    card = with_domain()
    host = session(card, AID)
    assert host.secured(own_keys(card, host)).ok
    return card


def test_an_extradition_reads_as_the_specification_has_it() -> None:
    assert EXTRADITION.encode().hex().upper() == (
        "80E6100018" + "0B" + DOMAIN.aid + "00" + "07A0000000999999" + "000000" + "00"
    )


def test_a_domain_has_its_first_sessions_by_the_keys_of_the_one_above_and_then_by_its_own() -> None:
    card = with_domain()
    host = session(card, AID)
    assert host.secured(own_keys(card, host, replaced=1)).sw == 0x6A88  # there are none
    taken = host.secured(own_keys(card, host))
    assert taken.data[:1] == bytes((VERSION,))
    assert host.plain(Command(0x80, 0x50, 1, 0, bytes(8), 256)).sw == 0x6A88
    mine = session(card, AID, OWN, VERSION)
    told = mine.secured(Command(0x80, 0xCA, 0x00, 0xE0, le=256))
    assert told.data == key_information([(VERSION, 16)])
    assert mine.secured(own_keys(card, mine)).sw == 0x6A80  # there is one of this version
    assert mine.secured(own_keys(card, mine, replaced=VERSION)).ok
    assert session(card, bytes.fromhex("A000000151000000")).card_proved  # the card's are its own
    listed = session(card, bytes.fromhex("A000000151000000")).secured(
        Command(0x80, 0xF2, 0x40, 0x02, b"\x4f\x00", 256)
    )
    assert f"{DOMAIN.aid}9F70010FC503800000" in listed.data.hex().upper()  # PERSONALIZED


def test_an_application_is_personalised_by_the_domain_that_it_belongs_to() -> None:
    card = with_keys()
    issuer = bytes.fromhex("A000000151000000")
    assert session(card, AID, OWN, VERSION).secured(PERSONALIZATION).sw == 0x6985
    above = session(card, issuer)
    assert above.secured(EXTRADITION).data == b"\x00"
    assert above.secured(EXTRADITION).sw == 0x6985
    assert above.secured(PERSONALIZATION).sw == 0x6985
    listed = above.secured(Command(0x80, 0xF2, 0x40, 0x02, b"\x4f\x07" + APPLICATION_AID, 256))
    assert listed.data.hex().upper().endswith(f"CC0B{DOMAIN.aid}")
    assert above.secured(Command(0x80, 0xE4, 0, 0, b"\x4f\x0b" + AID)).sw == 0x6985
    mine = session(card, AID, OWN, VERSION)
    assert mine.secured(PERSONALIZATION).ok
    keys = bytes(range(48))
    data = bytes.fromhex("800030") + cbc(mine.dek, keys)
    assert mine.secured(Command(0x80, 0xE2, 0x68, 0, data, 256)).ok
    assert card.application._keys == [keys[:16], keys[16:32], keys[32:]]


WRONG = {
    "a domain without keys": (with_domain, EXTRADITION, 0x6985),
    "a domain that there is not": (
        with_keys,
        install_for_extradition(APPLICATION_AID, AID + b"\x01"),
        0x6A88,
    ),
    "an application that there is not": (with_keys, install_for_extradition(AID[:6], AID), 0x6A88),
    "a domain": (with_keys, install_for_extradition(AID, AID), 0x6A88),
    "other fields": (with_keys, Command(0x80, 0xE6, 0x10, 0, b"\x01", 256), 0x6A80),
    "a token": (
        with_keys,
        Command(0x80, 0xE6, 0x10, 0, EXTRADITION.data[:-1] + b"\x01\x00", 256),
        0x6A80,
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_can_not_be_extradited_stays_where_it_is(case: str) -> None:
    made, command, status = WRONG[case]
    card = made()
    assert session(card, bytes.fromhex("A000000151000000")).secured(command).sw == status
    assert card.registry.owners == {}


@pytest.mark.parametrize("instruction", [0xE8, 0xE4, 0xF0, 0xF2])
def test_a_domain_changes_nothing_of_the_card(instruction: int) -> None:
    card = with_keys()
    mine = session(card, AID, OWN, VERSION, level=0x01)
    assert mine.secured(Command(0x80, instruction, 0x80, 0, b"\x4f\x00", 256)).sw == 0x6D00
    assert mine.secured(install_instance(DOMAIN)).sw == 0x6985
    assert mine.secured(EXTRADITION).sw == 0x6985


CARD, OTHER = bytes.fromhex("A000000151000000"), 0x21
OTHERS = b"TEST OTHER KEYS!"


def set_of(card: Card, host: Host, manager: bytes, version: int, replaced: int = 0) -> Command:
    """Return PUT KEY with keys of a manager, under the Key-DEK of a session."""
    made = [card_key(manager, kind, card.serial) for kind in (1, 2, 3)]
    fields = [KeyField(16, cbc(host.dek, key), check_value(key)) for key in made]
    return put_key(replaced, version, fields)


def delete_keys(data: str) -> Command:
    return Command(0x80, 0xE4, 0, 0, bytes.fromhex(data), 256)


def test_a_domain_has_key_sets_side_by_side_and_opens_by_any_until_it_is_deleted() -> None:
    card, host = opened()
    assert host.secured(set_of(card, host, OWN, VERSION)).ok
    # The session goes on by the Key-DEK that it began with.
    assert host.secured(set_of(card, host, OTHERS, OTHER)).ok
    told = host.secured(Command(0x80, 0xCA, 0x00, 0xE0, le=256))
    assert told.data == key_information([(1, 16), (VERSION, 16), (OTHER, 16)])
    for manager, version in ((VENDORS, 0), (VENDORS, 1), (OWN, VERSION), (OTHERS, OTHER)):
        mine = session(card, CARD, manager, version)
    assert mine.secured(delete_keys(f"D201{OTHER:02X}")).sw == 0x6985  # in use
    assert mine.secured(delete_keys("D20101")) == Response(b"\x00", 0x9000)
    assert mine.secured(delete_keys("D20101")).sw == 0x6A88
    assert mine.plain(Command(0x80, 0x50, 1, 0, bytes(8), 256)).sw == 0x6A88
    assert session(card, CARD, OWN, 0).card_proved  # the first that is left


def test_a_set_is_replaced_in_its_place_and_no_two_have_a_version() -> None:
    card, host = opened()
    assert host.secured(set_of(card, host, OWN, VERSION)).ok
    assert host.secured(set_of(card, host, OTHERS, VERSION)).sw == 0x6A80
    assert host.secured(set_of(card, host, OTHERS, VERSION, replaced=1)).sw == 0x6A80
    assert host.secured(set_of(card, host, OTHERS, OTHER, replaced=3)).sw == 0x6A88
    assert host.secured(set_of(card, host, OTHERS, OTHER, replaced=1)).ok
    versions = [each.version for each in card.registry.domains[CARD].sets]
    assert versions == [OTHER, VERSION]


@pytest.mark.parametrize(
    "data", ["D200", "D2020101", "D00101", "D00101D20101", "D20101D20120", "D2"]
)
def test_what_names_no_set_deletes_none(data: str) -> None:
    card, host = opened()
    assert host.secured(set_of(card, host, OWN, VERSION)).ok
    assert host.secured(delete_keys(data)).sw == 0x6A80
    wrong = Command(0x80, 0xE4, 0, 0x80, bytes.fromhex("D20101"), 256)
    assert host.secured(wrong).sw == 0x6A86
    assert len(card.registry.domains[CARD].sets) == 2
