"""Key pairs as they are generated and certified, with what is recorded of each."""

from __future__ import annotations

from datetime import datetime

from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.purpose import ENVELOPE_RECIPIENT, LOG_SIGNER, SITE_CA
from kif.hsm.certificate import ca_certificate, recipient_certificate
from kif.hsm.issuersigner import IssuerSigner, generate_issuer_pair
from kif.hsm.keypair import (
    RSA_BITS,
    destroy_pair,
    find_site_ca,
    generate_log_signer,
    generate_recipient,
    generate_site_ca,
    public_key,
    recipient_key,
)
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.ledger.events.ceremony import CertificateIssued, KeyGenerated

_USAGES = {
    LOG_SIGNER: (Usage.LOG_SIGNER, "Ed25519"),
    SITE_CA: (Usage.SITE_CA, "P-256"),
    ENVELOPE_RECIPIENT: (Usage.ENVELOPE_RECIPIENT, f"RSA-{RSA_BITS}"),
}


def generate_pair(token: Token, key: KeyRef, site: str) -> KeyGenerated:
    """Generate a pair inside the token; one that an interrupted attempt left goes first."""
    label = str(key)
    destroy_pair(token, label)
    if key.purpose == LOG_SIGNER:
        generate_log_signer(token, label, site)
    elif key.purpose == SITE_CA:
        generate_site_ca(token, label)
    else:
        generate_recipient(token, label)
    usage, algorithm = _USAGES[key.purpose]
    public = public_key(token, label).hex()
    return KeyGenerated(key, usage.value, algorithm, None, None, public)


def generate_issuers(token: Token, key: KeyRef, algorithm: str) -> tuple[IssuerSigner, Kcv]:
    """Generate an issuer's pair; return it with its check value. One that was left goes first."""
    destroy_pair(token, str(key))
    signer = generate_issuer_pair(token, str(key), int(algorithm.removeprefix("RSA-")))
    return signer, Kcv.of_modulus(signer.public.modulus)


def certify_pairs(
    token: Token, ca: KeyRef, recipient: KeyRef, site: str, now: datetime
) -> tuple[CertificateIssued, CertificateIssued]:
    """Have a CA sign its own certificate, and the recipient's."""
    signer = find_site_ca(token, str(ca))
    public = recipient_key(token, str(recipient))
    return (
        CertificateIssued(ca, ca_certificate(signer, site, now)),
        CertificateIssued(recipient, recipient_certificate(signer, public, site, now)),
    )
