"""The EMV records of a card: BER-TLV by SFI and record, and the AFL (EMV Book 3)."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kif.formats import canonical
from kif.formats.afl import Place, locator
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.name import LONGEST, in_common_characters, in_latin_1
from kif.formats.secret import Secret
from kif.formats.tlv import find, tlv
from kif.formats.track2 import Track2
from kif.oracle.messages import Account
from kif.preparation.product import Product

_RECORD = 0x70
_ASK = "Cancel the batch, and ask the issuer for a name that fits, in a new file."
SIGNED = ((2, 1), (2, 2))
"""The records that offline data authentication covers, where there is one."""


@dataclass(frozen=True)
class CardData:
    """An issuer's record, in the fields of docs/formats/issuer-file.md; ``repr`` shows none."""

    pan: str
    psn: str
    expiry: str
    """YYYY-MM."""
    name: str
    service_code: str
    discretionary_data: str

    def __repr__(self) -> str:
        return "CardData(redacted)"

    @classmethod
    def of(cls, record: Secret) -> CardData:
        """Read a clear record (JSON)."""
        return cls(**canonical.decode(record.reveal()))

    @property
    def account(self) -> Account:
        """The account that the card is of."""
        return Account(self.pan, self.psn)

    @property
    def last_day(self) -> str:
        """The last day of validity, YYMMDD."""
        year, month = int(self.expiry[:4]), int(self.expiry[5:])
        return f"{year % 100:02}{month:02}{calendar.monthrange(year, month)[1]:02}"


def records(product: Product, card: CardData, discretionary: str) -> dict[Place, bytes]:
    """Return the records (template 70) by SFI and number, as far as they are known before.

    Those that offline data authentication covers are ``SIGNED``. ``discretionary`` is what the
    tracks end with in the chip, digits.
    """
    track2 = Track2(card.pan, card.last_day[:4], card.service_code, discretionary)
    name = tlv(0x5F20, chip_name(product, card.name))
    track1 = tlv(0x9F1F, discretionary.encode()) if product.magnetic_stripe else b""
    return {
        (1, 1): tlv(_RECORD, tlv(0x57, track2.encode()) + name + track1),
        (2, 1): tlv(_RECORD, cardholder_account(product, card)),
        (2, 2): tlv(_RECORD, risk_management(product, _terms(product))),
    }


def static_data(product: Product, made: Mapping[Place, bytes]) -> bytes:
    """Return what is authenticated of the records: ``SIGNED`` ones, and the AIP (Book 3, 10.3)."""
    covered = (find(made[place], _RECORD) or b"" for place in SIGNED)
    return b"".join(covered) + bytes.fromhex(product.aip)


def chip_name(product: Product, name: str) -> bytes:
    """Return tag 5F20 by the profile's rule. Raises ``BadInput`` (PRODUCT) when it is too long."""
    latin_1 = product.chip_name == "iso-8859-1"
    coded = in_latin_1(name) if latin_1 else in_common_characters(name)
    if len(coded) > LONGEST:
        raise BadInput(
            Control.PRODUCT,
            f"The name has {len(coded)} characters when it is written for the chip "
            f"({product.chip_name}); {LONGEST} is the most. {_ASK}",
        )
    try:
        return coded.encode("latin-1" if latin_1 else "ascii")
    except UnicodeEncodeError:
        raise BadInput(
            Control.PRODUCT,
            f"The name has a letter that there is no rule for in {product.chip_name}. {_ASK}",
        ) from None


@dataclass(frozen=True)
class Terms:
    """What a terminal is asked for, and how the holder is verified; hex, empty where not at all."""

    cdol1: str
    cdol2: str
    cvm_list: str
    ddol: str = ""


def _terms(product: Product) -> Terms:
    return Terms(product.cdol1, product.cdol2, product.cvm_list, product.ddol or "")


def cardholder_account(product: Product, card: CardData) -> bytes:
    """Return the data objects of the account: number, dates, countries, usage."""
    pan = bytes.fromhex(card.pan + "F" * (len(card.pan) % 2))
    return b"".join(
        (
            tlv(0x5A, pan),
            tlv(0x5F24, bytes.fromhex(card.last_day)),
            tlv(0x5F34, bytes.fromhex(card.psn)),
            tlv(0x5F30, bytes.fromhex("0" + card.service_code)),
            tlv(0x5F28, bytes.fromhex(product.country)),
            tlv(0x9F42, bytes.fromhex(product.currency)),
            tlv(0x9F07, bytes.fromhex(product.usage_control)),
        )
    )


def risk_management(product: Product, terms: Terms) -> bytes:
    """Return the data objects that a terminal decides by: lists, and issuer action codes."""
    told = (
        (0x8C, terms.cdol1),
        (0x8D, terms.cdol2),
        (0x8E, terms.cvm_list),
        (0x9F0D, product.iac_default),
        (0x9F0E, product.iac_denial),
        (0x9F0F, product.iac_online),
        (0x9F49, terms.ddol),
    )
    return b"".join(tlv(tag, bytes.fromhex(value)) for tag, value in told if value)


def processing_options(product: Product, places: Sequence[Place]) -> bytes:
    """Return AIP and AFL as data objects: what GET PROCESSING OPTIONS answers (DGI 9104)."""
    covered = SIGNED if product.offline else ()
    return tlv(0x82, bytes.fromhex(product.aip)) + tlv(0x94, locator(places, covered))


def directory_record(product: Product) -> bytes:
    """Return the record of the payment system environment (EMV Book 1, tables 46 and 47)."""
    entry = tlv(0x4F, bytes.fromhex(product.application)) + tlv(0x50, product.label.encode())
    return tlv(_RECORD, tlv(0x61, entry + tlv(0x87, bytes.fromhex(product.priority))))


def control_information(product: Product) -> bytes:
    """Return the content of the FCI's proprietary template A5 (DGI 9102)."""
    pdol = bytes.fromhex(product.pdol)
    return b"".join(
        (
            tlv(0x50, product.label.encode()),
            tlv(0x87, bytes.fromhex(product.priority)),
            tlv(0x9F38, pdol) if pdol else b"",
        )
    )
