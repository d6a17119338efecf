"""What tools put around CMS: PEM (RFC 7468) and S/MIME (RFC 8551) are taken off."""

from __future__ import annotations

import base64
import binascii
import email
import re

from kif.formats.control import Control
from kif.formats.error import BadInput

_MARKS = {
    b"\xef\xbb\xbf": "UTF-8 with a byte order mark",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*)\r?\n-----END \1-----\s*", re.DOTALL)
_CMS = (b"CMS", b"PKCS7")
_MIME = re.compile(rb"(?:MIME-Version|Content-Type|To|From|Subject)\s*:", re.IGNORECASE)
_SMIME = ("application/pkcs7-mime", "application/x-pkcs7-mime")


def unarmoured(raw: bytes) -> bytes:
    """Return CMS as bytes; what is neither PEM nor S/MIME is returned as it is.

    Raises ``BadInput`` (FILE_INTACT) for PEM or mail with something else in it.
    """
    if (converted := text_encoding(raw)) is not None:
        raise _found(
            f"text in {converted}, as an editor saves it", "the bytes that CMS tools write"
        )
    if raw.startswith(b"-----BEGIN"):
        return _from_pem(raw)
    return _from_mail(raw) if _MIME.match(raw) else raw


def text_encoding(raw: bytes) -> str | None:
    """Return the encoding that a byte order mark, or a zero byte after the first, stands for."""
    for mark, name in _MARKS.items():
        if raw.startswith(mark):
            return name
    return "UTF-16" if raw[1:2] == b"\x00" and raw[:1] in (b"{", b"-") else None


def _from_pem(raw: bytes) -> bytes:
    block = _PEM.fullmatch(raw)
    label = raw.split(b"-----", 2)[1].decode("ascii", "replace").removeprefix("BEGIN ")
    if block is None:
        raise _found("PEM that is not one whole block", "one block")
    if block[1] not in _CMS:
        raise _found(f"PEM of a {label}", "CMS")
    try:
        return base64.b64decode(b"".join(block[2].split()), validate=True)
    except binascii.Error:
        raise _found("PEM that is not base64", "base64") from None


def _from_mail(raw: bytes) -> bytes:
    message = email.message_from_bytes(raw)
    kind = message.get_content_type()
    if kind == "multipart/signed":
        raise _found("mail whose signature is detached", "a signature with its content in it")
    payload = message.get_payload(decode=True)
    if kind not in _SMIME or not isinstance(payload, bytes):
        raise _found(f"mail of type {kind}", " or ".join(_SMIME))
    return payload


def _found(found: str, accepted: str) -> BadInput:
    return BadInput(
        Control.FILE_INTACT,
        f"The file is {found}; accepted is {accepted}. Ask the issuer to send it so.",
    )
