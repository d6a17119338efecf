"""The personalisation script of a card: the keys first, then everything that the chip answers."""

from __future__ import annotations

from collections.abc import Mapping

from kif.formats.afl import Place
from kif.formats.emv import option_a
from kif.formats.keyref import KeyRef
from kif.formats.name import as_shown, in_common_characters
from kif.formats.purpose import APPLICATION_DOMAIN, CARD_MANAGER, ISSUER_DOMAIN
from kif.formats.script import Artwork, Group, KeyedDomain, Made, Pin, Recipe, Script
from kif.formats.secret import Secret
from kif.formats.tlv import tlv
from kif.oracle.messages import CardValues
from kif.preparation.contactless import Air, directory_groups
from kif.preparation.emv import (
    CardData,
    control_information,
    directory_record,
    processing_options,
    records,
    static_data,
)
from kif.preparation.offline import CONTACTLESS_CERTIFICATE, Authority, key_generation
from kif.preparation.product import Product
from kif.preparation.tracks import in_chip, stripe

_AFTER_THE_PAIR = (Made.CARD_CERTIFICATE, Made.CARD_KEY, Made.CONTACTLESS_CERTIFICATE)


def build_script(
    product: Product,
    keys: Mapping[str, KeyRef],
    record: Secret,
    authority: Authority | None = None,
    pin: Pin | None = None,
    values: CardValues | None = None,
) -> Script:
    """Build the script of one card from its clear record (JSON), with keys by their purpose.

    Order (EMV CPS): 8000 and 9000 before the data that is checked with them; then GPO and FCI
    data; then the records. A pair that the card makes comes before what is made of it.

    ``authority`` certifies cards with offline data authentication; ``pin`` is what the HSM keeps;
    ``values`` are the card's verification values.
    """
    card = CardData.of(record)
    discretionary = in_chip(product, card, pin, values)
    made, air = records(product, card, discretionary), Air.of(product, card, discretionary)
    certified: dict[Place, Group] = {}
    offline = None
    if authority is not None:
        authority.require(product, card)
        certified = authority.places(product)
        over = (static_data(product, made), air.static_data if air else b"")
        offline = authority.material(product, card, *over)
    names = tuple(str(keys[purpose]) for purpose in product.keys)
    return Script(
        recipe=Recipe.EMV,
        diversification=_hex(option_a(card.pan, card.psn)),
        card_manager=str(keys[CARD_MANAGER]),
        application=product.application,
        security_domain=product.security_domain,
        key_version=product.key_version,
        domain_key=str(keys[ISSUER_DOMAIN]),
        domain_version=product.domain_version,
        life_cycle=product.life_cycle,
        chip=product.chip or "",
        secure_channel=product.secure_channel,
        card_keys=product.card_keys,
        permits=tuple(product.permits),
        structured=product.store_data == "dgi",
        options=product.channel_options.i,
        security_level=product.security_level,
        personalization=product.personalization,
        largest_command=product.largest_command,
        arpc_method=product.arpc_method,
        offline=offline,
        pin=pin,
        groups=(
            Group("8000", keys=names),
            Group("9000", check_values=names),
            *_pin_groups(pin),
            *(Group(dgi, data=data) for dgi, data in product.internal_data.items()),
            *_application_groups(product, made, certified),
            *(air.groups(certified) if air else ()),
            *_certified_groups(product, certified),
        ),
        directory=_directory(product),
        proximity=directory_groups(product),
        artwork=_artwork(product, card, values),
        stripe=stripe(product, card, pin, values),
        application_domain=_application_domain(product, keys),
    )


def _application_groups(
    product: Product, made: Mapping[Place, bytes], certified: Mapping[Place, Group]
) -> tuple[Group, ...]:
    """Return what the application answers over its contacts, and its records there."""
    read = (*made, *(place for place in certified if place != CONTACTLESS_CERTIFICATE))
    return (
        Group("9200", data=_hex(tlv(0x9F10, bytes.fromhex(product.issuer_application_data)))),
        Group("9104", data=_hex(processing_options(product, read))),
        Group("9102", data=_hex(control_information(product))),
        *(Group(f"{sfi:02X}{number:02X}", data=_hex(data)) for (sfi, number), data in made.items()),
    )


def _certified_groups(product: Product, certified: Mapping[Place, Group]) -> tuple[Group, ...]:
    """Return certificates and signatures; what is made of the card's pair comes after that."""
    later = [group for group in certified.values() if group.made in _AFTER_THE_PAIR]
    before = (group for group in certified.values() if group not in later)
    return (*before, *key_generation(product), *later)


def _pin_groups(pin: Pin | None) -> tuple[Group, ...]:
    """Return the reference PIN block, and how many tries there are and are left (EMV CPS)."""
    if pin is None:
        return ()
    return Group("8010", made=Made.PIN), Group("9010", data=f"{pin.tries:02X}" * 2)


def _directory(product: Product) -> tuple[Group, ...]:
    """Return the payment system environment: its FCI names file 1, which has one record."""
    return (
        Group("9102", data=_hex(tlv(0x88, b"\x01"))),
        Group("0101", data=_hex(directory_record(product))),
    )


def _application_domain(product: Product, keys: Mapping[str, KeyRef]) -> KeyedDomain | None:
    own = product.application_domain
    if own is None:
        return None
    return KeyedDomain(own.aid, str(keys[APPLICATION_DOMAIN]), own.version)


def _artwork(product: Product, card: CardData, values: CardValues | None) -> Artwork:
    number = " ".join(card.pan[at : at + 4] for at in range(0, len(card.pan), 4))
    name = as_shown(card.name)
    if product.printed_name == "common":
        name = in_common_characters(name)
    valid_thru = f"{card.expiry[5:]}/{card.expiry[2:4]}"
    printed = {"number": number, "name": name, "valid_thru": valid_thru}
    if product.printed_value is not None and values is not None:
        printed["card_value"] = values.printed
    return Artwork(printed)


def _hex(data: bytes) -> str:
    return data.hex().upper()
