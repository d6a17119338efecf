"""Card data at rest: AES-256-GCM under the key of its batch, and digests by CMAC.

The batch's key is a session object, derived from the retention key of its issuer and month over a
seed that stands in the batch's row. Destroying the retention key erases its batches, backups
included; destroying a seed erases one batch where the database lives. A digest's key is derived
from the data-protection master for the moment it is used.
"""

import hashlib

from pkcs11 import ObjectClass

from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed
from kif.formats.secret import Secret
from kif.hsm.crypt import mac_of, seal, unseal
from kif.hsm.derive import derive
from kif.hsm.key import Algorithm, Key, find, generate, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage

SEED = 32


def make_retention_key(token: Token, label: str) -> Key:
    """Return a retention key, generated when the token has none of this label."""
    if not token.has(label, ObjectClass.SECRET_KEY):
        return generate(token, Usage.RETENTION, Algorithm.AES_256, label)
    return find_retention_key(token, label)


def find_retention_key(token: Token, label: str) -> Key:
    """Return a retention key. Raises ``DeviceFailed`` (KEY_FOUND) once it is destroyed."""
    return find(token, Usage.RETENTION, Algorithm.AES_256, label)


def new_seed(token: Token) -> bytes:
    """Return 32 random bytes that a data key can be derived over."""
    return token.random(SEED)


def batch_key(retention: Key, seed: bytes) -> Key:
    """Return the data key of a batch: what its retention key makes of its seed.

    The seed is as good as the data key wrapped: without the retention key it says nothing, and
    without the seed the retention key gives nothing.
    """
    return derive(retention, seed, Algorithm.AES_256, Usage.BATCH_DATA)


def protect(token: Token, key: Key, clear: Secret, context: bytes) -> bytes:
    """Return ``nonce(12) || ciphertext || tag(16)``; ``context`` is authenticated with it."""
    return seal(token, key, clear.reveal(), context)


def reveal(key: Key, sealed: bytes, context: bytes) -> Secret:
    """Open what ``protect`` made. Raises ``CheckFailed`` (DATA_AT_REST) when it was altered."""
    try:
        return Secret(unseal(key, sealed, context))
    except DeviceFailed as exc:
        if exc.control is not Control.TOKEN_CALL:
            raise
        raise CheckFailed(
            Control.DATA_AT_REST,
            f"Protected card data does not open ({exc.sentence}) It was altered, or it belongs to "
            "another card. Restore the database from a backup.",
        ) from exc


def pseudonym(protection: Key, issuer: str, identity: Secret) -> str:
    """Return a subject's pseudonym for an issuer: 16 bytes of AES-CMAC over its identity, hex."""
    return keyed_digest(protection, b"pseudonym\x00" + issuer.encode(), identity.reveal()).hex()


def keyed_digest(protection: Key, purpose: bytes, message: bytes) -> bytes:
    """Return 16 bytes of AES-CMAC over a message, by a key of this purpose inside the token.

    Nobody without the token can make it, so nobody can find the message by trying.
    """
    label = hashlib.sha256(b"kif " + purpose).digest()
    key = derive(protection, label, Algorithm.AES_256, Usage.KEYED_DIGEST)
    with released(key):
        return mac_of(key, message)
