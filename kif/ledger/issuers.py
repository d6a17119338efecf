"""The issuers whose files are accepted, with the certificates that they sign with."""

from __future__ import annotations

from typing import Any

from cryptography import x509

from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.ledger.events.site import IssuerRegistered
from kif.ledger.journal import Journal


class Issuers:
    """Every issuer's certificate (PEM) by its name."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.certificates: dict[str, str] = {}

    def register(self, event: IssuerRegistered) -> None:
        """Enter an issuer that is not there yet, with a certificate that can be read."""
        if event.issuer in self.certificates:
            raise Refused(
                Control.FILE_SIGNER,
                f"The issuer '{event.issuer}' is registered already. Nothing was changed.",
            )
        require_certificate(event.certificate)
        self._journal.put(self.certificates, event.issuer, event.certificate)

    def require(self, name: str) -> None:
        """Require that an issuer is registered (FILE_SIGNER)."""
        if name not in self.certificates:
            raise Refused(Control.FILE_SIGNER, f"The issuer '{name}' is not registered.")

    def encode(self) -> dict[str, str]:
        """Return the register as JSON values."""
        return self.certificates

    def restore(self, fields: Any) -> None:
        """Take what ``encode`` gave."""
        self.certificates = dict(fields)


def require_certificate(pem: str) -> x509.Certificate:
    """Return a certificate. Raises ``BadInput`` (FILE_SIGNER) when it is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise BadInput(
            Control.FILE_SIGNER,
            "The issuer's file is not a certificate in PEM form. Nothing was registered; ask the "
            "issuer for the certificate that it signs with.",
        ) from None
