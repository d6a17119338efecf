"""What a card answers over the air: its directory, and data of its application's own for it.

EMV Contactless Book B, 3.3 (PPSE). The application answers as over its contacts (GET PROCESSING
OPTIONS, records, one cryptogram); no name is among its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kif.formats.afl import Place, locator
from kif.formats.interface import CONTACTLESS
from kif.formats.script import Group, Made
from kif.formats.tlv import find, tlv
from kif.formats.track2 import Track2
from kif.preparation.emv import CardData, Terms, cardholder_account, risk_management
from kif.preparation.offline import CONTACTLESS_CERTIFICATE
from kif.preparation.product import Contactless, Product

_RECORD = 0x70
_STATIC, _TRACK = (4, 1), (4, 2)
_SHARED = frozenset({Made.CARD_KEY})
"""What is made of the card's pair, and the same over both interfaces."""


@dataclass(frozen=True)
class Air:
    """What a card of a product is read over the air by; records are templates 70, by place."""

    product: Product
    terms: Contactless
    records: Mapping[Place, bytes]

    @classmethod
    def of(cls, product: Product, card: CardData, discretionary: str) -> Air | None:
        """Return it for a card, or None where its product is read over the contacts alone."""
        air = product.contactless
        if air is None:
            return None
        track2 = Track2(card.pan, card.last_day[:4], card.service_code, discretionary)
        static = cardholder_account(product, card)
        static += risk_management(product, Terms(air.cdol1, "", air.cvm_list))
        track = tlv(_RECORD, tlv(0x57, track2.encode()))
        return cls(product, air, {_STATIC: tlv(_RECORD, static), _TRACK: track})

    @property
    def static_data(self) -> bytes:
        """What is authenticated of the records: the first, and the AIP (Book 3, 10.3)."""
        return (find(self.records[_STATIC], _RECORD) or b"") + bytes.fromhex(self.terms.aip)

    def groups(self, certified: Mapping[Place, Group]) -> tuple[Group, ...]:
        """Return the groupings of the application: processing options, FCI, records.

        ``certified`` has the records of certificates and signatures: what is of both interfaces, or
        of this one, is located too.
        """
        signs = bool(self.product.card_key_bits)
        read = [place for place, group in certified.items() if signs and _is_read(place, group)]
        options = tlv(0x82, bytes.fromhex(self.terms.aip))
        options += tlv(0x94, locator((*self.records, *read), (_STATIC,) if signs else ()))
        return (
            Group(CONTACTLESS.options, data=options.hex().upper()),
            Group(CONTACTLESS.selection, data=self._selection().hex().upper()),
            *(
                Group(f"{sfi:02X}{number:02X}", data=data.hex().upper())
                for (sfi, number), data in self.records.items()
            ),
        )

    def _selection(self) -> bytes:
        product, pdol = self.product, bytes.fromhex(self.terms.pdol)
        told = tlv(0x50, product.label.encode()) + tlv(0x87, bytes.fromhex(product.priority))
        return told + (tlv(0x9F38, pdol) if pdol else b"")


def _is_read(place: Place, group: Group) -> bool:
    return place == CONTACTLESS_CERTIFICATE or group.made is None or group.made in _SHARED


def directory_groups(product: Product) -> tuple[Group, ...]:
    """Return the groupings of the proximity environment: its FCI has the application's entry."""
    if product.contactless is None:
        return ()
    entry = tlv(0x4F, bytes.fromhex(product.application)) + tlv(0x50, product.label.encode())
    entry += tlv(0x87, bytes.fromhex(product.priority))
    entry += tlv(0x9F2A, bytes.fromhex(product.contactless.kernel))
    return (Group("9102", data=tlv(0xBF0C, tlv(0x61, entry)).hex().upper()),)
