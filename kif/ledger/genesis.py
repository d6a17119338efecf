"""What a genesis leaves on the record: the token, the certificates, the seal, and the log's key.

Its steps are those of its plan (:mod:`kif.ledger.ceremonies`); here is what each of them has to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kif.formats.certificate import read_certificate
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.keyref import KeyRef, of_site
from kif.formats.purpose import ENVELOPE_RECIPIENT
from kif.formats.purpose import LOG_SIGNER as _LOG_SIGNER
from kif.formats.purpose import SITE_CA as _SITE_CA
from kif.formats.state import KeyState
from kif.ledger.events.ceremony import (
    CertificateIssued,
    PinSealed,
    Role,
    SiteFounded,
    TokenMade,
)
from kif.ledger.events.site import LibraryAccepted
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys
from kif.ledger.people import People

LOG_SIGNER, SITE_CA = of_site(_LOG_SIGNER), of_site(_SITE_CA)
USER_PIN, SO_PIN = "user-pin", "so-pin"
HOLDERS = {USER_PIN: Role.OPERATOR, SO_PIN: Role.CUSTODIAN}
_LEAST = 2


@dataclass(frozen=True)
class Sealed:
    """A seal: how many of its holders open it, and SHA-256 (hex) of its files."""

    threshold: int
    files: dict[str, str]
    """Of each holder's own file."""
    quorum: str

    @classmethod
    def of(cls, event: PinSealed) -> Sealed:
        """Return the seal that an event tells of."""
        return cls(
            event.threshold, dict(zip(event.holders, event.files, strict=True)), event.quorum
        )


class Genesis:
    """What the ceremony has come to; ``closed`` once the site stands."""

    def __init__(self, journal: Journal, people: People, keys: Keys, log_key: bytes) -> None:
        self._journal, self._people, self._keys = journal, people, keys
        self.log_key = log_key
        """The Ed25519 key that signs the log now."""
        self.closed = False
        self.site = ""
        """The site's name, once it is founded."""
        self.plan = ""
        """The SHA-256 of the plan that it was made by, hex."""
        self.token: dict[str, str] = {}
        """Label, library and its digest, as now in force."""
        self.certificates: dict[str, str] = {}
        """PEM by the key's reference."""
        self.sealed: dict[str, Sealed] = {}
        """The seals by purpose."""

    def make_token(self, event: TokenMade) -> None:
        """Note the token when its PINs are sealed: once, or anew when the site is restored."""
        _require(self.closed or not self.token, "The token is made once.")
        _require(not self.closed or event.label == self.site, "A token has the site's name.")
        _require(self.sealed.keys() == HOLDERS.keys(), "Not every PIN is sealed.")
        self._journal.set(self, "token", token_of(event))

    def require_token(self, kind: str) -> None:
        """Require that keys can be made now."""
        _require(bool(self.token), f"There is no token yet; {kind} comes after it.")

    def certify(self, event: CertificateIssued) -> None:
        """Note a certificate of a key on the record, signed by the site's CA."""
        self.require_token(event.kind)
        _require(str(event.key) not in self.certificates, f"{event.key} is certified already.")
        certificate = read_certificate(event.certificate)
        _require(
            _public(certificate) == self._keys.public_key(event.key),
            f"The certificate of {event.key} is of another key than the one on the record.",
        )
        _require(
            _signed_by(certificate, self._keys.public_key(self._keys.newest_pair(_SITE_CA))),
            f"The certificate of {event.key} is not signed by the site's CA.",
        )
        self._journal.put(self.certificates, str(event.key), event.certificate)

    def forget_certificates(self, keys: Iterable[KeyRef]) -> None:
        """Forget the certificates of keys that are made again, or never used."""
        for key in keys:
            if str(key) in self.certificates:
                self._journal.drop(self.certificates, str(key))

    def require_certified(self, keys: Iterable[KeyRef]) -> None:
        """Require that every pair among new keys that needs a certificate has one."""
        for key in keys:
            needed = key.purpose in (_SITE_CA, ENVELOPE_RECIPIENT)
            _require(not needed or str(key) in self.certificates, f"{key} has no certificate yet.")

    def certificate(self, purpose: str) -> str:
        """Return the newest certificate (PEM) of a purpose, of a key that is or was in use."""
        found = [
            key
            for key in map(KeyRef.parse, self.certificates)
            if key.purpose == purpose and self._keys.require(key).state is not KeyState.PRE_ACTIVE
        ]
        return self.certificates[str(max(found))]

    def recipients(self) -> list[tuple[KeyRef, str]]:
        """Return the keys that issuers' files are taken under, with certificates, newest first."""
        newest = self._keys.newest_pair(ENVELOPE_RECIPIENT)
        keys = [newest, *self._keys.in_use_before(newest)]
        active = [key for key in keys if self._keys.require(key).state is KeyState.ACTIVE]
        return [(key, self.certificates[str(key)]) for key in active]

    def seal(self, event: PinSealed) -> None:
        """Note a sealed PIN: its holders have the role that it is for, and one can be spared."""
        _require(
            self.closed or event.purpose not in self.sealed,
            f"The {event.purpose} is sealed already.",
        )
        _require(
            _LEAST <= event.threshold < len(set(event.holders)) == len(event.files),
            "A PIN is sealed to more people than open it, so that one may be missing; at least "
            "two open it.",
        )
        for name in event.holders:
            self._people.require(name, HOLDERS[event.purpose])
        self._journal.put(self.sealed, event.purpose, Sealed.of(event))

    def openers(self) -> int:
        """Return how many operators open the token. Raises ``Refused`` (SITE) before the seal."""
        _require(USER_PIN in self.sealed, "There is no seal yet, so nobody opened a token.")
        return self.sealed[USER_PIN].threshold

    def require_openable(self, released: str) -> None:
        """Require that enough holders of each PIN are left without somebody."""
        for purpose, sealed in self.sealed.items():
            role = HOLDERS[purpose]
            left = {n for n in self._people.of_role(role) if n in sealed.files} - {released}
            _require(
                len(left) >= sealed.threshold,
                f"Without {released}, {len(left)} holders of the {purpose} are left, and "
                f"{sealed.threshold} open it: it could never be opened again.",
            )

    def open_officer(self, people: tuple[str, ...]) -> None:
        """Take those who opened the security officer's PIN: holders of it, and enough of them."""
        sealed = self.sealed[SO_PIN]
        _require(
            set(people) <= sealed.files.keys() and len(set(people)) >= sealed.threshold,
            f"The security officer's PIN opens with {sealed.threshold} of its holders.",
        )
        for name in people:
            self._people.require(name, HOLDERS[SO_PIN])

    def accept_library(self, event: LibraryAccepted) -> None:
        """Note another library, sealed anew by the holders of the PIN."""
        _require(
            set(event.by) <= self.sealed[USER_PIN].files.keys(),
            "A library is accepted by holders of the user PIN.",
        )
        library = {"library": event.library, "library_digest": event.library_digest}
        self._journal.set(self, "token", self.token | library)
        sealed = replace(self.sealed[USER_PIN], quorum=event.quorum)
        self._journal.put(self.sealed, USER_PIN, sealed)

    def found(self, event: SiteFounded, site: str, plan: str) -> None:
        """Note that the site is whole, and that its log is signed by its own key."""
        self.require_token(event.kind)
        _require(event.site == site, f"The genesis is one of {site}, not of {event.site}.")
        signer = self._keys.public_key(LOG_SIGNER)
        _require(
            event.log_key == signer == self.log_key,
            "The key that signs this log is not the one that the genesis made for it.",
        )
        self._journal.set(self, "site", site)
        self._journal.set(self, "plan", plan)

    def sign_with(self, log_key: bytes) -> None:
        """Take the key that signs the log from here on."""
        self._journal.set(self, "log_key", log_key)

    def close(self) -> None:
        """Close the genesis: everyone has signed its end."""
        _require(bool(self.site), "The site is not founded yet.")
        self._journal.set(self, "closed", True)

    def require_site(self) -> None:
        """Require that the genesis is closed (SITE)."""
        _require(self.closed, "The genesis is not closed; nothing else happens before.")

    def encode(self) -> dict[str, Any]:
        """Return what a closed genesis leaves as JSON values."""
        return {
            "log_key": self.log_key.hex(),
            "site": self.site,
            "plan": self.plan,
            "token": self.token,
            "certificates": self.certificates,
            "sealed": {purpose: vars(each) for purpose, each in self.sealed.items()},
        }

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.closed = True
        self.site, self.plan, self.token = fields["site"], fields["plan"], fields["token"]
        self.log_key = bytes.fromhex(fields["log_key"])
        self.certificates = fields["certificates"]
        self.sealed = {purpose: Sealed(**each) for purpose, each in fields["sealed"].items()}


def token_of(event: TokenMade) -> dict[str, str]:
    """Return what stays known of a token: its label, the library and its digest."""
    return {
        "label": event.label,
        "library": event.library,
        "library_digest": event.library_digest,
    }


def _public(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_numbers().n.to_bytes((key.key_size + 7) // 8, "big")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _signed_by(certificate: x509.Certificate, point: bytes) -> bool:
    """Return whether a certificate is signed by the P-256 key of this point."""
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        algorithm = certificate.signature_hash_algorithm
        if algorithm is None:
            return False
        key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(algorithm))
    except (ValueError, InvalidSignature):
        return False
    return True


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise Refused(Control.SITE, sentence)
