"""Encryption, decryption and MACs under keys of the token, each by one call."""

from __future__ import annotations

from pkcs11 import GCMParams, Mechanism
from pkcs11.exceptions import PKCS11Error

from kif.hsm.key import Key
from kif.hsm.library import failure
from kif.hsm.structs import Prepared
from kif.hsm.token import Token

_NONCE, _TAG_BITS = 12, 128


def encrypt_blocks(key: Key, blocks: bytes) -> bytes:
    """Encrypt whole blocks by ECB under a key that may ENCRYPT."""
    try:
        return key.calls.encrypt(key.handle, key.algorithm.cipher.ecb, blocks)
    except PKCS11Error as exc:
        raise failure(exc, f"encrypting under a {key.usage.value} key") from exc


def decrypt_blocks(key: Key, blocks: bytes) -> bytes:
    """Decrypt whole blocks by ECB under a key that may DECRYPT."""
    try:
        return key.calls.decrypt(key.handle, key.algorithm.cipher.ecb, blocks)
    except PKCS11Error as exc:
        raise failure(exc, f"decrypting under a {key.usage.value} key") from exc


def encrypt_cbc(key: Key, blocks: bytes, vector: bytes) -> bytes:
    """Encrypt whole blocks by CBC; the initialisation vector has a block's length."""
    try:
        return key.calls.encrypt(key.handle, key.algorithm.cipher.cbc, blocks, vector)
    except PKCS11Error as exc:
        raise failure(exc, f"encrypting under a {key.usage.value} key") from exc


def decrypt_cbc(key: Key, blocks: bytes, vector: bytes) -> bytes:
    """Decrypt whole blocks by CBC; the initialisation vector has a block's length."""
    try:
        return key.calls.decrypt(key.handle, key.algorithm.cipher.cbc, blocks, vector)
    except PKCS11Error as exc:
        raise failure(exc, f"decrypting under a {key.usage.value} key") from exc


def encrypt_chain(key: Key, blocks: bytes) -> bytes:
    """Encrypt whole blocks by CBC with a zero initialisation vector."""
    return encrypt_cbc(key, blocks, bytes(key.algorithm.cipher.block))


def mac_of(key: Key, message: bytes) -> bytes:
    """Return the CMAC of a message under a key that may SIGN: one block."""
    try:
        return key.calls.sign(key.handle, key.algorithm.cipher.cmac, message)
    except PKCS11Error as exc:
        raise failure(exc, f"computing a MAC with a {key.usage.value} key") from exc


def seal(token: Token, key: Key, clear: bytes, context: bytes) -> bytes:
    """Return ``nonce(12) || ciphertext || tag(16)`` by AES-GCM; ``context`` is authenticated."""
    nonce = token.random(_NONCE)
    try:
        return nonce + key.calls.encrypt(key.handle, _gcm(nonce, context), clear)
    except PKCS11Error as exc:
        raise failure(exc, f"sealing with a {key.usage.value} key") from exc


def unseal(key: Key, sealed: bytes, context: bytes) -> bytes:
    """Open what ``seal`` made. Raises ``DeviceFailed`` (TOKEN_CALL) when anything is different."""
    how = _gcm(sealed[:_NONCE], context)
    try:
        return key.calls.decrypt(key.handle, how, sealed[_NONCE:])
    except PKCS11Error as exc:
        raise failure(exc, f"unsealing with a {key.usage.value} key") from exc


def _gcm(nonce: bytes, context: bytes) -> Prepared:
    return Prepared(Mechanism.AES_GCM, GCMParams(nonce, context, _TAG_BITS))
