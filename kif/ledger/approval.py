"""Approvals: an SSH signature by a registered person over exactly what is approved.

An auditor checks the same with ``ssh-keygen -Y verify``; the namespace keeps a signature for one
purpose from being used for another.
"""

import hashlib

from kif.formats.control import Control
from kif.formats.error import Refused
from kif.formats.sshkey import SshKey
from kif.formats.sshsig import SshSignature

RELEASE = "kif-release-batch"
CEREMONY = "kif-ceremony"
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}


def verify_approval(public_key: str, namespace: str, statement: bytes, armoured: str) -> None:
    """Verify a person's signature. ``public_key`` is an OpenSSH public key line.

    Raises ``BadInput`` when it is no signature, ``Refused`` (APPROVAL_SIGNATURE) when it is not
    this person's over this statement.
    """
    signature, key = SshSignature.parse(armoured), SshKey.parse(public_key)
    if signature.public_key != key.blob:
        raise _refused("it was made with another key than the one registered for this person")
    if signature.namespace != namespace:
        raise _refused(f"it was made for '{signature.namespace}', not for '{namespace}'")
    digest = _HASHES.get(signature.hash_algorithm)
    if digest is None or signature.algorithm not in key.algorithms:
        raise _refused(f"its algorithm is {signature.algorithm} with {signature.hash_algorithm}")
    signed = signature.signed_bytes(digest(statement).digest())
    if not key.verifies(signature.algorithm, signature.signature, signature.more, signed):
        raise _refused("it is not over this statement")


def fingerprint(line: str) -> str:
    """Return the SHA-256 fingerprint of an OpenSSH public key line, hex."""
    return hashlib.sha256(SshKey.parse(line).blob).hexdigest()


def _refused(why: str) -> Refused:
    return Refused(
        Control.APPROVAL_SIGNATURE,
        f"The signature is not accepted: {why}. Sign exactly the statement that you are shown, "
        "with your own key.",
    )
