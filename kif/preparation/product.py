"""Product profiles: what all cards of a product have in common; reviewed YAML, read strictly.

A profile is shipped with kif, or lies in the home. What a batch was prepared by is named in its
release by the profile's SHA-256.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kif.formats import scp02, scp03
from kif.formats.content import Instance
from kif.formats.control import Control
from kif.formats.document import read_document
from kif.formats.error import BadInput
from kif.formats.purpose import (
    APPLICATION_DOMAIN,
    CARD_MANAGER,
    CARD_VERIFICATION,
    EMV_ISSUER,
    ISSUER_DOMAIN,
    PIN_VERIFICATION,
    PIN_ZONE,
)
from kif.formats.script import Clear, Personalization, SecureChannel

_FOLDER = Path(__file__).parent / "products"
_R_MAC = 0x10
_TEST = "test-"
Hex = Annotated[str, Field(pattern=r"^([0-9A-F]{2})+$")]
_Clear = Annotated[Clear, Field(strict=False)]
PIN_INDEX, PIN_VALUE, CARD_VALUE = "pin-index", "pin-value", "card-value"
_Internal = Annotated[str, Field(pattern=r"^[37][0-9A-F]{3}$")]
_Part = Annotated[str, Field(pattern=rf"^({PIN_INDEX}|{PIN_VALUE}|{CARD_VALUE}|[0-9]{{1,13}})$")]


class Contactless(BaseModel):
    """What of a profile is another over the air; hex strings as in the profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kernel: Hex
    """Of the terminal (tag 9F2A; EMV Contactless Book B, 3.3.2)."""
    pdol: Annotated[str, Field(pattern=r"^([0-9A-F]{2})*$")]
    aip: Hex
    cvm_list: Hex
    cdol1: Hex


class LoadFile(BaseModel):
    """Code that the blanks come without: a load file data block, beside the profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    package: Hex
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\.lfdb$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NewInstance(BaseModel):
    """An instance that is made on each blank, of code that it has by then."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    package: Hex
    module: Hex
    aid: Hex
    privileges: Annotated[str, Field(pattern=r"^([0-9A-F]{2}|[0-9A-F]{6})$")] = "00"
    """Of a security domain the first byte has 80 (GPC 2.3.1, 6.6.1)."""
    parameters: Annotated[str, Field(pattern=r"^([0-9A-F]{2})*$")] = ""

    @property
    def instance(self) -> Instance:
        """The instance."""
        return Instance(**self.model_dump())


class OwnDomain(BaseModel):
    """Of a card's instances, the security domain that gets keys of its own and the application."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    aid: Hex
    version: Annotated[int, Field(ge=1, le=127)]
    """Of those keys."""


class Product(BaseModel):
    """A profile. Hex strings are values of the EMV data objects that they are named after."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    author: str
    approver: str
    vendor: str
    keys: Annotated[tuple[str, ...], Field(strict=False)]
    """Purposes of the issuer's keys whose card keys the card gets, in the order of DGI 8000."""
    application: Hex
    security_domain: Hex
    key_version: Annotated[int, Field(ge=1, le=127)]
    """Of the keys that blanks are delivered with."""
    domain_version: Annotated[int, Field(ge=1, le=127)]
    """Of the issuer's keys, which replace them."""
    chip: Annotated[str, Field(pattern=r"^[0-9A-F]{20}$")] | None = None
    """The first ten bytes of the blanks' CPLC (tag 9F7F): fabricator and type of the chip, its
    operating system, with date and level; compared before a key leaves, where a profile has it."""
    load: LoadFile | None = None
    instances: Annotated[tuple[NewInstance, ...], Field(strict=False)] = ()
    """What is installed and made selectable, in this order, on blanks that come without it."""
    application_domain: OwnDomain | None = None
    life_cycle: Literal["OP_READY", "INITIALIZED"]
    """In which blanks are delivered (GPC 2.3.1, 5.1)."""
    scp03_options: Annotated[int, Field(ge=0, le=0x7F)] | None = None
    """SCP03's parameter "i" of the blanks (Amendment D, table 5-1)."""
    scp02_options: Annotated[int, Field(ge=0, le=0x7F)] | None = None
    """SCP02's, of older ones that speak that instead (GPC 2.3.1, table E-1)."""
    card_keys: Literal["KDF3", "VISA2", "EMV"] = "KDF3"
    """How static keys come of a card manager key: VISA2 or EMV with SCP02."""
    personalization: Annotated[Personalization, Field(strict=False)]
    """``install``, or ``select`` on cards that refuse INSTALL [for personalization]."""
    largest_command: Annotated[int, Field(ge=255, le=0xFFFF)]
    """Bytes of data that the card takes in one command; more than 255 are extended length."""
    security_level: Literal[0x01, 0x03, 0x11, 0x13, 0x33]
    store_data: Literal["dgi", "plain"] = "dgi"
    """What P1 of STORE DATA says of the data: that they are DGIs, or nothing, as EMV CPS has it."""
    internal_data: Annotated[dict[_Internal, Hex], Field(strict=False)] = {}
    """Data groupings of the card's own, by DGI: 3000 and its like, as its vendor describes them."""
    chip_name: Literal["common", "iso-8859-1"]
    """The characters of 5F20: ASCII, or ISO/IEC 8859-1 (EMV Book 4, annex B)."""
    printed_name: Literal["as-sent", "common"]
    """What is printed: the issuer's letters with their marks, or ASCII."""
    label: Annotated[str, Field(max_length=16)]
    priority: Hex
    pdol: Annotated[str, Field(pattern=r"^([0-9A-F]{2})*$")]
    """Empty when the card asks the terminal for nothing."""
    aip: Hex
    issuer_application_data: Hex
    arpc_method: Literal[1, 2]
    """Of the issuer's response (EMV Book 2, 8.2), as the cryptogram version has it."""
    data_authentication_code: Annotated[str, Field(pattern=r"^[0-9A-F]{4}$")] | None = None
    """Of signed static application data, on cards that have that (SDA; EMV Book 2, 5.4)."""
    card_key_bits: Annotated[int, Field(ge=1024, le=1984, multiple_of=8)] | None = None
    """Of the key pair that the card makes, on cards that sign (DDA, CDA; Book 2, 6)."""
    key_generation: Annotated[str, Field(pattern=r"^[0-9A-F]{4}$")] | None = None
    """The vendor's DGI by which the card is asked for it."""
    ddol: Hex | None = None
    """What of the terminal's data the card signs (tag 9F49)."""
    pin_length: Annotated[int, Field(ge=4, le=12)] | None = None
    """Of the PIN that is drawn for each card, on cards that have one."""
    pin_tries: Annotated[int, Field(ge=1, le=15)] | None = None
    pin_verification_index: Annotated[int, Field(ge=0, le=9)] | None = None
    """PVKI: which of its keys the issuer's host verifies PINs with (PVV)."""
    pin_decimalisation: Annotated[str, Field(pattern=r"^[0-9]{16}$")] | None = None
    """The table of a host that verifies them by IBM 3624 and an offset instead."""
    pin_validation: Annotated[str, Field(pattern=r"^[0-9]{1,2}\+[0-9]{1,2}[0-9A-F]$")] | None = None
    """Its validation data: the first digit of the PAN (from 0), how many, and the pad: 3+11F."""
    discretionary_data: Annotated[tuple[_Part, ...], Field(strict=False)] = ()
    """What the tracks end with: ``pin-index`` (PVKI), ``pin-value`` (PVV or offset), ``card-value``
    (a CVV on the stripe, an iCVV in the chip) and digits; nothing: what the issuer's records have.
    """
    magnetic_stripe: bool = False
    """Whether tracks 1 and 2 are encoded."""
    printed_value: Literal["YYMM", "MMYY"] | None = None
    """The order of the date in a CVV2, on cards where one is printed."""
    contactless: Contactless | None = None
    """Of cards that are read over the air too."""
    permits: Annotated[tuple[_Clear, ...], Field(strict=False)] = ()
    """What a PIN may be clear on the host for."""
    country: Hex
    currency: Hex
    usage_control: Hex
    cvm_list: Hex
    iac_default: Hex
    iac_denial: Hex
    iac_online: Hex
    cdol1: Hex
    cdol2: Hex

    @model_validator(mode="after")
    def _answers_are_authenticated(self) -> Self:
        """Without R-MAC nobody knows what the card took; only a test may do without it."""
        if (self.scp03_options is None) == (self.scp02_options is None):
            raise ValueError("blanks speak SCP03 or SCP02: name scp03_options or scp02_options")
        if (self.scp02_options is None) != (self.card_keys == "KDF3"):
            raise ValueError("card_keys are by KDF3 with SCP03, and by VISA2 or EMV with SCP02")
        options = self.channel_options
        if not options.possible or self.security_level not in options.levels:
            raise ValueError(
                f"security_level {self.security_level:02X} is not one of {self.secure_channel} "
                f"with i = {options.i:02X}"
            )
        untold = not self.security_level & _R_MAC and self.scp02_options is None
        if untold and not self.name.startswith(_TEST):
            raise ValueError(
                f"security_level {self.security_level:02X} has no R-MAC; use 11, 13 or 33"
            )
        if self.card_key_bits and not self.security_level & _R_MAC:
            raise ValueError(
                f"security_level {self.security_level:02X} has no R-MAC: nobody would know whose "
                "public key is certified"
            )
        if self.domain_version == self.key_version:
            raise ValueError("the issuer's keys need another version than the vendor's")
        if self.author == self.approver:
            raise ValueError("the author of a profile does not approve it")
        return self

    @property
    def secure_channel(self) -> SecureChannel:
        """The protocol that the blanks speak."""
        return SecureChannel.SCP03 if self.scp02_options is None else SecureChannel.SCP02

    @property
    def channel_options(self) -> scp02.Options | scp03.Options:
        """Its parameter "i"."""
        if self.scp02_options is not None:
            return scp02.Options(self.scp02_options)
        return scp03.Options(self.scp03_options or 0)

    @property
    def ciphers(self) -> dict[str, str]:
        """The cipher that the keys of each purpose have to be of, where there is a choice."""
        cipher = "TDEA" if self.secure_channel is SecureChannel.SCP02 else "AES"
        zone = "TDEA" if Clear.FORMAT_0 in self.permits else "AES"
        domains = (CARD_MANAGER, ISSUER_DOMAIN, APPLICATION_DOMAIN)
        return {**dict.fromkeys(domains, cipher), PIN_ZONE: zone}

    @property
    def wanted(self) -> dict[str, str]:
        """The owner for each purpose of a card's keys: the vendor, or "" for the issuer."""
        issuers = [ISSUER_DOMAIN, *self.keys, *([EMV_ISSUER] if self.offline else [])]
        issuers += [PIN_VERIFICATION, PIN_ZONE] if self.pin_length else []
        issuers += [CARD_VERIFICATION] if self.card_values else []
        issuers += [APPLICATION_DOMAIN] if self.application_domain else []
        return {CARD_MANAGER: self.vendor, **dict.fromkeys(issuers, "")}

    @property
    def card_values(self) -> bool:
        """Whether its cards have verification values (CVV and the like)."""
        return CARD_VALUE in self.discretionary_data or self.printed_value is not None

    @property
    def offline(self) -> bool:
        """Whether terminals authenticate its cards offline."""
        return bool(self.data_authentication_code or self.card_key_bits)


def load_product(name: str, folder: Path | None = None) -> Product:
    """Return a product's profile, of those shipped and those in a folder.

    Raises ``BadInput`` (PRODUCT) naming the products there are, or what is wrong with this one.
    """
    return read_product(name, folder)[0]


def read_product(name: str, folder: Path | None = None) -> tuple[Product, str]:
    """Return the profile as well, and SHA-256 (hex) of the very bytes that it was read from."""
    path = _file(name, folder)
    try:
        raw = path.read_bytes()
        value, _ = read_document(raw, str(path), Control.PRODUCT)
        product = Product.model_validate(value)
    except (BadInput, ValidationError, OSError):
        product = None
    if product is None or product.name != path.stem:
        raise BadInput(
            Control.PRODUCT,
            f"The profile {path} is not right. 'kif product check {path}' says what is wrong.",
        )
    return product, hashlib.sha256(raw).hexdigest()


def product_files(folder: Path | None = None) -> dict[str, Path]:
    """Return the file of each product. Raises ``BadInput`` (PRODUCT) when one has two."""
    shipped = {path.stem: path for path in sorted(_FOLDER.glob("*.yaml"))}
    own = {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder else {}
    twice = sorted(shipped.keys() & own.keys())
    if twice:
        raise BadInput(
            Control.PRODUCT,
            f"The product '{twice[0]}' is shipped with kif; {own[twice[0]]} needs another name.",
        )
    return shipped | own


def _file(name: str, folder: Path | None) -> Path:
    known = product_files(folder)
    if name not in known:
        raise BadInput(
            Control.PRODUCT,
            f"There is no product '{name}'; there are: {', '.join(known)}. Add its reviewed "
            "profile, or ask the issuer which product it means.",
        )
    return known[name]
