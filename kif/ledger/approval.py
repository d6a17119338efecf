"""Approvals: an SSH signature by a registered person over exactly what is approved.

An auditor checks the same with ``ssh-keygen -Y verify``; the namespace keeps a signature for one
purpose from being used for another.
"""

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.sshsig import SshSignature

RELEASE = "kif-release-batch"
CEREMONY = "kif-ceremony"
_ALGORITHM = "ssh-ed25519"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


def verify_approval(public_key: str, namespace: str, statement: bytes, armoured: str) -> None:
    """Verify a person's signature. ``public_key`` is an OpenSSH public key line (Ed25519).

    Raises ``BadInput`` when it is no signature, ``Refused`` (APPROVAL_SIGNATURE) when it is not
    this person's over this statement.
    """
    signature = SshSignature.parse(armoured)
    if signature.public_key != public_key_blob(public_key):
        raise _refused("it was made with another key than the one registered for this person")
    if signature.namespace != namespace:
        raise _refused(f"it was made for '{signature.namespace}', not for '{namespace}'")
    digest = _HASHES.get(signature.hash_algorithm)
    if digest is None or signature.algorithm != _ALGORITHM:
        raise _refused(f"its algorithm is {signature.algorithm} with {signature.hash_algorithm}")
    try:
        _ed25519(public_key).verify(
            signature.signature, signature.signed_bytes(digest(statement).digest())
        )
    except InvalidSignature:
        raise _refused("it is not over this statement") from None


def public_key_blob(line: str) -> bytes:
    """Return the decoded key of an OpenSSH public key line. Raises ``BadInput``."""
    key = _ed25519(line)
    raw = key.public_bytes_raw()
    name = _ALGORITHM.encode()
    return len(name).to_bytes(4, "big") + name + len(raw).to_bytes(4, "big") + raw


def fingerprint(line: str) -> str:
    """Return the SHA-256 fingerprint of an OpenSSH public key line, hex."""
    return hashlib.sha256(public_key_blob(line)).hexdigest()


def _ed25519(line: str) -> Ed25519PublicKey:
    try:
        key = load_ssh_public_key(line.encode())
    except UnsupportedAlgorithm:
        key = None
    except ValueError:
        raise BadInput(
            Control.APPROVAL_SIGNATURE, "This is not an OpenSSH public key line."
        ) from None
    # The line of a security key or of a certificate loads as a plain key, but signs as another.
    if not isinstance(key, Ed25519PublicKey) or line.split()[0] != _ALGORITHM:
        raise BadInput(
            Control.APPROVAL_SIGNATURE,
            "This public key is not Ed25519. Make one with 'ssh-keygen -t ed25519'.",
        )
    return key


def _refused(why: str) -> Refused:
    return Refused(
        Control.APPROVAL_SIGNATURE,
        f"The signature is not accepted: {why}. Sign exactly the statement that you are shown, "
        "with your own key.",
    )
