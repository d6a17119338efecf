"""The certificates that payment schemes gave for issuers' keys: verified before they are taken."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, Refused
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.keyref import KeyRef
from kif.formats.offline import Certificate
from kif.formats.purpose import EMV_ISSUER
from kif.ledger.ceremonies import Ceremonies
from kif.ledger.events.key import IssuerCertified
from kif.ledger.journal import Journal
from kif.ledger.keys import Keys


class Schemes:
    """The certificate of each issuer's key that has one; a later one takes the place of it."""

    def __init__(self, journal: Journal, ceremonies: Ceremonies, keys: Keys) -> None:
        self._journal, self._ceremonies, self._keys = journal, ceremonies, keys
        self.certificates: dict[KeyRef, IssuerCertificate] = {}

    def certified(self, event: IssuerCertified, now: datetime) -> None:
        """Take the certificate of the key that the running ceremony is about."""
        running = self._ceremonies.require_running()
        _require(event.key == running.named, f"{running.named} is the key that this is about.")
        certificate = event.certificate()
        self.require(event.key, certificate, now)
        self._journal.put(self.certificates, event.key, certificate)
        self._ceremonies.change(running, carried=True)

    def require(self, key: KeyRef, certificate: IssuerCertificate, now: datetime) -> Certificate:
        """Verify a certificate of a key; return what it says. Raises ``KifError``.

        It recovers by the scheme's key, is of this key, and ends later than now.
        """
        _require(key.purpose == EMV_ISSUER, f"{key} is no key that a scheme certifies.")
        try:
            found = certificate.opened()
        except (BadInput, CheckFailed) as fault:
            raise _wrong(
                f"it does not open with the scheme's key in it ({fault.sentence})"
            ) from None
        if found.key.modulus != self._keys.public_key(key):
            raise _wrong(f"it is of another key than {key}")
        if is_over(found, now):
            raise _wrong("it is over, or has no date")
        return found

    def newest(self, owner: str, now: datetime) -> KeyRef:
        """Return the newest key of an issuer that may be used and has a certificate now."""
        found = [
            key
            for key, certificate in self.certificates.items()
            if key.owner == owner
            and self._keys.require(key).may_be_used(now)
            and not is_over(certificate.opened(), now)
        ]
        if not found:
            raise Refused(
                Control.KEY_FOUND,
                f"{owner} has no active {EMV_ISSUER} key with a certificate of its scheme. Hold "
                "'kif ceremony run' with ceremonies/issuer-pair.yaml, and with "
                "issuer-certificate.yaml when the scheme has answered.",
            )
        return max(found)

    def of(self, key: KeyRef) -> IssuerCertificate:
        """Return the certificate of a key, or raise ``Refused`` (KEY_FOUND)."""
        if key not in self.certificates:
            raise Refused(Control.KEY_FOUND, f"{key} has no certificate of a scheme.")
        return self.certificates[key]

    def encode(self) -> dict[str, dict[str, str]]:
        """Return everything as JSON values."""
        return {str(key): each.fields() for key, each in self.certificates.items()}

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.certificates = {
            KeyRef.parse(key): IssuerCertificate.of(each) for key, each in fields.items()
        }


def is_over(certificate: Certificate, now: datetime) -> bool:
    """Return whether a certificate's last month is over; a date that is none is over."""
    return f"{now:%Y-%m}" > certificate.valid_to


def _wrong(why: str) -> BadInput:
    return BadInput(
        Control.ISSUER_CERTIFICATE,
        f"The certificate is not taken: {why}. Nothing was changed; ask the scheme for another.",
    )


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise Refused(Control.ISSUER_CERTIFICATE, sentence)
