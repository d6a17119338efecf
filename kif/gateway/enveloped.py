"""CMS EnvelopedData (RFC 5652, 6): the recipient is found, the content decrypted by the HSM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kif.formats import ber
from kif.formats.ber import Element
from kif.formats.certificate import Identifiers, identifiers
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.gateway.armour import unarmoured
from kif.oracle.interface import Envelope, GatewayOracle

DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
_RSA = "1.2.840.113549.1.1.1"
_OAEP = "1.2.840.113549.1.1.7"
_KINDS = {
    DATA: "is neither encrypted nor signed",
    SIGNED_DATA: "is signed, but not encrypted",
    "1.2.840.113549.1.7.6": "is encrypted with a password or key that CMS does not carry",
    "1.2.840.113549.1.9.16.1.23": "is AuthEnvelopedData",
}
_AES_CBC = {
    "2.16.840.1.101.3.4.1.2": "AES-128-CBC",
    "2.16.840.1.101.3.4.1.22": "AES-192-CBC",
    "2.16.840.1.101.3.4.1.42": "AES-256-CBC",
}
_KEYS = "RSA PKCS#1 v1.5 and RSA-OAEP with SHA-1"
_BLOCK = 16
_SEGMENT = 64 * 1024


_Us = list[tuple[KeyRef, Identifiers]]


@dataclass(frozen=True)
class Enveloped:
    """What of an EnvelopedData is for us."""

    recipient: KeyRef
    """Which key of ours it is encrypted to."""
    encrypted_key: bytes
    oaep: bool
    """Whether the key is encrypted by RSA-OAEP, or by PKCS#1 v1.5."""
    initialisation_vector: bytes
    content: bytes


def open_enveloped(raw: bytes, oracle: GatewayOracle) -> bytes:
    """Return the decrypted content of an EnvelopedData.

    Raises ``BadInput``: FILE_RECIPIENT when it is not for us, FILE_INTACT when it does not open.
    """
    us = [(key, identifiers(certificate)) for key, certificate in oracle.recipients()]
    try:
        enveloped = _parse(ber.read(unarmoured(raw)), us)
    except BadInput as broken:
        if broken.control is not Control.BYTES:
            raise
        raise BadInput(
            Control.FILE_INTACT,
            f"The file is not a whole CMS envelope: {broken.sentence} Ask the issuer to send it "
            "again.",
        ) from None
    key, content_key = enveloped.recipient, enveloped.encrypted_key
    with oracle.open_envelope(key, content_key, enveloped.oaep) as envelope:
        return _unpadded(b"".join(_decrypted(envelope, enveloped)))


def _parse(root: Element, us: _Us) -> Enveloped:
    kind, content = root.expect(ber.SEQUENCE).parts(2)
    if kind.oid() != ENVELOPED_DATA:
        found = _KINDS.get(kind.oid(), f"is CMS content of type {kind.oid()}")
        raise BadInput(
            Control.FILE_INTACT,
            f"The file {found}; accepted is EnvelopedData. Ask the issuer to sign it, then to "
            "encrypt it.",
        )
    (data,) = content.expect(ber.context(0)).parts(1)
    parts = [each for each in data.expect(ber.SEQUENCE).children() if each.tag < 0x80]
    if len(parts) != 3:  # version, recipients, content; [0] and [1] are informative
        raise BadInput(Control.BYTES, "an EnvelopedData has not its three parts.")
    version, recipients, encrypted = parts
    _expect_version(version, 0, 2, 3, 4)
    vector, cryptogram = _content(encrypted.expect(ber.SEQUENCE))
    recipient, key, oaep = _key_for(recipients.expect(ber.SET).children(), us)
    return Enveloped(recipient, key, oaep, vector, cryptogram)


def _key_for(recipients: list[Element], us: _Us) -> tuple[KeyRef, bytes, bool]:
    """Return our key, the content key that is encrypted to it, and whether by OAEP with SHA-1."""
    for recipient in recipients:
        if recipient.tag != ber.SEQUENCE:
            continue  # key agreement and others: not a key transport to us
        version, identifier, algorithm, key = recipient.parts(4)
        _expect_version(version, 0, 2)
        named = [ours for ours, identifiers_ in us if identifiers_.named_by(identifier)]
        if named:
            oid, parameters = algorithm.algorithm()
            if oid == _OAEP and any(each.children() for each in parameters):
                raise _unsupported("key encryption", "RSA-OAEP with another hash", _KEYS)
            if oid not in (_RSA, _OAEP) or (oid == _RSA and parameters):
                raise _unsupported("key encryption", oid, _KEYS)
            return named[0], key.octets(), oid == _OAEP
    raise BadInput(
        Control.FILE_RECIPIENT,
        f"The file is encrypted to {len(recipients)} recipient(s), none of which is this bureau. "
        "Ask the issuer to encrypt it to the certificate that 'kif issuer recipient' prints.",
    )


def _content(encrypted: Element) -> tuple[bytes, bytes]:
    """Return initialisation vector and cryptogram of an EncryptedContentInfo."""
    kind, algorithm, cryptogram = encrypted.parts(3)
    if kind.oid() not in (DATA, SIGNED_DATA):
        raise BadInput(Control.BYTES, "the encrypted content is neither data nor signed data.")
    oid, parameters = algorithm.algorithm()
    if oid not in _AES_CBC:
        raise _unsupported("content encryption", oid, ", ".join(_AES_CBC.values()))
    vector = parameters[0].octets() if parameters else b""
    data = cryptogram.octets(ber.context(0, constructed=False))
    if len(vector) != _BLOCK or not data or len(data) % _BLOCK:
        raise BadInput(Control.BYTES, "the encrypted content is not whole AES blocks.")
    return vector, data


def _decrypted(envelope: Envelope, enveloped: Enveloped) -> Iterator[bytes]:
    """Decrypt in segments, each with the last ciphertext block of the one before as IV."""
    vector = enveloped.initialisation_vector
    for at in range(0, len(enveloped.content), _SEGMENT):
        segment = enveloped.content[at : at + _SEGMENT]
        yield envelope.decrypt(vector, segment)
        vector = segment[-_BLOCK:]


def _unpadded(padded: bytes) -> bytes:
    """Remove the padding (RFC 5652, 6.3); what is wrong with it is not told to the sender."""
    size = padded[-1]
    if not 1 <= size <= _BLOCK or padded[-size:] != bytes((size,)) * size:
        raise altered()
    return padded[:-size]


def altered() -> BadInput:
    """Return the one refusal for content that decrypts to nothing sensible."""
    return BadInput(
        Control.FILE_INTACT,
        "The file's content does not decrypt to signed data: it was not signed before it was "
        "encrypted, or it is encrypted with another key than it says, or it changed on its way. "
        "Ask the issuer to send it again.",
    )


def _unsupported(what: str, found: str, known: str) -> BadInput:
    return BadInput(
        Control.FILE_INTACT,
        f"The file's {what} is {found}; accepted are {known}. Ask the issuer to use one of these.",
    )


def _expect_version(element: Element, *known: int) -> None:
    if element.integer() not in known:
        raise BadInput(Control.BYTES, f"version {element.integer()} is not known.")
