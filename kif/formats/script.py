"""The personalisation script of one card: what data preparation makes, and the oracle executes.

Data groupings stand in the order in which the card gets them. A key is never in a script: a
grouping *names* the keys (``bank/emv-ac/2``) or their check values, and the oracle derives and
wraps them inside the HSM when the card is there, by the script's recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from kif.formats import canonical, scp02, scp03
from kif.formats.content import Content, Instance, Load
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.stripe import Stripe


class Made(StrEnum):
    """What the oracle makes of a grouping when the card is there (EMV Book 2, 5 and 6; CPS)."""

    PIN = "pin"
    """The reference PIN block (DGI 8010)."""
    STATIC_SIGNATURE = "static-signature"
    """A record with the signed static application data."""
    KEY_PAIR = "key-pair"
    """The card is asked for a key pair; it answers with the public key."""
    CARD_CERTIFICATE = "card-certificate"
    """A record with the issuer's certificate of that."""
    CONTACTLESS_CERTIFICATE = "contactless-certificate"
    """The same over the static data that is read over the air."""
    CARD_KEY = "card-key"
    """A record with its exponent, and what of its modulus is not in the certificate."""


@dataclass(frozen=True)
class Group:
    """One DGI, exactly one of: ``data`` (hex), ``keys`` or keys to check by name, what is ``made``.

    ``repr`` shows none of the data.
    """

    dgi: str
    data: str | None = None
    keys: tuple[str, ...] = ()
    check_values: tuple[str, ...] = ()
    made: Made | None = None

    def __repr__(self) -> str:
        return f"Group({self.dgi}, redacted)"


@dataclass(frozen=True)
class Offline:
    """What a card's certificate and signatures are made of; bytes are hex. ``repr`` shows none."""

    signer: str
    """Reference of the issuer's key pair."""
    static: str
    """The static data that is authenticated (Book 3, 10.3)."""
    code: str
    """The data authentication code of signed static data, two bytes; empty without."""
    subject: str
    """The PAN, padded with F to ten bytes."""
    expiry: str
    """MMYY."""
    card_key_bits: int
    """Of the modulus of the pair that the card makes; 0 for none."""
    contactless: str = ""
    """The static data that is authenticated over the air; empty without."""

    def __repr__(self) -> str:
        return f"Offline({self.signer}, redacted)"


class Clear(StrEnum):
    """Why a PIN, or a card's key, is clear on the host, as a profile permits it."""

    DRAWN = "pin-on-host"
    CHECKED = "pin-check"
    """The card verifies it, in quality control."""
    MAILED = "pin-mailer"
    """It is sealed to the printer of the mailers."""
    FORMAT_0 = "pin-format-0"
    """It goes to the issuer under 2TDEA, as a block that is made of its digits."""
    SCP02 = "scp02-on-host"
    """It goes to the card under a 3DES key, which wraps nothing on a plain token."""


@dataclass(frozen=True)
class Pin:
    """The cardholder's PIN, as the HSM keeps it. ``repr`` shows none of it."""

    kept: str
    """Hex; see :class:`kif.hsm.pinkeeping.KeptPin`."""
    verification_value: str
    """The PVV or the offset, with which the issuer's host verifies it."""
    zone: str
    """Reference of the key under which its block goes to the issuer."""
    account: str
    """The PAN, which a block for the issuer is made over."""
    tries: int
    permits: tuple[str, ...]
    """What it may be clear on the host for (:class:`Clear`)."""

    def __repr__(self) -> str:
        return "Pin(redacted)"


@dataclass(frozen=True)
class Artwork:
    """What is printed on the card, by the names that the product's layout has for it."""

    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields[name]

    def __repr__(self) -> str:
        return f"Artwork({', '.join(sorted(self.fields))}: redacted)"


@dataclass(frozen=True)
class KeyedDomain:
    """A security domain of the card that gets keys of the issuer."""

    aid: str
    key: str
    """Reference of the issuer's key that its keys are derived from."""
    version: int
    """Key version number that they have."""

    @property
    def name(self) -> bytes:
        """Its AID."""
        return bytes.fromhex(self.aid)

    @property
    def master(self) -> KeyRef:
        """The issuer's key."""
        return KeyRef.parse(self.key)


class Personalization(StrEnum):
    """How a card's application gets its data (GPC 2.3.1, 7.3.2 and 7.3.3)."""

    INSTALL = "install"
    """From its security domain: INSTALL [for personalization], and STORE DATA is handed on."""
    SELECT = "select"
    """Selected itself, over a channel of its own, where the card refuses the other."""


class SecureChannel(StrEnum):
    """The secure channel protocol of a card."""

    SCP02 = "scp02"
    SCP03 = "scp03"


class Recipe(StrEnum):
    """How a script becomes commands and a finished card is checked, one for each family."""

    EMV = "emv"


@dataclass(frozen=True)
class Script:
    """A card's whole personalisation; bytes are hex."""

    recipe: Recipe
    diversification: str
    """What the card's own keys are derived with. EMV: the 16 bytes of option A (Book 2, A1.4.1)."""
    card_manager: str
    """Reference of the vendor's key that the card's transport keys are derived from."""
    application: str
    """AID of the application that is personalised."""
    security_domain: str
    """AID of the security domain that opens the channel."""
    key_version: int
    """Key version number of the card's transport keys."""
    domain_key: str
    """Reference of the issuer's key that the card's own keys are derived from: they replace those
    of the vendor."""
    domain_version: int
    """Key version number that they have."""
    life_cycle: str
    """In which state blanks are delivered: a name of :class:`kif.formats.lifecycle.CardState`."""
    options: int
    """The parameter "i" of its secure channel protocol (Amendment D, table 5-1; GPC, E-1)."""
    security_level: int
    """01 or 03, with SCP03 also 11, 13 or 33."""
    personalization: Personalization
    largest_command: int
    """How many bytes of data the card takes in one command: 255, or more in extended length."""
    arpc_method: int
    """How the issuer answers an ARQC: by ARPC method 1 or 2 (EMV Book 2, 8.2)."""
    offline: Offline | None
    """Of cards with offline data authentication."""
    pin: Pin | None
    groups: tuple[Group, ...]
    directory: tuple[Group, ...]
    """Those of the card's payment system environment (EMV Book 1, 12.2)."""
    artwork: Artwork
    secure_channel: SecureChannel = SecureChannel.SCP03
    card_keys: str = "KDF3"
    """How a card's static keys come of a master: KDF3 for SCP03, VISA2 or EMV for SCP02."""
    permits: tuple[str, ...] = ()
    """What may be clear on the host when the card gets its keys (:class:`Clear`)."""
    structured: bool = True
    """Whether STORE DATA says in P1 that its data are DGIs (GPC 2.3.1, table 11-89)."""
    proximity: tuple[Group, ...] = ()
    """Those of its proximity environment, of cards that are read over the air too."""
    chip: str = ""
    """What the CPLC of its blanks begins with (tag 9F7F), ten bytes; empty where any will do."""
    content: Content | None = None
    """What is loaded and installed first, on blanks without their application."""
    stripe: Stripe | None = None
    """Of cards with a magnetic stripe."""
    application_domain: KeyedDomain | None = None
    """Of cards whose application belongs to another domain than the card's issuer's."""

    def __repr__(self) -> str:
        return f"Script({len(self.groups)} groups, redacted)"

    @property
    def issuer_domain(self) -> KeyedDomain:
        """The card's own security domain, whose keys replace those of the vendor."""
        return KeyedDomain(self.security_domain, self.domain_key, self.domain_version)

    @property
    def challenge(self) -> int:
        """How many bytes a challenge to the card has."""
        if self.secure_channel is SecureChannel.SCP02:
            return scp02.CHALLENGE
        return scp03.Options(self.options).size

    @property
    def largest_block(self) -> int:
        """How many plain bytes a protected command carries."""
        if self.secure_channel is SecureChannel.SCP02:
            return scp02.most_plain_data(self.security_level)
        most = self.largest_command
        return scp03.most_plain_data(self.security_level, self.challenge, most)

    def encode(self) -> Secret:
        """Return the canonical JSON."""
        return Secret(canonical.encode(asdict(self)))

    def named_keys(self) -> frozenset[KeyRef]:
        """Return every key that the script names."""
        named = [name for group in self.groups for name in (*group.keys, *group.check_values)]
        named += [] if self.offline is None else [self.offline.signer]
        named += [] if self.pin is None else [self.pin.zone]
        named += [] if self.application_domain is None else [self.application_domain.key]
        return frozenset(map(KeyRef.parse, (self.card_manager, self.domain_key, *named)))

    @classmethod
    def decode(cls, raw: Secret) -> Script:
        """Read what ``encode`` wrote."""
        fields: dict[str, Any] = canonical.decode(raw.reveal())
        fields["recipe"] = Recipe(fields["recipe"])
        fields["personalization"] = Personalization(fields["personalization"])
        fields["secure_channel"] = SecureChannel(fields.get("secure_channel", "scp03"))
        fields["permits"] = tuple(fields.get("permits", ()))
        offline = fields.pop("offline")
        fields["offline"] = None if offline is None else Offline(**offline)
        pin = fields.pop("pin")
        fields["pin"] = None if pin is None else Pin(**pin | {"permits": tuple(pin["permits"])})
        content = fields.pop("content", None)
        fields["content"] = None if content is None else _content(content)
        stripe = fields.pop("stripe", None)
        fields["stripe"] = None if stripe is None else Stripe(**stripe)
        other = fields.pop("application_domain", None)
        fields["application_domain"] = None if other is None else KeyedDomain(**other)
        for name in ("groups", "directory", "proximity"):
            fields[name] = tuple(map(_group, fields.get(name, ())))
        artwork = Artwork(fields.pop("artwork")["fields"])
        return cls(artwork=artwork, **fields)


def _content(fields: dict[str, Any]) -> Content:
    load = fields["load"]
    instances = tuple(Instance(**each) for each in fields["instances"])
    return Content(None if load is None else Load(**load), instances)


def _group(fields: dict[str, Any]) -> Group:
    made = fields["made"]
    return Group(
        fields["dgi"],
        fields["data"],
        tuple(fields["keys"]),
        tuple(fields["check_values"]),
        None if made is None else Made(made),
    )
