"""What a terminal sees, of simulated cards and of answers by other forms."""

from __future__ import annotations

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.error import BadInput, CheckFailed
from kif.formats.link import CardLink
from kif.formats.tlv import tlv
from kif.quality.terminal import Object, read_card
from kif.simulator.card import Card
from kif.simulator.emv import APPLICATION_AID
from tests.simulator.host import Host
from tests.simulator.script import personalise

PAN, OTHER = "5A0899999999000000" + "14", bytes.fromhex("A0000000041010")
RECORD = tlv(0x70, bytes.fromhex(PAN) + tlv(0x5F24, b"\x31\x02\x28"))


class Scripted(CardLink):
    """A card that answers these commands (hex, without Le), and 6A82 else."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = {name.upper(): data for name, data in answers.items()}

    def transmit(self, raw: bytes) -> bytes:
        command = Command.decode(raw)
        name = "C" + command.header.hex().upper() + command.data.hex().upper()
        data = self.answers.get(name)
        return Response(data or b"", 0x6A82 if data is None else 0x9000).encode()


class Wire(CardLink):
    def __init__(self, card: Card) -> None:
        self.card = card

    def transmit(self, command: bytes) -> bytes:
        return self.card.apdu(command)


def test_a_simulated_card_is_read_whole() -> None:
    card = Card()
    personalise(Host(card.apdu))
    (reading,) = read_card(Wire(card), [OTHER, APPLICATION_AID])
    assert reading.application == APPLICATION_AID
    shown = {each.tag: (each.where, each.shown(clear=False)) for each in reading.objects}
    assert shown[0x50] == ("selection", "54455354")
    assert shown[0x82] == ("processing options", "1C00")
    assert shown[0x5F20] == ("SFI 1 record 1", b"TEST/CARD".hex().upper())
    assert shown[0x9F36] == ("data", "0001")
    assert 0x9F17 not in shown  # it has no PIN


SELECT = "C00A40400"
PPSE = {
    SELECT + b"2PAY.SYS.DDF01".hex(): tlv(0x6F, tlv(0xA5, tlv(0xBF0C, tlv(0x61, tlv(0x4F, OTHER)))))
}
PSE = {
    SELECT + b"1PAY.SYS.DDF01".hex(): tlv(0x6F, tlv(0xA5, tlv(0x88, b"\x01"))),
    "C00B2010C": tlv(0x70, tlv(0x61, tlv(0x4F, OTHER)) + tlv(0x61, tlv(0x4F, APPLICATION_AID))),
}
APPLICATION = {
    SELECT + OTHER.hex(): tlv(0x6F, tlv(0x84, OTHER) + tlv(0xA5, tlv(0x9F38, b"\x9f\x1a\x02"))),
    "C80A8000083020000": tlv(0x80, b"\x18\x00" + bytes.fromhex("10010100")),
    "C00B20114": RECORD,
}


SHORT = {"C80A8000083020000": tlv(0x80, bytes(5))}


@pytest.mark.parametrize("directory", [PSE, PPSE])
def test_applications_are_found_by_the_cards_own_directories(directory: dict[str, bytes]) -> None:
    (reading,) = read_card(Scripted(**directory, **APPLICATION), [])
    assert reading.application == OTHER
    found = {each.tag: each for each in reading.objects}
    assert found[0x94].value.hex() == "10010100"  # of format 1
    assert (found[0x5A].where, found[0x5A].name) == (
        "SFI 2 record 1",
        "Application Primary Account Number (PAN)",
    )
    assert found[0x5A].shown(clear=False) == "999999******0014"
    assert found[0x5A].shown(clear=True) == "9999999900000014"
    assert "9999" not in repr(reading) + repr(found[0x5A])


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0x57, bytes.fromhex("9999999900000014D31022010000012345")),
        (0x5A, bytes.fromhex("9999999900000014")),
        (0x56, b"B9999999900000014^TEST/CARD^3102201"),
        (0x9F6B, bytes.fromhex("9999999900000014D31022010000012345")),
    ],
)
def test_an_account_number_is_masked_wherever_it_is(tag: int, value: bytes) -> None:
    assert Object("x", tag, value).shown(clear=False) == "999999******0014"
    odd = Object("x", 0x5A, bytes.fromhex("999999990000001F"))
    assert odd.shown(clear=False) == "999999*****0001"


@pytest.mark.control("KIF-QC-01")
def test_what_can_not_be_read_is_told() -> None:
    with pytest.raises(CheckFailed, match="no payment system directory"):
        list(read_card(Scripted(), [OTHER]))
    missing = {name: data for name, data in APPLICATION.items() if name != "C00B20114"}
    with pytest.raises(CheckFailed, match="Record 1 of SFI 2 is located, and not there"):
        list(read_card(Scripted(**missing), [OTHER]))
    with pytest.raises(BadInput, match="An AFL"):
        list(
            read_card(Scripted(**APPLICATION | {"C80A8000083020000": tlv(0x80, bytes(5))}), [OTHER])
        )
    refused = {name: data for name, data in APPLICATION.items() if not name.startswith("C80A8")}
    (reading,) = read_card(Scripted(**refused), [OTHER])
    assert [each.tag for each in reading.objects] == [0x84, 0x9F38]
