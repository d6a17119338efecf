"""The issuers whose files are accepted, with the certificates that they sign with."""

from __future__ import annotations

from typing import Any

from kif.formats.certificate import require_signer
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.ledger.events.site import IssuerRegistered, IssuerRenewed, IssuerWithdrawn
from kif.ledger.journal import Journal


class Issuers:
    """Every issuer's certificate (PEM) by its name; None when it was withdrawn."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.certificates: dict[str, str | None] = {}

    def register(self, event: IssuerRegistered) -> None:
        """Enter an issuer that is not there yet, with a certificate that nobody else has."""
        if event.issuer in self.certificates:
            raise Refused(
                Control.FILE_SIGNER,
                f"The issuer '{event.issuer}' is registered already, or was. Nothing was changed; "
                "'kif issuer renew' gives it another certificate.",
            )
        self._take(event.issuer, event.certificate)

    def renew(self, event: IssuerRenewed) -> None:
        """Give an issuer that is, or was, registered another certificate."""
        if event.issuer not in self.certificates:
            raise _not_there(event.issuer)
        self._take(event.issuer, event.certificate)

    def withdraw(self, event: IssuerWithdrawn) -> None:
        """Take an issuer out of the register."""
        self.require(event.issuer)
        self._journal.put(self.certificates, event.issuer, None)

    def _take(self, issuer: str, certificate: str) -> None:
        if require_signer(certificate.encode()) != certificate:
            raise BadInput(Control.FILE_SIGNER, "A certificate is registered alone, as PEM.")
        for name, other in self.certificates.items():
            if other == certificate:
                raise Refused(
                    Control.FILE_SIGNER,
                    f"This certificate is registered for '{name}' already: a file says by it whose "
                    "it is. Nothing was changed.",
                )
        self._journal.put(self.certificates, issuer, certificate)

    def require(self, name: str) -> None:
        """Require that an issuer is registered (FILE_SIGNER)."""
        if self.certificates.get(name) is None:
            raise _not_there(name)

    def encode(self) -> dict[str, str | None]:
        """Return the register as JSON values."""
        return self.certificates

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.certificates = dict(fields)


def _not_there(name: str) -> Refused:
    return Refused(
        Control.FILE_SIGNER,
        f"The issuer '{name}' is not registered. 'kif issuer list' names those that are.",
    )
