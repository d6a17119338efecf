"""What seals and shares are made with: AES-256-GCM, and keys made of passphrases and of keys."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from kif.formats.secret import Secret

KEY, _NONCE = 32, 12
_COST = {"n": 2**15, "r": 8, "p": 1}


def encrypt(key: bytes, clear: bytes, context: bytes) -> bytes:
    """Return nonce (12 bytes), ciphertext and tag; ``context`` is authenticated with them."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, clear, context)


def decrypt(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """Return what was encrypted. Raises ``InvalidTag``."""
    return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], context)


def stretched(passphrase: Secret, salt: bytes) -> bytes:
    """Return a key that scrypt (RFC 7914) makes of a passphrase."""
    return Scrypt(salt=salt, length=KEY, **_COST).derive(passphrase.reveal())


def expanded(material: bytes, info: bytes) -> bytes:
    """Return a key that HKDF (RFC 5869, SHA-256) makes of key material."""
    return HKDF(hashes.SHA256(), KEY, salt=None, info=info).derive(material)
