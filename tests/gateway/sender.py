"""Issuers' files for tests, made by ``openssl cms``, and an oracle in software to open them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef, of_site
from kif.formats.pan import hash_total, with_check_digit
from kif.formats.state import BatchState, JobState
from kif.oracle.messages import BatchView, IssuerView, ReceivedFile

NOW = datetime.now(UTC) + timedelta(hours=1)  # after every certificate here was made
PANS = [with_check_digit(f"99999900{number:07}") for number in (1, 2, 3)]


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    return subprocess.run(
        ["openssl", *map(str, arguments)], input=given, capture_output=True, check=True
    ).stdout


@dataclass(frozen=True)
class Identity:
    """A TEST key and certificate on disk."""

    key: Path
    certificate: Path

    @property
    def pem(self) -> str:
        return self.certificate.read_text()


ODD = {
    "name in Latin-1": "string_mask=MASK:0x4\n[dn]\nO=B\u00e4nk Eins\nCN=TEST signer\n[v3]\n"
    "subjectKeyIdentifier=hash\n",
    "user notice": "[dn]\nCN=TEST signer\n[v3]\nsubjectKeyIdentifier=hash\ncertificatePolicies="
    "DER:3025302306092b06010401868d1f013016301406082b0601050507020230081a0664e9706f73e9\n",
}
"""Certificates that cryptography does not read whole: older CAs and real eID cards have them."""


def make_identity(
    folder: Path, name: str, *, kind: str = "rsa:2048", days: int = 30, config: str = ""
) -> Identity:
    """Make a TEST identity with openssl; ``kind`` is rsa:BITS, ec or ed25519."""
    identity = Identity(folder / f"{name}.key", folder / f"{name}.pem")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else []
    subject: list[str | Path] = ["-subj", f"/CN=TEST {name}"]
    if config:
        path = folder / f"{name}.cnf"
        path.write_text(f"[req]\ndistinguished_name=dn\nprompt=no\nutf8=yes\n{config}")
        subject = ["-config", path, "-extensions", "v3"]
    openssl(
        *("req", "-x509", *(new or ["-newkey", kind]), "-noenc", "-days", str(days)),
        *(*subject, "-keyout", identity.key, "-out", identity.certificate),
    )
    return identity


def sign(content: bytes, signer: Identity, *options: str) -> bytes:
    who = ("-signer", signer.certificate, "-inkey", signer.key)
    how = ("-binary", "-nodetach", "-outform", "DER", *options)
    return openssl("cms", "-sign", *who, *how, given=content)


def encrypt(content: bytes, recipient: Identity, *options: str) -> bytes:
    cipher = () if any(option.startswith("-aes") for option in options) else ("-aes-256-cbc",)
    how = ("-binary", "-outform", "DER", *cipher, "-recip", recipient.certificate, *options)
    return openssl("cms", "-encrypt", *how, given=content)


def header(**changes: object) -> dict[str, object]:
    return {
        "format": "kif-issuer-file-1",
        "issuer": "bank",
        "reference": "F-1",
        "product": "test-debit",
        "count": len(PANS),
        "hash_total": hash_total(PANS),
    } | changes


def record(number: str, **changes: object) -> dict[str, object]:
    return {
        "pan": number,
        "psn": "00",
        "expiry": "2039-12",
        "name": "TEST/CARDHOLDER AA",
        "service_code": "201",
        "discretionary_data": "12345",
    } | changes


def lines(first: dict[str, object], *records: dict[str, object]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in (first, *records)).encode()


CONTENT = lines(header(), *(record(pan) for pan in PANS))


class SoftwareEnvelope:
    """A content key in software."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def decrypt(self, initialisation_vector: bytes, segment: bytes) -> bytes:
        mode = modes.CBC(initialisation_vector)
        return Cipher(algorithms.AES(self._key), mode).decryptor().update(segment)


@dataclass
class SoftwareOracle:
    """The gateway's desk with a recipient key in software; it remembers what it is told."""

    recipient: Identity
    register: Sequence[IssuerView]
    admitted: list[ReceivedFile] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def recipient_certificate(self) -> str:
        return self.recipient.pem

    def recipients(self) -> Sequence[tuple[KeyRef, str]]:
        return [(of_site("envelope-recipient"), self.recipient.pem)]

    def issuers(self) -> Sequence[IssuerView]:
        return self.register

    @contextmanager
    def open_envelope(
        self, recipient: KeyRef, encrypted_key: bytes, oaep: bool
    ) -> Iterator[SoftwareEnvelope]:
        key = load_pem_private_key(self.recipient.key.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        try:
            way = padding.OAEP(padding.MGF1(SHA1()), SHA1(), None) if oaep else padding.PKCS1v15()  # noqa: S303
            content_key = key.decrypt(encrypted_key, way)
            envelope = SoftwareEnvelope(content_key)
            envelope.decrypt(bytes(16), bytes(16))
        except ValueError:
            raise BadInput(Control.FILE_INTACT, "The content key does not open.") from None
        yield envelope

    def admit(self, file: ReceivedFile, *, again: bool = False) -> BatchView:
        self.admitted.append(file)
        jobs = {JobState.RECEIVED: len(file.cards)}
        return BatchView(
            *("b", file.issuer, file.reference, file.product, len(file.cards)),
            *(BatchState.RECEIVED, (), jobs),
        )

    def refuse_file(self, file_digest: str, control: str, sentence: str) -> None:
        self.refused.append((control, sentence))


def certificate_of(identity: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(identity.pem.encode())
