"""X.509 certificates signed by a key in the token (RFC 5280).

``cryptography`` builds and encodes; its builder asks a private key to sign, and the one here passes
the digest to the token.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from kif.hsm.keypair import SiteCa

_VALIDITY = timedelta(days=3 * 365)


class _TokenKey(ec.EllipticCurvePrivateKey):
    """A private key for the certificate builder that can sign, and nothing else."""

    def __init__(self, ca: SiteCa) -> None:
        self._ca = ca

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        return self._ca.sign_digest(hashlib.sha256(bytes(data)).digest())

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._ca.public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._ca.public_key.curve

    @property
    def key_size(self) -> int:
        return self._ca.public_key.key_size

    def exchange(self, *_: Any) -> NoReturn:
        raise TypeError("the site's CA key only signs")

    def private_numbers(self) -> NoReturn:
        raise TypeError("the site's CA key stays in the HSM")

    def private_bytes(self, *_: Any) -> NoReturn:
        raise TypeError("the site's CA key stays in the HSM")

    def __copy__(self) -> _TokenKey:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> _TokenKey:
        return self


def ca_certificate(ca: SiteCa, site: str, now: datetime) -> str:
    """Return the site's self-signed CA certificate, PEM."""
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    constraint = x509.BasicConstraints(ca=True, path_length=0)
    return _certificate(
        ca, _name(site, "site CA"), _name(site, "site CA"), ca.public_key, now, usage, constraint
    )


def recipient_certificate(ca: SiteCa, key: rsa.RSAPublicKey, site: str, now: datetime) -> str:
    """Return the certificate that issuers envelope to, PEM."""
    usage = _key_usage(key_encipherment=True)
    constraint = x509.BasicConstraints(ca=False, path_length=None)
    return _certificate(
        ca, _name(site, "issuer files"), _name(site, "site CA"), key, now, usage, constraint
    )


def _certificate(
    ca: SiteCa,
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    now: datetime,
    usage: x509.KeyUsage,
    constraint: x509.BasicConstraints,
) -> str:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALIDITY)
        .add_extension(constraint, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(authority, critical=False)
    )
    certificate = builder.sign(_TokenKey(ca), hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _name(site: str, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, site),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{site} {role}"),
        ]
    )


def _key_usage(**granted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names})
