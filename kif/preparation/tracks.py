"""Discretionary data of a card's tracks: in the chip, and on the magnetic stripe (ISO/IEC 7813)."""

from __future__ import annotations

from kif.formats.name import in_common_characters
from kif.formats.script import Pin
from kif.formats.stripe import Account, Stripe
from kif.oracle.messages import CardTerms, CardValues
from kif.preparation.emv import CardData
from kif.preparation.product import CARD_VALUE, PIN_INDEX, PIN_VALUE, Product


def card_terms(product: Product, card: CardData) -> CardTerms:
    """Return what the verification values of a card are computed over."""
    expiry = card.last_day[:4]
    turned = expiry[2:] + expiry[:2]
    printed = turned if product.printed_value == "MMYY" else expiry
    return CardTerms(expiry, card.service_code, printed)


def in_chip(product: Product, card: CardData, pin: Pin | None, values: CardValues | None) -> str:
    """Return the discretionary data of tags 57 and 9F1F, digits: with an iCVV, if with any."""
    return _discretionary(product, card, pin, "" if values is None else values.chip)


def stripe(
    product: Product, card: CardData, pin: Pin | None, values: CardValues | None
) -> Stripe | None:
    """Return what the magnetic stripe says, of products with one: with a CVV, if with any."""
    if not product.magnetic_stripe:
        return None
    own = _discretionary(product, card, pin, "" if values is None else values.stripe)
    name, expiry = in_common_characters(card.name).upper(), card.last_day[:4]
    return Account(card.pan, name, expiry, card.service_code, own).stripe()


def _discretionary(product: Product, card: CardData, pin: Pin | None, value: str) -> str:
    """Return the parts that the profile lists; where it lists none, what the issuer sent."""
    known = {
        PIN_INDEX: str(product.pin_verification_index or 0),
        PIN_VALUE: "" if pin is None else pin.verification_value,
        CARD_VALUE: value,
    }
    parts = product.discretionary_data
    return "".join(known.get(part, part) for part in parts) or card.discretionary_data
