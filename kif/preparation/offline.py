"""Offline data authentication in a card's script: the issuer's certificate, and what is made later.

EMV Book 2, 5 and 6; Book 3, table 33 (which records a terminal needs).
"""

from __future__ import annotations

from dataclasses import dataclass

from kif.formats.afl import Place
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.offline import PAN, Certificate
from kif.formats.script import Group, Made, Offline
from kif.formats.tlv import tlv
from kif.preparation.emv import CardData
from kif.preparation.product import Product

_RECORD = 0x70
_LONGEST_RECORD = 254
_AIP_TOO = b"\x82"
"""The tag list of static data (9F4A): the AIP is authenticated as well."""
_ISSUER, _STATIC, _CARD = (2, 3), (2, 5), (3, 1)
CONTACTLESS_CERTIFICATE = (5, 1)
"""The record of the card's certificate over what is read over the air."""


@dataclass(frozen=True)
class Authority:
    """The issuer's key that cards are certified with, and its certificate."""

    key: KeyRef
    certificate: IssuerCertificate
    opened: Certificate

    def require(self, product: Product, card: CardData) -> None:
        """Require that a card fits the certificate. Raises ``BadInput`` (PRODUCT)."""
        issuer, last = self.opened.identifier, self.opened.valid_to
        bits, card_bits = 8 * self.opened.key.size, product.card_key_bits or 0
        scheme = self.certificate.scheme.rid.hex().upper()
        if not product.application.startswith(scheme):
            raise _unfit(f"is by the scheme {scheme}, and the application is of another")
        if not card.pan.startswith(issuer):
            raise _unfit(f"is for {issuer}, with which the account number does not begin")
        if card.expiry > last:
            raise _unfit(f"ends with {last}, and the card with {card.expiry}")
        if card_bits > bits:
            raise _unfit(f"has a key of {bits} bits, which certifies none of {card_bits}")

    def places(self, product: Product) -> dict[Place, Group]:
        """Return the records of the certificates and signatures, in the order of the AFL."""
        made = self.certificate
        beside = tlv(0x8F, bytes((made.scheme.index,))) + tlv(0x9F32, made.exponent)
        beside += tlv(0x9F4A, _AIP_TOO) + (tlv(0x92, made.remainder) if made.remainder else b"")
        sfi, first = _ISSUER
        found = {
            _ISSUER: _plain(_ISSUER, beside),
            (sfi, first + 1): _plain((sfi, first + 1), tlv(0x90, made.certificate)),
        }
        if product.data_authentication_code:
            found[_STATIC] = _later(_STATIC, Made.STATIC_SIGNATURE)
        if product.card_key_bits:
            # 9F46 has two bytes more before it than 90: under a key of 1984 bits it has no room.
            if self.opened.key.size > _LONGEST_RECORD - 7:
                raise _unfit("has a key so long that no record holds a card's certificate by it")
            sfi, first = _CARD
            found[_CARD] = _later(_CARD, Made.CARD_CERTIFICATE)
            found[sfi, first + 1] = _later((sfi, first + 1), Made.CARD_KEY)
            if product.contactless is not None:
                certificate = _later(CONTACTLESS_CERTIFICATE, Made.CONTACTLESS_CERTIFICATE)
                found[CONTACTLESS_CERTIFICATE] = certificate
        return found

    def material(
        self, product: Product, card: CardData, static: bytes, contactless: bytes = b""
    ) -> Offline:
        """Return what the oracle makes a card's certificate and signatures of.

        ``static`` is the static data over the contacts, ``contactless`` that over the air.
        """
        return Offline(
            signer=str(self.key),
            static=static.hex().upper(),
            contactless=contactless.hex().upper(),
            code=product.data_authentication_code or "",
            subject=card.pan.ljust(2 * PAN, "F"),
            expiry=card.expiry[5:] + card.expiry[2:4],
            card_key_bits=product.card_key_bits or 0,
        )


def authority(key: KeyRef, certificate: IssuerCertificate) -> Authority:
    """Return an issuer's key with its certificate, opened."""
    return Authority(key, certificate, certificate.opened())


def key_generation(product: Product) -> tuple[Group, ...]:
    """Return the grouping by which a card is asked for its key pair, if it makes one."""
    if not product.key_generation:
        return ()
    return (Group(product.key_generation, made=Made.KEY_PAIR),)


def _plain(place: Place, content: bytes) -> Group:
    record = tlv(_RECORD, content)
    if len(record) > _LONGEST_RECORD:
        raise _unfit(f"has no room in a record of {_LONGEST_RECORD} bytes")
    return Group(_dgi(place), data=record.hex().upper())


def _later(place: Place, made: Made) -> Group:
    return Group(_dgi(place), made=made)


def _dgi(place: Place) -> str:
    return f"{place[0]:02X}{place[1]:02X}"


def _unfit(why: str) -> BadInput:
    return BadInput(
        Control.PRODUCT,
        f"The issuer's certificate {why}. Prepare with another key of the issuer, or hold the "
        "ceremonies that make and certify one.",
    )
