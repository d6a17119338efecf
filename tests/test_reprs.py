"""Whatever holds card data or a secret shows none of it in ``repr``, ``str`` or an f-string."""

from __future__ import annotations

from datetime import date

import pytest

from kif.ceremony.people import Component
from kif.formats.apdu import Command, Response
from kif.formats.dgi import Dgi
from kif.formats.script import Artwork, Group
from kif.formats.secret import Secret
from kif.formats.tlv import Tlv
from kif.formats.track2 import Track2
from kif.gateway.records import Record
from kif.graphics.front import _layout
from kif.oracle.messages import ReceivedCard, Subject
from kif.preparation.emv import CardData
from tests.preparation.test_preparation import RECORD, script

PAN, NAME = RECORD["pan"], RECORD["name"]
RAW = bytes.fromhex(PAN)
ARTWORK = Artwork({"number": PAN, "name": NAME, "valid_thru": "02/28"})
SUBJECT = Subject(Secret(PAN.encode()), PAN[:8])

HOLDERS: dict[str, object] = {
    "a record of the issuer": Record(**RECORD),
    "card data": CardData(**RECORD),
    "a received card": ReceivedCard(SUBJECT, date(2028, 2, 29), Secret(PAN.encode())),
    "track 2": Track2(PAN, "2802", "201", "12345"),
    "a data grouping": Dgi(0x0101, RAW),
    "a data object": Tlv(0x5A, RAW),
    "a command": Command(0x80, 0xE2, 0, 0, RAW),
    "a response": Response(RAW, 0x9000),
    "a group": Group("0101", data=PAN),
    "artwork": ARTWORK,
    "a line of the print": _layout(ARTWORK)[0],
    "a script": script(),
    "a component": Component(Secret(RAW), "AABBCC"),
}


@pytest.mark.parametrize("case", HOLDERS)
def test_it_shows_nothing(case: str) -> None:
    holder = HOLDERS[case]
    shown = f"{holder!r} {holder} {[holder]} {(holder,)!s}"
    for secret in (PAN, NAME, PAN[4:12], repr(RAW)[2:-1], RAW.hex()):
        assert secret not in shown
    assert type(holder).__name__ in shown
