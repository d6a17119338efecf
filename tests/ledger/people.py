"""People with software keys, who sign as ``ssh-keygen -Y sign`` does."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.credential import armour
from tests.credential import field as ssh_string

_KIND = b"ssh-ed25519"


@dataclass(frozen=True)
class SoftwarePerson:
    """Somebody with an Ed25519 key."""

    name: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def blob(self) -> bytes:
        return ssh_string(_KIND) + ssh_string(self.key.public_key().public_bytes_raw())

    @property
    def public_key(self) -> str:
        return f"ssh-ed25519 {base64.b64encode(self.blob).decode()} TEST"

    def sign(self, namespace: str, statement: bytes) -> str:
        space, algorithm = namespace.encode(), b"sha512"
        digest = hashlib.sha512(statement).digest()
        head = ssh_string(space) + ssh_string(b"") + ssh_string(algorithm)
        signature = self.key.sign(b"SSHSIG" + head + ssh_string(digest))
        signed = ssh_string(ssh_string(_KIND) + ssh_string(signature))
        return armour(b"SSHSIG\x00\x00\x00\x01" + ssh_string(self.blob) + head + signed)
