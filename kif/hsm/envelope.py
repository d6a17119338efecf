"""An issuer's envelope: the content key goes into the token, the content is decrypted by it."""

from pkcs11 import Mechanism, ObjectClass

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.hsm.crypt import decrypt_cbc
from kif.hsm.key import Algorithm, Key, generate, recognise
from kif.hsm.native import NativeKey
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage
from kif.hsm.wrap import unwrapped

_BLOCK = 16


class ContentKey:
    """A content-encryption key inside the token."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def decrypt(self, initialisation_vector: bytes, segment: bytes) -> bytes:
        """Decrypt whole AES-CBC blocks; the padding stays. IV: 16 bytes."""
        return decrypt_cbc(self._key, segment, initialisation_vector)

    def destroy(self) -> None:
        """Destroy the key."""
        self._key.destroy()


def unwrap_content_key(
    token: Token, label: str, encrypted_key: bytes, *, oaep: bool = False
) -> ContentKey:
    """Unwrap an AES key by RSA (PKCS#1 v1.5, or OAEP with SHA-1) with the recipient key's label.

    Whatever is wrong with the bytes, a random key takes the place of theirs (RFC 3218, 2.3.2): what
    it decrypts to is refused like any content that was altered, so that no answer tells the sender
    where it failed.
    """
    recipient = token.find(label, ObjectClass.PRIVATE_KEY)
    recognise(recipient, RULES[Usage.ENVELOPE_RECIPIENT], label)
    mechanism = Mechanism.RSA_PKCS_OAEP if oaep else Mechanism.RSA_PKCS
    try:
        return _unwrapped(recipient, encrypted_key, mechanism)
    except DeviceFailed as exc:
        if exc.control is not Control.TOKEN_CALL:
            raise
        return ContentKey(generate(token, Usage.CONTENT, Algorithm.AES_256))


def _unwrapped(recipient: NativeKey, encrypted_key: bytes, mechanism: Mechanism) -> ContentKey:
    made = unwrapped(recipient, Usage.CONTENT, Algorithm.AES_256, encrypted_key, mechanism)
    key = ContentKey(made)
    try:
        # SoftHSM takes a value of any length as an AES key, and fails when it is used.
        key.decrypt(bytes(_BLOCK), bytes(_BLOCK))
    except DeviceFailed:
        key.destroy()
        raise
    return key
