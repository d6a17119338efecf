"""The issuer: a TEST bank that signs and encrypts files of TEST cards with ``openssl cms``.

The clear records go through pipes only; what lies on the disk is encrypted to the bureau.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.pan import hash_total, with_check_digit

_IIN = "99999900"
_SUBJECT = "/CN=TEST ISSUER - NOT FOR PRODUCTION"
_YEARS = 3


@dataclass(frozen=True)
class TestIssuer:
    """A test issuer whose key and certificate lie in a folder of its own."""

    __test__ = False  # not a test case, whatever its name looks like

    folder: Path
    name: str = "test-issuer"

    @property
    def certificate(self) -> str:
        """The certificate (PEM) that files are signed with; made when it is not there yet."""
        path = self.folder / "certificate.pem"
        if not path.exists():
            self._make(path)
        return path.read_text()

    def _make(self, certificate: Path) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.folder / "certificate.partial"
        request = ["req", "-x509", "-newkey", "rsa:3072", "-noenc", "-days", "730"]
        files = ["-keyout", str(self.folder / "test-key.pem"), "-out", str(partial)]
        _openssl([*request, "-subj", _SUBJECT, *files], b"")
        partial.rename(certificate)

    def master_key(self, purpose: str, version: int = 1) -> bytes:
        """Return a TEST master key of this issuer (16 bytes), which its host knows as well."""
        return xor(*self.components(purpose, version))

    def sheets(self, purpose: str, version: int = 1) -> tuple[tuple[str, str], tuple[str, str]]:
        """Return the two sheets of a 2TDEA key: components and their check values, hex."""
        first, second = self.components(purpose, version)
        return _sheet(first), _sheet(second)

    def components(self, purpose: str, version: int = 1) -> tuple[bytes, bytes]:
        """Return the two components of a key, 16 bytes each."""
        first, second = (
            hashlib.sha256(f"TEST {self.name} {purpose} {version} {part}".encode()).digest()[:16]
            for part in (1, 2)
        )
        return first, second

    def write_file(
        self,
        path: Path,
        *,
        recipient_certificate: str,
        reference: str,
        product: str,
        count: int,
        first_number: int,
        today: date,
    ) -> None:
        """Write a file of ``count`` TEST cards, numbered from ``first_number``."""
        pans = [
            with_check_digit(f"{_IIN}{number:07}")
            for number in range(first_number, first_number + count)
        ]
        header = {
            "format": "kif-issuer-file-1",
            "issuer": self.name,
            "reference": reference,
            "product": product,
            "count": count,
            "hash_total": hash_total(pans),
        }
        cards = [_card(pan, number, today) for number, pan in enumerate(pans)]
        content = "".join(json.dumps(line) + "\n" for line in (header, *cards))
        self.seal(path, content.encode(), recipient_certificate)

    def seal(self, path: Path, content: bytes, recipient_certificate: str) -> None:
        """Sign any content, then encrypt it to the recipient; write the file durably."""
        self.certificate  # noqa: B018  makes the key when it is not there yet
        signing = ["-signer", str(self.folder / "certificate.pem")]
        signing += ["-inkey", str(self.folder / "test-key.pem")]
        signed = _openssl(["cms", "-sign", *_BINARY, "-nodetach", *signing], content)
        recipient = self.folder / "recipient.pem"
        recipient.write_text(recipient_certificate)
        encryption = ["-aes-256-cbc", "-recip", str(recipient)]
        _write(path, _openssl(["cms", "-encrypt", *_BINARY, *encryption], signed))


def _sheet(component: bytes) -> tuple[str, str]:
    two_key = TripleDES(component + component[:8])
    encryptor = Cipher(two_key, modes.ECB()).encryptor()  # noqa: S305
    return component.hex().upper(), encryptor.update(bytes(8))[:3].hex().upper()


_BINARY = ("-binary", "-outform", "DER")


def _card(pan: str, number: int, today: date) -> dict[str, str]:
    letters = "".join(chr(ord("A") + number // 26**place % 26) for place in (2, 1, 0))
    return {
        "pan": pan,
        "psn": "00",
        "expiry": f"{today.year + _YEARS}-{today.month:02}",
        "name": f"TEST/CARDHOLDER {letters}",
        "service_code": "201",
        "discretionary_data": f"{number % 100_000:05}",
    }


def _openssl(arguments: list[str], given: bytes) -> bytes:
    try:
        result = subprocess.run(
            ["openssl", *arguments], input=given, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise DeviceFailed(
            Control.FILE_INTACT, "The program openssl is not installed. Install that package."
        ) from None
    if result.returncode:
        raise DeviceFailed(
            Control.FILE_INTACT,
            f"openssl {arguments[0]} failed: {result.stderr.decode(errors='replace').strip()}",
        )
    return result.stdout


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
