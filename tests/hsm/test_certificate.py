"""Certificates of the site, judged by openssl."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute

from kif.hsm.certificate import _TokenKey, ca_certificate, recipient_certificate
from kif.hsm.keypair import SiteCa, generate_recipient, generate_site_ca
from kif.hsm.token import Token

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITE = "Example Bureau"
LABELS = ("certificate test CA", "certificate test recipient", "certificate test other CA")


class Issued(NamedTuple):
    ca: SiteCa
    recipient_key: rsa.RSAPublicKey
    ca_pem: str
    recipient_pem: str
    other_pem: str


@pytest.fixture(scope="module")
def issued(token: Token) -> Iterator[Issued]:
    """A site's CA and recipient certificate, and a CA of the same name with another key."""
    ca, key = generate_site_ca(token, LABELS[0]), generate_recipient(token, LABELS[1])
    other = ca_certificate(generate_site_ca(token, LABELS[2]), SITE, NOW)
    recipient = recipient_certificate(ca, key, SITE, NOW)
    yield Issued(ca, key, ca_certificate(ca, SITE, NOW), recipient, other)
    for label in LABELS:
        for each in list(token.session.get_objects({Attribute.LABEL: label})):
            each.destroy()


def verified(where: Path, trusted: str, certificate: str, *, at: datetime = NOW) -> str:
    """What ``openssl verify`` says, strictly, at a moment."""
    for name, pem in (("ca.pem", trusted), ("certificate.pem", certificate)):
        (where / name).write_text(pem)
    seconds = str(int(at.timestamp()))
    options = ["-x509_strict", "-check_ss_sig", "-attime", seconds, "-CAfile", "ca.pem"]
    result = subprocess.run(
        ["openssl", "verify", *options, "certificate.pem"],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return (result.stdout + result.stderr).strip()


def test_openssl_verifies_the_recipients_certificate(issued: Issued, tmp_path: Path) -> None:
    assert verified(tmp_path, issued.ca_pem, issued.recipient_pem) == "certificate.pem: OK"


def test_openssl_verifies_the_sites_own_certificate(issued: Issued, tmp_path: Path) -> None:
    assert verified(tmp_path, issued.ca_pem, issued.ca_pem) == "certificate.pem: OK"


def test_openssl_refuses_it_under_another_ca_of_the_same_name(
    issued: Issued, tmp_path: Path
) -> None:
    assert "verification failed" in verified(tmp_path, issued.other_pem, issued.recipient_pem)


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (NOW - timedelta(hours=1), "not yet valid"),
        (NOW + timedelta(days=3 * 365, hours=1), "expired"),
    ],
)
def test_openssl_refuses_it_outside_its_validity(
    issued: Issued, tmp_path: Path, moment: datetime, reason: str
) -> None:
    said = verified(tmp_path, issued.ca_pem, issued.recipient_pem, at=moment)
    assert reason in said


def test_the_recipients_certificate_carries_its_key_for_encipherment_alone(
    issued: Issued,
) -> None:
    certificate = x509.load_pem_x509_certificate(issued.recipient_pem.encode())
    assert certificate.public_key() == issued.recipient_key
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_encipherment
    assert not usage.value.digital_signature
    assert not usage.value.key_cert_sign
    constraint = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraint.critical, constraint.value.ca) == (True, False)


def test_the_sites_certificate_is_a_ca_with_nothing_below_its_leaves(issued: Issued) -> None:
    certificate = x509.load_pem_x509_certificate(issued.ca_pem.encode())
    constraint = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (constraint.ca, constraint.path_length) == (True, 0)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    assert certificate.subject.rfc4514_string() == "CN=Example Bureau site CA,O=Example Bureau"


def test_the_key_that_the_builder_holds_gives_nothing_but_signatures(issued: Issued) -> None:
    key = _TokenKey(issued.ca)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key.key_size == 256
    assert key.public_key() == issued.ca.public_key
    for refused in (key.exchange, key.private_numbers, key.private_bytes):
        with pytest.raises(TypeError, match="the site's CA key"):
            refused()
