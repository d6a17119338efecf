"""A card's certificate and signatures, made when it is there (EMV Book 2, 5 and 6)."""

from __future__ import annotations

from typing import Protocol

from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.formats.offline import Certificate, PublicKey, icc_block, static_block
from kif.formats.script import Made, Offline, Script
from kif.formats.tlv import find, tlv

_RECORD, _PUBLIC_KEY = 0x70, 0x7F49
_EXPONENTS = (b"\x03", b"\x01\x00\x01")
_SERIAL = 3


class Signer(Protocol):
    """Who signs: the issuer's pair (:class:`kif.hsm.issuersigner.IssuerSigner`), or nobody."""

    @property
    def public(self) -> PublicKey:
        """The key that it is verified with."""

    def sign(self, block: bytes) -> bytes:
        """Return a block under the private key, as long as the modulus."""


def static_signature(offline: Offline, signer: Signer) -> bytes:
    """Return the record with the signed static application data (tag 93)."""
    block = static_block(
        bytes.fromhex(offline.code), signer.public.size, bytes.fromhex(offline.static)
    )
    return tlv(_RECORD, tlv(0x93, signer.sign(block)))


def offline_of(script: Script) -> Offline:
    """Return what a script's certificate and signatures are made of, or raise ``BadInput``."""
    if script.offline is None:
        raise BadInput(Control.BYTES, "The script has nothing to make a certificate of.")
    return script.offline


def key_request(offline: Offline) -> bytes:
    """Return the content of the grouping that asks for a key pair: the bits of its modulus."""
    return offline.card_key_bits.to_bytes(2, "big")


def certified(offline: Offline, signer: Signer, serial: bytes, answer: bytes) -> dict[Made, bytes]:
    """Return the records of a card's certificate, by what they are.

    ``answer`` has the public key that the card made (ISO/IEC 7816-8, 7F49); ``serial`` is the
    chip's, of which the certificate has the last three bytes. Raises ``DeviceFailed`` (CARD_KEYS)
    for a key that is not as it was asked for.
    """
    return certificate_records(offline, signer, serial, _public_key(offline, answer))


def certificate_records(
    offline: Offline, signer: Signer, serial: bytes, card: PublicKey
) -> dict[Made, bytes]:
    """Return the records that certify a card's public key, by what they are."""
    told = Certificate(
        bytes.fromhex(offline.subject), bytes.fromhex(offline.expiry), serial[-_SERIAL:], card
    )
    over = {Made.CARD_CERTIFICATE: offline.static}
    if offline.contactless:
        over[Made.CONTACTLESS_CERTIFICATE] = offline.contactless
    found, remainder = {}, b""
    for made, static in over.items():
        block = icc_block(told, signer.public.size, bytes.fromhex(static))
        found[made] = tlv(_RECORD, tlv(0x9F46, signer.sign(block.signed)))
        remainder = block.remainder  # of the key alone: it is the same for each
    rest = tlv(0x9F48, remainder) if remainder else b""
    return found | {Made.CARD_KEY: tlv(_RECORD, tlv(0x9F47, card.exponent) + rest)}


def _public_key(offline: Offline, answer: bytes) -> PublicKey:
    try:
        key = find(answer, _PUBLIC_KEY) or b""
        modulus, exponent = (find(key, tag) or b"" for tag in (0x81, 0x82))
    except BadInput:
        modulus, exponent = b"", b""
    bits = 8 * len(modulus)
    whole = bool(modulus) and modulus[0] >> 7 and modulus[-1] & 1
    if bits != offline.card_key_bits or not whole or exponent not in _EXPONENTS:
        raise DeviceFailed(
            Control.CARD_KEYS,
            f"The card was asked for a key pair of {offline.card_key_bits} bits, and answered with "
            "another, or none.",
        )
    return PublicKey(modulus, exponent)
