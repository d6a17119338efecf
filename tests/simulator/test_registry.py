"""The simulated card's life cycle and content: SET STATUS, GET STATUS, DELETE."""

from __future__ import annotations

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.elements import PAYMENT_SYSTEM_ENVIRONMENT, PROXIMITY_ENVIRONMENT
from kif.formats.lifecycle import CardState, get_status, life_cycle, set_status
from kif.simulator.card import DOMAIN_AID, Card
from kif.simulator.emv import APPLICATION_AID
from tests.simulator.host import Host
from tests.simulator.script import INSTALL

OP_READY, INITIALIZED, SECURED, CARD_LOCKED, TERMINATED = CardState
SELECT_CARD = Command(0, 0xA4, 4, 0, DOMAIN_AID, 256)
SELECT_APPLICATION = Command(0, 0xA4, 4, 0, APPLICATION_AID, 256)
DELETE = Command(0x80, 0xE4, 0, 0, b"\x4f\x07" + APPLICATION_AID)


def host(state: CardState = OP_READY) -> tuple[Card, Host]:
    card = Card()
    card.registry.state = state
    opened = Host(card.apdu, level=0x33)
    assert opened.open().ok
    return card, opened


POSSIBLE = {
    (OP_READY, INITIALIZED),
    (INITIALIZED, SECURED),
    (SECURED, CARD_LOCKED),
    (CARD_LOCKED, SECURED),
    *((state, TERMINATED) for state in CardState if state is not TERMINATED),
}


@pytest.mark.parametrize("after", CardState)
@pytest.mark.parametrize("before", set(CardState) - {TERMINATED})
def test_a_card_goes_along_its_life_cycle(before: CardState, after: CardState) -> None:
    card, opened = host(before)
    right = (before, after) in POSSIBLE
    assert opened.secured(set_status(after)).sw == (0x9000 if right else 0x6985)
    assert card.registry.state is (after if right else before)


@pytest.mark.parametrize("p2", [0x00, 0x03, 0x83])
def test_no_other_state_is_taken(p2: int) -> None:
    card, opened = host()
    assert opened.secured(Command(0x80, 0xF0, 0x80, p2)).sw == 0x6985
    assert opened.secured(Command(0x80, 0xF0, 0x40, 0x07)).sw == 0x6A86
    assert opened.secured(Command(0x80, 0xF0, 0x80, 0x07, APPLICATION_AID)).sw == 0x6A88
    assert card.registry.state is OP_READY


@pytest.mark.parametrize("command", [set_status(INITIALIZED), get_status(), DELETE])
def test_without_a_session_nothing_is_told_or_changed(command: Command) -> None:
    card = Card()
    assert card.apdu(command.encode()) == b"\x69\x82"
    assert (card.registry.state, APPLICATION_AID in card.registry.applications) == (OP_READY, True)


def test_the_card_tells_its_state_and_what_is_on_it() -> None:
    _, opened = host()
    card = opened.secured(get_status())
    assert life_cycle(card.data) == OP_READY
    assert card.data.hex().upper() == "E3134F08A0000001510000009F700101C5039EDE80"
    applications = opened.secured(get_status(0x40))
    owner = "CC08A000000151000000"
    listed = f"E31C4F07A00000009999999F700107C503000000{owner}"
    directory = PAYMENT_SYSTEM_ENVIRONMENT.hex().upper()
    proximity = PROXIMITY_ENVIRONMENT.hex().upper()
    listed += "".join(f"E3234F0E{each}9F700107C503000000{owner}" for each in (directory, proximity))
    assert applications.data.hex().upper() == listed
    files = opened.secured(get_status(0x20)).data.hex().upper()
    domains, directories = "4F07A0000001515350", "4F07A0000000999901"
    application = "4F07A0000000999900"
    assert files == "".join(f"E30D{each}9F700101" for each in (domains, directories, application))
    with_modules = opened.secured(get_status(0x10)).data.hex().upper()
    assert f"E317{application}9F7001018408A000000099990001" in with_modules
    for several in (0x30, 0x90):
        assert opened.secured(get_status(several)).sw == 0x6A86
    begins = Command(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F05A000000099"), 256)
    assert opened.secured(begins).data.hex().upper() == listed[:60]
    other = Command(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F05A000000151"), 256)
    assert opened.secured(other).sw == 0x6A88
    assert opened.secured(Command(0x80, 0xF2, 0x80, 0x00, b"\x4f\x00", 256)).sw == 0x6A86
    for wrong in (b"\x4f", b"\x5c\x01\x4f", b""):
        assert opened.secured(Command(0x80, 0xF2, 0x80, 0x02, wrong, 256)).sw == 0x6A80


def test_an_application_that_was_deleted_is_gone() -> None:
    card, opened = host()
    assert opened.secured(DELETE) == Response(b"\x00", 0x9000)
    assert opened.secured(DELETE).sw == 0x6A88
    assert APPLICATION_AID not in opened.secured(get_status(0x40)).data
    assert opened.secured(INSTALL).sw == 0x6A80
    assert card.apdu(SELECT_APPLICATION.encode()) == b"\x6a\x82"
    for wrong in (Command(0x80, 0xE4, 0, 0x80, DELETE.data), Command(0x80, 0xE4, 0, 0, b"\x4f")):
        assert opened.plain(wrong).sw == 0x6982  # SELECT ended the session


def test_nothing_is_changed_on_a_locked_card() -> None:
    card, opened = host(CARD_LOCKED)
    for command in (INSTALL, DELETE, Command(0x80, 0xE2, 0x88, 0), Command(0x80, 0xD8, 1, 0x81)):
        assert opened.secured(command).sw == 0x6985
    assert life_cycle(opened.secured(get_status()).data) == CARD_LOCKED
    assert card.apdu(SELECT_APPLICATION.encode()) == b"\x6a\x82"
    assert Response.decode(card.apdu(SELECT_CARD.encode())).sw == 0x6283


def test_a_terminated_card_tells_what_it_is_and_no_more() -> None:
    card, opened = host()
    assert opened.secured(set_status(TERMINATED)).ok
    assert card.apdu(SELECT_CARD.encode()) == b"\x69\x85"
    card.reset()
    assert Response.decode(card.apdu(Command(0x80, 0xCA, 0x9F, 0x7F, le=256).encode())).ok
