"""A cardholder's PIN, kept by the token as an object: to the card, to its issuer, to a mailer.

The object is the plain text PIN field of format 4 (ISO 9564-1, 9.4.2.2), sixteen bytes, made as a
key that can do nothing but leave; it rests wrapped under a key of its batch (RFC 3394). From there
it goes on inside the token:

- to the card: wrapped under the Key-DEK by CBC, whose IV makes a block of format 2 of it;
- to the issuer: wrapped under the zone's key, xored with the PAN field, and encrypted (9.4.2.1).

PKCS#11 has no decimal digits: a PIN is drawn, verified in clear by a card, and made into a block of
format 0, on the host. Each has a name that has to be permitted (:mod:`kif.hsm.boundary`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kif.formats import pinblock
from kif.formats.cmac import xor
from kif.formats.script import Clear
from kif.formats.secret import Secret
from kif.hsm.boundary import host_boundary
from kif.hsm.clear import clear_value, imported
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.derive import derive
from kif.hsm.key import Algorithm, Cipher, Key, released
from kif.hsm.pin import encrypted_block
from kif.hsm.token import Token
from kif.hsm.usage import Usage
from kif.hsm.wrap import unwrap_rfc3394, wrap_cbc, wrap_rfc3394

_NONCE = 8
_UNBIASED = 250
"""Bytes below it give each digit as often."""


@dataclass(frozen=True)
class KeptPin:
    """A PIN at rest: its length, the nonce of its field, and the wrapped field."""

    length: int
    nonce: bytes
    wrapped: bytes

    def encode(self) -> str:
        """Return it as hex."""
        return (bytes((self.length,)) + self.nonce + self.wrapped).hex().upper()

    @classmethod
    def decode(cls, text: str) -> KeptPin:
        """Read what ``encode`` gave."""
        raw = bytes.fromhex(text)
        return cls(raw[0], raw[1 : 1 + _NONCE], raw[1 + _NONCE :])


def storage_key(retention: Key, seed: bytes) -> Key:
    """Return the key that the PINs of a batch rest under; erased as its data key is."""
    data = hashlib.sha256(b"kif PINs" + seed).digest()
    return derive(retention, data, Algorithm.AES_256, Usage.PIN_STORAGE)


def draw(token: Token, length: int) -> Secret:
    """Draw a PIN of so many digits. Raises ``Refused`` (KEY_BOUNDARY)."""
    with host_boundary(Clear.DRAWN):
        digits = ""
        while len(digits) < length:
            digits += "".join(str(byte % 10) for byte in token.random(16) if byte < _UNBIASED)
        return Secret(digits[:length].encode())


def keep(token: Token, storage: Key, pin: Secret) -> KeptPin:
    """Have the token keep a PIN. Raises ``Refused`` (KEY_BOUNDARY)."""
    with host_boundary(Clear.DRAWN):
        nonce = token.random(_NONCE)
        field = pinblock.format_4(pin, nonce)
        leaving = imported(token, Usage.CARD_DELIVERY, Algorithm.AES_128, field)
        with released(leaving):
            return KeptPin(len(pin), nonce, wrap_rfc3394(storage, leaving))


def to_card(dek: Key, storage: Key, kept: KeptPin) -> bytes:
    """Return the content of DGI 8010: a PIN block of format 2, padded, under the Key-DEK (CBC)."""
    with released(leaving := _field(storage, kept)):
        mask = pinblock.between_4_and_2(kept.length, kept.nonce)
        return wrap_cbc(dek, leaving, mask)


def to_issuer(token: Token, zone: Key, storage: Key, kept: KeptPin, pan: str) -> bytes:
    """Return a PIN block under the zone's key: format 4 under AES, 16 bytes; format 0 under 2TDEA.

    A block of format 0, 8 bytes, is made of the clear PIN. Raises ``Refused`` (KEY_BOUNDARY) unless
    ``pin-format-0`` is permitted.
    """
    if zone.algorithm.cipher is Cipher.TDEA:
        pin = in_clear(token, storage, kept, Clear.FORMAT_0)
        return encrypted_block(zone, pinblock.format_0(pin, pan))
    with released(leaving := _field(storage, kept)):
        inner = wrap_cbc(zone, leaving, bytes(zone.algorithm.cipher.block))
    return encrypt_blocks(zone, xor(inner, pinblock.format_4_pan(pan)))


def in_clear(token: Token, storage: Key, kept: KeptPin, reason: str) -> Secret:
    """Return the PIN, ASCII digits. Raises ``Refused`` (KEY_BOUNDARY) unless it is permitted."""
    with released(leaving := _field(storage, kept)):
        return pinblock.pin_of_format_4(clear_value(token, leaving, reason))


def _field(storage: Key, kept: KeptPin) -> Key:
    return unwrap_rfc3394(storage, Usage.CARD_DELIVERY, Algorithm.AES_128, kept.wrapped)
