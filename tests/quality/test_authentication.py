"""Offline data authentication: SDA and DDA of cards that are right, and of those that are not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from kif.formats.apdu import Command, Response
from kif.formats.error import BadInput
from kif.formats.link import CardLink
from kif.formats.offline import Certificate, dynamic_block, icc_block, static_block
from kif.formats.tlv import tlv
from kif.quality.authentication import Check, authenticate, read_scheme_keys
from kif.quality.terminal import read_card
from kif.simulator.scheme import INDEX, RID, Scheme
from tests.formats.test_offline import pair

AID, PAN = RID + b"\x99\x99", bytes.fromhex("9999999900000014")
TODAY = date(2026, 11, 27)
SCHEME, ISSUER, CARD = Scheme(pair(1984)), pair(1408, 1), pair(1024, 2)
KEYS = {(RID, INDEX): SCHEME.key.public}
SDA, DDA, NONE = 0x40, 0x20, 0x00
STATIC = tlv(0x5A, PAN) + tlv(0x5F24, b"\x31\x02\x28")


def entropy(size: int) -> bytes:
    return b"\x5a" * size


class AuthenticCard(CardLink):
    """A card with certificates, SDA and DDA; what differs is given by name."""

    def __init__(self, aip: int = SDA | DDA, **changed: bytes | None) -> None:
        self.aip, self.changed, self.listed = bytes((aip, 0)), changed, b"\x82"
        tag_90, tag_92 = SCHEME.certify(
            Certificate(self.of("issuer", b"\x99\x99\x99\x99"), self.of("until", b"\x12\x28"),
                        bytes(3), ISSUER.public)
        )  # fmt: skip
        static = STATIC + self.aip
        made = icc_block(
            Certificate(self.of("pan", PAN + b"\xff\xff"), b"\x12\x28", bytes(3), CARD.public),
            ISSUER.public.size,
            static,
        )
        tag_93 = ISSUER.signed(static_block(b"\xda\xc1", ISSUER.public.size, static))
        objects: dict[str, bytes | None] = {
            "8F": bytes((INDEX,)), "90": tag_90, "92": tag_92, "9F32": ISSUER.public.exponent,
            "93": tag_93, "9F46": ISSUER.signed(made.signed), "9F48": made.remainder,
            "9F47": CARD.public.exponent, "9F4A": self.listed,
        }  # fmt: skip
        objects |= {name[1:]: value for name, value in changed.items() if name[0] == "x"}
        told = [tlv(int(tag, 16), value) for tag, value in objects.items() if value is not None]
        record = tlv(0x70, self.of("static", STATIC))
        self.records = {1: record, 2: tlv(0x70, b"".join(told))}

    def of(self, name: str, otherwise: bytes) -> bytes:
        return self.changed.get(name) or otherwise

    def transmit(self, raw: bytes) -> bytes:
        return self.answer(Command.decode(raw)).encode()

    def answer(self, command: Command) -> Response:
        if command.ins == 0xA4 and command.data == AID:
            return Response(tlv(0x6F, tlv(0x84, AID)), 0x9000)
        if command.ins == 0xA8:
            afl = bytes.fromhex("0801010110020200")
            return Response(tlv(0x77, tlv(0x82, self.aip) + tlv(0x94, afl)), 0x9000)
        if command.ins == 0xB2:
            return Response(self.records[command.p1], 0x9000)
        if command.ins == 0x88 and "mute" not in self.changed:
            signed = dynamic_block(b"\x08" + bytes(8), CARD.public.size, command.data)
            key = pair(1024, 7) if "forged" in self.changed else CARD
            return Response(tlv(0x80, key.signed(signed)), 0x9000)
        return Response(b"", 0x6A82)


def checks(card: AuthenticCard, keys: object = KEYS) -> Sequence[Check]:
    (reading,) = read_card(card, [AID])
    return authenticate(card, reading, keys, TODAY, entropy)  # type: ignore[arg-type]


def test_a_right_card_is_verified_from_the_schemes_key() -> None:
    found = checks(AuthenticCard())
    assert [(each.what, each.right) for each in found] == [
        ("issuer certificate", True),
        ("static data", True),
        ("card certificate", True),
        ("dynamic signature", True),
    ]
    assert found[0].told == "1408 bits, serial 000000, valid to 12/28"
    assert found[1].told == "data authentication code DAC1"


def test_a_card_is_verified_as_far_as_it_goes() -> None:
    assert [each.what for each in checks(AuthenticCard(SDA))] == [
        "issuer certificate",
        "static data",
    ]
    (none,) = checks(AuthenticCard(NONE))
    assert (none.right, none.told) == (None, "the card has none")
    (unknown,) = checks(AuthenticCard(), {})
    assert unknown.told == "no key of A000000099 with index 99 is known"


WRONG: dict[str, tuple[dict[str, bytes | None], str, str]] = {
    "an issuer certificate of nobody": (
        {"x90": bytes(248)},
        "offline data authentication",
        "recovers to no block",
    ),
    "no issuer certificate": ({"x90": None}, "offline data authentication", "no data object 90"),
    "another issuer": (
        {"issuer": b"\x88\x88\x88\x88"},
        "offline data authentication",
        "is of another issuer",
    ),
    "a certificate that is over": (
        {"until": b"\x10\x26"},
        "issuer certificate",
        "was valid to 10/",
    ),
    "no date": ({"until": b"\xaa\xaa"}, "offline data authentication", "no date of expiry"),
    "altered static data": (
        {"static": STATIC[:-1] + b"\x30"},
        "offline data authentication",
        "format 03 is not of what it signs",
    ),
    "a card certificate of another account": (
        {"pan": bytes.fromhex("9999999900000022FFFF")},
        "offline data authentication",
        "is of another account number",
    ),
    "no card certificate": ({"x9F46": None}, "offline data authentication", "data object 9F46"),
    "another exponent": ({"x9F47": b"\x01\x00\x01"}, "offline data authentication", "format 04"),
    "a tag list of more": ({"x9F4A": b"\x82\x5a"}, "offline data authentication", "AIP alone"),
    "a clone, without the key": ({"forged": b"1"}, "offline data authentication", "no block"),
    "a card that signs nothing": ({"mute": b"1"}, "dynamic signature", "the card gives none"),
}


@pytest.mark.control("KIF-QC-01")
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_ends_the_checks_and_is_told(case: str) -> None:
    changed, what, told = WRONG[case]
    last = checks(AuthenticCard(SDA | DDA, **changed))[-1]
    assert (last.what, last.right) == (what, False)
    assert told in last.told


def test_scheme_keys_are_read_from_a_list(tmp_path: Path) -> None:
    path, key = tmp_path / "keys.json", SCHEME.key.public
    fields = {"rid": RID.hex(), "index": f"{INDEX:02X}", "modulus": key.modulus.hex()}
    path.write_text(json.dumps([fields | {"exponent": key.exponent.hex()}]))
    assert read_scheme_keys(path) == KEYS
    for wrong in (
        "{}x",
        json.dumps([fields]),
        json.dumps([1]),
        json.dumps([fields | {"rid": "q"}]),
    ):
        path.write_text(wrong)
        with pytest.raises(BadInput, match="is no list of scheme keys"):
            read_scheme_keys(path)
