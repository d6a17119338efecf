"""SSH signatures as ``ssh-keygen -Y sign`` writes them (OpenSSH PROTOCOL.sshsig), read strictly."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput

_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_MAGIC = b"SSHSIG"
_OF_FIDO = 5
"""Bytes of flags and counter."""


@dataclass(frozen=True)
class SshSignature:
    """The parts of a signature; byte strings as they stand in the blob."""

    public_key: bytes
    """The key as in an authorized_keys line, decoded."""
    namespace: str
    hash_algorithm: str
    """``sha256`` or ``sha512``."""
    algorithm: str
    """``ssh-ed25519``, ``rsa-sha2-512`` and others."""
    signature: bytes
    more: bytes
    """What follows the signature: flags and counter of a FIDO key, else nothing."""

    @classmethod
    def parse(cls, armoured: str) -> SshSignature:
        """Read an armoured signature. Raises ``BadInput`` (APPROVAL_SIGNATURE)."""
        try:
            return cls._parse(_unarmoured(armoured))
        except (ValueError, binascii.Error):
            raise BadInput(
                Control.APPROVAL_SIGNATURE,
                "This is not an SSH signature. Sign with 'ssh-keygen -Y sign' and send the whole "
                "of its output.",
            ) from None

    @classmethod
    def _parse(cls, blob: bytes) -> SshSignature:
        if not blob.startswith(_MAGIC + b"\x00\x00\x00\x01"):
            raise ValueError
        public_key, rest = read_string(blob[10:])
        namespace, rest = read_string(rest)
        reserved, rest = read_string(rest)
        hash_algorithm, rest = read_string(rest)
        signature, rest = read_string(rest)
        algorithm, value = read_string(signature)
        value, more = read_string(value)
        if reserved or rest or len(more) not in (0, _OF_FIDO):
            raise ValueError
        names = (namespace.decode(), hash_algorithm.decode(), algorithm.decode())
        return cls(public_key, *names, value, more)

    def signed_bytes(self, digest: bytes) -> bytes:
        """Return what the key signed, from the digest of the message."""
        parts = (self.namespace.encode(), b"", self.hash_algorithm.encode(), digest)
        return _MAGIC + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _unarmoured(text: str) -> bytes:
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 3 or lines[0] != _BEGIN or lines[-1] != _END:
        raise ValueError
    return base64.b64decode("".join(lines[1:-1]), validate=True)


def read_string(blob: bytes) -> tuple[bytes, bytes]:
    """Return a string (RFC 4251, 5) and what follows it. Raises ``ValueError``."""
    size = int.from_bytes(blob[:4], "big")
    if len(blob) < 4 + size:
        raise ValueError
    return blob[4 : 4 + size], blob[4 + size :]
