"""OpenSSH public keys that ``ssh-keygen -Y sign`` signs with: Ed25519, ECDSA, RSA, and FIDO's.

RFC 4253 6.6 and RFC 8332 (RSA), RFC 5656 (ECDSA), RFC 8709 (Ed25519), OpenSSH PROTOCOL.u2f (sk-).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.sshsig import read_string

_ED25519, _SK_ED25519 = "ssh-ed25519", "sk-ssh-ed25519@openssh.com"
_RSA = "ssh-rsa"
_SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
_ECDSA: dict[str, hashes.HashAlgorithm] = {
    "ecdsa-sha2-nistp256": hashes.SHA256(),
    "ecdsa-sha2-nistp384": hashes.SHA384(),
    "ecdsa-sha2-nistp521": hashes.SHA512(),
}
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}
_KINDS = {_ED25519, _SK_ED25519, _RSA, _SK_ECDSA, *_ECDSA}
_SMALLEST_RSA = 2048
_PRESENT = 0x01
"""The flag of a FIDO signature that somebody touched the key."""


@dataclass(frozen=True)
class SshKey:
    """A public key: its type, its blob, and the key itself."""

    kind: str
    blob: bytes
    key: PublicKeyTypes

    @classmethod
    def parse(cls, line: str) -> SshKey:
        """Read an OpenSSH public key line. Raises ``BadInput`` (APPROVAL_SIGNATURE)."""
        if "PRIVATE KEY-----" in line:
            raise _bad("This is a private key; hand over the public one, whose file ends in .pub.")
        try:
            kind, text = line.split()[:2]
            blob = base64.b64decode(text, validate=True)
            named, _ = read_string(blob)
            key = load_ssh_public_key(line.encode())
        except UnsupportedAlgorithm:
            raise _unsupported(kind) from None
        except (ValueError, binascii.Error):
            raise _bad("This is not an OpenSSH public key line.") from None
        if kind not in _KINDS or named.decode(errors="replace") != kind:
            raise _unsupported(kind)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SMALLEST_RSA:
            raise _bad(f"This RSA key has {key.key_size} bits; {_SMALLEST_RSA} is the least.")
        return cls(kind, blob, key)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the blob as ``ssh-keygen -l`` shows it: ``SHA256:`` and base64."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"

    @property
    def algorithms(self) -> frozenset[str]:
        """The signature algorithms of this key."""
        return frozenset(_RSA_HASHES) if self.kind == _RSA else frozenset({self.kind})

    def verifies(self, algorithm: str, signature: bytes, more: bytes, signed: bytes) -> bool:
        """Return whether a signature is this key's over these bytes.

        ``more`` follows the signature of a FIDO key: flags and a counter, five bytes.
        """
        try:
            if self.kind in (_SK_ED25519, _SK_ECDSA):
                signed = self._of_authenticator(more, signed)
            elif more:
                return False
            self._verify(algorithm, signature, signed)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _of_authenticator(self, more: bytes, signed: bytes) -> bytes:
        """Return what a FIDO key signed: application, flags, counter and message."""
        if len(more) != 5 or not more[0] & _PRESENT:
            raise ValueError("nobody touched the key")
        _, rest = read_string(self.blob)
        parts = 2 if self.kind == _SK_ECDSA else 1
        for _ in range(parts):
            _, rest = read_string(rest)
        application, _ = read_string(rest)
        return hashlib.sha256(application).digest() + more + hashlib.sha256(signed).digest()

    def _verify(self, algorithm: str, signature: bytes, signed: bytes) -> None:
        if isinstance(self.key, Ed25519PublicKey):
            self.key.verify(signature, signed)
        elif isinstance(self.key, rsa.RSAPublicKey):
            self.key.verify(signature, signed, padding.PKCS1v15(), _RSA_HASHES[algorithm])
        elif isinstance(self.key, ec.EllipticCurvePublicKey):
            first, rest = read_string(signature)
            second, end = read_string(rest)
            if end:
                raise ValueError("bytes follow the signature")
            numbers = (int.from_bytes(each, "big") for each in (first, second))
            digest = _ECDSA.get(algorithm, hashes.SHA256())
            self.key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(digest))
        else:
            raise InvalidSignature


def _unsupported(kind: str) -> BadInput:
    return _bad(
        f"This public key is of type {kind[:40]}; accepted are Ed25519, ECDSA, RSA and FIDO keys "
        "(sk-). Make one with 'ssh-keygen -t ed25519'."
    )


def _bad(sentence: str) -> BadInput:
    return BadInput(Control.APPROVAL_SIGNATURE, sentence)
