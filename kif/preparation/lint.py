"""What is wrong with a product's profile, and in which line: fields, lengths, and what must agree.

EMV Book 3: AIP (annex C1), application usage control (C2), CVM list (C3 and 10.5), CDOL (9.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kif.formats.control import Control
from kif.formats.cvm import ENCIPHERED_METHODS, PLAINTEXT_METHODS, methods_of
from kif.formats.document import Place, nearest, read_document
from kif.formats.elements import (
    ISSUER_AUTHENTICATION,
    Aip,
    name_of,
)
from kif.formats.error import BadInput
from kif.formats.script import Clear, SecureChannel
from kif.formats.tlv import read_dol
from kif.preparation.content import wrong_content, wrong_domain
from kif.preparation.lists import (
    UNPREDICTABLE_NUMBER,
    wrong_length,
    wrong_list,
    wrong_rules,
)
from kif.preparation.product import PIN_INDEX, PIN_VALUE, Product

_SIZES = {
    "priority": 0x87,
    "aip": 0x82,
    "issuer_application_data": 0x9F10,
    "country": 0x5F28,
    "currency": 0x9F42,
    "usage_control": 0x9F07,
    "cvm_list": 0x8E,
    "iac_default": 0x9F0D,
    "iac_denial": 0x9F0E,
    "iac_online": 0x9F0F,
    "application": 0x4F,
    "security_domain": 0x4F,
}
"""The data element that a field is, by whose length it is measured."""
_RESPONSE_SIZES = {1: 10, 2: 8}
_OFFLINE_PIN = PLAINTEXT_METHODS | ENCIPHERED_METHODS
_NO_COUNTRY = "0900"
_EMV_KEYS = ("emv-ac", "emv-smi", "emv-smc")
_LAST_FILE = 0x1E
_ANSWER = 256
_BESIDE_A_SIGNATURE = 20
"""What stands beside signature and issuer application data in an answer to GENERATE AC."""
_LONGEST_ANSWERED = 1792
"""With its template, padding and R-MAC it is at most 256 bytes."""


Told = Iterator[tuple[str, str]]
"""Fields, and what is wrong with each."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, in which line of the file (from 1)."""

    line: int
    field: str
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}: {self.what}"


def check_profile(path: Path) -> list[Finding]:
    """Return what is wrong with a profile, in the order of its lines; nothing when it is right.

    Raises ``BadInput`` (PRODUCT) for a file that is no YAML mapping.
    """
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise BadInput(Control.PRODUCT, f"{path} can't be read: {exc.strerror}.") from None
    value, lines = read_document(raw, str(path), Control.PRODUCT)
    if not isinstance(value, dict):
        raise BadInput(Control.PRODUCT, f"{path} is not a profile: it has no fields.")
    try:
        product = Product.model_validate(value)
    except ValidationError as error:
        found = [_of_model(lines, each) for each in error.errors()]
        return sorted(found, key=lambda finding: finding.line)
    told = list(_wrong(product))
    if product.name != path.stem:
        told.append(("name", f"the file is called {path.name}; name it {product.name}.yaml"))
    found = [Finding(nearest(lines, (field,)), field, what) for field, what in told]
    return sorted(found, key=lambda finding: finding.line)


def require_right(product: Product) -> None:
    """Require what ``check_profile`` does of the fields together. Raises ``BadInput`` (PRODUCT)."""
    for field, what in _wrong(product):
        raise BadInput(
            Control.PRODUCT,
            f"The profile of {product.name} is not right: {field}: {what}. Nothing was prepared.",
        )


def _wrong(product: Product) -> Told:
    for rule in _RULES:
        yield from rule(product)


def _of_model(lines: dict[Place, int], error: ErrorDetails) -> Finding:
    place = error["loc"]
    what = error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_type":
        what = "put it in quotes: without them YAML takes it for a number or the like"
    named = (str(each + 1) if isinstance(each, int) else each for each in place)
    return Finding(nearest(lines, place) if place else 1, ".".join(named) or "profile", what)


def _lengths(product: Product) -> Told:
    for field, tag in _SIZES.items():
        for told in wrong_length(tag, getattr(product, field)):
            yield field, told
    for field in ("country", "currency"):
        if not getattr(product, field).isdigit():
            yield field, "a numeric code of ISO 3166-1 or ISO 4217 has digits alone"
    if product.country >= _NO_COUNTRY:
        yield "country", f"{product.country} is no country: ISO 3166-1 assigns none from 900 on"


def _object_lists(product: Product) -> Told:
    for field in ("pdol", "cdol1", "cdol2"):
        for told in wrong_list(field, getattr(product, field)):
            yield field, told


def _profile_bits(product: Product) -> Told:
    if len(product.aip) != 4:
        return
    first = int(product.aip[:2], 16)
    static, dynamic = first & Aip.STATIC, first & (Aip.DYNAMIC | Aip.COMBINED)
    if bool(static) != bool(product.data_authentication_code):
        yield "aip", "signed static data (bit 7) and data_authentication_code do not agree"
    if bool(dynamic) != bool(product.card_key_bits):
        yield "aip", "a card that signs (bits 6 and 1) and card_key_bits do not agree"
    if first & Aip.RESERVED:
        yield "aip", "bit 8 of its first byte is reserved"
    if bool(first & Aip.CARDHOLDER_VERIFICATION) != bool(_verified(product.cvm_list)):
        yield "aip", "cardholder verification (bit 5) and cvm_list do not agree"


def _card_key(product: Product) -> Told:
    """Yield where a card can't make its key, or sign what it is asked to."""
    given = {
        field: bool(getattr(product, field))
        for field in ("card_key_bits", "key_generation", "ddol")
    }
    for field, there in given.items():
        if there != given["card_key_bits"]:
            without = "is missing" if given["card_key_bits"] else "is for cards with card_key_bits"
            yield "card_key_bits" if not there else field, f"{field} {without}"
    if product.key_generation and int(product.key_generation[:2], 16) <= _LAST_FILE:
        yield "key_generation", f"{product.key_generation} is the DGI of a record"
    try:
        signed = {tag for tag, _ in read_dol(bytes.fromhex(product.ddol or ""))}
    except BadInput as error:
        yield "ddol", f"it is no list of tags and lengths: {error.sentence}"
    else:
        if product.ddol and UNPREDICTABLE_NUMBER not in signed:
            yield "ddol", f"without 9F37 ({name_of(0x9F37)}) a signature can be played back"
    if (product.card_key_bits or 0) > _LONGEST_ANSWERED:
        yield "card_key_bits", "the public half of so long a key has no room in one answer"
    combined = len(product.aip) == 4 and int(product.aip[:2], 16) & Aip.COMBINED
    beside = _BESIDE_A_SIGNATURE + len(product.issuer_application_data) // 2
    if combined and beside + (product.card_key_bits or 0) // 8 > _ANSWER:
        yield "card_key_bits", "a cryptogram signed by so long a key (CDA) has no room in an answer"


def _response(product: Product) -> Told:
    """Yield where the issuer's response has no way to the card, or two, or a wrong length."""
    try:
        first, second = (
            dict(read_dol(bytes.fromhex(each))) for each in (product.cdol1, product.cdol2)
        )
    except BadInput:
        return  # told already
    left = ", ".join(f"{tag:X}" for tag in first if tag not in second)
    if left:
        yield "cdol2", f"cryptograms are over the same data, and {left} of cdol1 is not in it"
    by_command = len(product.aip) == 4 and bool(
        int(product.aip[:2], 16) & Aip.ISSUER_AUTHENTICATION
    )
    if by_command == (ISSUER_AUTHENTICATION in second):
        yield "aip", "the issuer's response comes by EXTERNAL AUTHENTICATE (bit 3) or in cdol2 (91)"
    size = _RESPONSE_SIZES[product.arpc_method]
    if second.get(ISSUER_AUTHENTICATION, size) != size:
        yield "cdol2", f"91 has {size} bytes by ARPC method {product.arpc_method}"


def _methods(product: Product) -> Told:
    for told in wrong_rules(product.cvm_list):
        yield "cvm_list", told
    methods = _verified(product.cvm_list)
    for code in sorted(methods & _OFFLINE_PIN):
        if not product.pin_length:
            yield "cvm_list", f"method {code:02X} is an offline PIN, and the card gets none"
        if code in ENCIPHERED_METHODS and not product.card_key_bits:
            yield "cvm_list", f"method {code:02X} is a PIN enciphered to a key, and there is none"
    if product.pin_length and not methods & _OFFLINE_PIN:
        yield "cvm_list", "no rule has the card verify its PIN"


def _verified(cvm_list: str) -> frozenset[int]:
    return methods_of(bytes.fromhex(cvm_list))


def _contactless(product: Product) -> Told:
    """Yield what is wrong with what a card answers over the air, with the field's name."""
    air = product.contactless
    if air is None:
        return
    told = [
        *(("aip", each) for each in wrong_length(0x82, air.aip)),
        *(("cvm_list", each) for each in wrong_length(0x8E, air.cvm_list)),
        *(("cvm_list", each) for each in wrong_rules(air.cvm_list)),
        *(("pdol", each) for each in wrong_list("pdol", air.pdol)),
        *(("cdol1", each) for each in wrong_list("cdol1", air.cdol1)),
    ]
    if _verified(air.cvm_list) & _OFFLINE_PIN:
        told.append(("cvm_list", "a card verifies no PIN over the air"))
    first = int(air.aip[:2], 16)
    if first & (Aip.STATIC | Aip.DYNAMIC | Aip.ISSUER_AUTHENTICATION | Aip.RESERVED):
        told.append(("aip", "over the air a card signs cryptograms (bit 1) or nothing"))
    if bool(first & Aip.COMBINED) != bool(product.card_key_bits):
        told.append(("aip", "a card that signs (bit 1) and card_key_bits do not agree"))
    if bool(first & Aip.CARDHOLDER_VERIFICATION) != bool(_verified(air.cvm_list)):
        told.append(("aip", "cardholder verification (bit 5) and cvm_list do not agree"))
    for field, what in told:
        yield "contactless", f"{field}: {what}"


def _pin(product: Product) -> Told:
    """Yield where a PIN has no tries, or nothing permits what it needs."""
    offset = {product.pin_decimalisation is not None, product.pin_validation is not None}
    if len(offset) > 1 or (True in offset and product.pin_verification_index is not None):
        field = "pin_validation" if product.pin_validation else "pin_decimalisation"
        yield field, "IBM 3624 takes pin_decimalisation and pin_validation, and no PVV beside it"
    needed = ["pin_tries"] if True in offset else ["pin_tries", "pin_verification_index"]
    for field in needed:
        given = getattr(product, field) is not None
        if given != bool(product.pin_length):
            what = "is for cards with pin_length" if given else "is missing"
            yield field if given else "pin_length", f"{field} {what}"
    if product.pin_tries == 1 and Clear.CHECKED in product.permits:
        yield "pin_tries", "the wrong PIN of pin-check would take the only try"
    old = product.secure_channel is SecureChannel.SCP02
    if old != (Clear.SCP02 in product.permits):
        what = "no key goes to a card by SCP02" if old else "no key is clear by SCP03"
        yield "permits", f"without scp02-on-host {what}" if old else f"scp02-on-host: {what}"
    if set(product.permits) - {Clear.SCP02} and not product.pin_length:
        yield "permits", "the card has no PIN that could be clear"
    if product.pin_length and Clear.DRAWN not in product.permits:
        yield "permits", "without pin-on-host no PIN can be drawn"


_RESERVED = frozenset({*range(0x7FF0, 0x8000), 0x7F01})
"""Groupings that EMV CPS keeps for itself."""


def _internal(product: Product) -> Told:
    """Yield groupings of the card's own that are somebody else's."""
    for dgi in product.internal_data:
        if int(dgi, 16) in _RESERVED or dgi == product.key_generation:
            yield "internal_data", f"{dgi} is no grouping of the card's own data"


def _tracks(product: Product) -> Told:
    """Yield where the tracks end with something that the card does not have."""
    parts = product.discretionary_data
    if PIN_VALUE in parts and not product.pin_length:
        yield "discretionary_data", "pin-value is of cards with pin_length"
    by_offset = product.pin_decimalisation and product.pin_verification_index is None
    if PIN_INDEX in parts and (not product.pin_length or by_offset):
        yield "discretionary_data", "pin-index is of cards whose PIN is verified by a PVV"
    named = [part for part in parts if not part.isdigit()]
    if len(set(named)) < len(named):
        yield "discretionary_data", "it names a part twice"


def _usage(product: Product) -> Told:
    if len(product.usage_control) == 4 and not int(product.usage_control, 16):
        yield "usage_control", "the card can be used for nothing"
    if product.keys != _EMV_KEYS:
        yield "keys", f"DGI 8000 has the keys {', '.join(_EMV_KEYS)}, in this order"
    if not product.label.isascii() or not product.label.strip():
        yield "label", "an Application Label has letters, digits and spaces of ASCII"


_RULES: tuple[Callable[[Product], Told], ...] = (
    _lengths,
    _object_lists,
    _profile_bits,
    _card_key,
    _response,
    _methods,
    _contactless,
    _pin,
    _internal,
    _tracks,
    wrong_content,
    wrong_domain,
    _usage,
)
