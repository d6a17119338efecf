"""Offline data authentication as a terminal does it: from the scheme's key (EMV Book 2)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kif.formats.apdu import Command
from kif.formats.control import Control
from kif.formats.elements import Aip
from kif.formats.error import BadInput, CheckFailed
from kif.formats.link import CardLink
from kif.formats.offline import (
    SIGNED_DYNAMIC,
    Certificate,
    Combined,
    PublicKey,
    icc_certificate,
    issuer_certificate,
    require_dynamic,
    require_static,
    transaction_digest,
)
from kif.formats.tlv import Tlv, find, read_dol
from kif.quality.entropy import Entropy
from kif.quality.terminal import Reading, asked

_RID = 5
_FORMAT_1 = 0x80
_DEFAULT_DDOL = bytes.fromhex("9F3704")
SchemeKeys = Mapping[tuple[bytes, int], PublicKey]
"""By RID (5 bytes) and index (tag 8F)."""


@dataclass(frozen=True)
class Check:
    """One certificate or signature: ``right`` is None where it could not be looked at."""

    what: str
    right: bool | None
    told: str


def read_scheme_keys(path: Path) -> SchemeKeys:
    """Read a JSON list of ``rid``, ``index``, ``modulus``, ``exponent``, in hex (``BadInput``)."""
    try:
        return {
            (bytes.fromhex(each["rid"]), int(each["index"], 16)): PublicKey(
                bytes.fromhex(each["modulus"]), bytes.fromhex(each["exponent"])
            )
            for each in json.loads(path.read_bytes())
        }
    except (OSError, ValueError, KeyError, TypeError):
        raise BadInput(
            Control.BYTES,
            f"{path} is no list of scheme keys: rid, index, modulus and exponent of each, in hex.",
        ) from None


def authenticate(
    link: CardLink, reading: Reading, keys: SchemeKeys, today: date, entropy: Entropy
) -> list[Check]:
    """Verify every certificate and signature that a card has, as far as the first that is wrong."""
    checks = []
    try:
        for each in _checks(link, reading, keys, today, entropy):
            checks.append(each)
            if not each.right:
                break
    except (BadInput, CheckFailed) as fault:
        checks.append(Check("offline data authentication", False, fault.sentence))
    return checks


def certified_key(reading: Reading, keys: SchemeKeys) -> PublicKey:
    """Return the public key of a card whose certificates verified."""
    scheme = keys[reading.application[:_RID], _needed(reading, 0x8F)[0]]
    return _card(reading, _issuer(reading, scheme).key, _static_data(reading)).key


def require_combined(
    answer: Sequence[Tlv], card: PublicKey, asked: Sequence[bytes], number: bytes
) -> bytes:
    """Verify a signature over a cryptogram (CDA, 6.6.2); return the cryptogram, 8 bytes.

    ``asked`` has what the card was given for its PDOL and CDOLs, ``number`` the terminal's
    unpredictable one. Raises ``CheckFailed`` (CHIP_AUTHENTIC).
    """
    told = {each.tag: each.value for each in answer}
    try:
        found = Combined.read(require_dynamic(told.get(SIGNED_DYNAMIC, b""), card, number))
    except (BadInput, CheckFailed) as fault:
        raise CheckFailed(Control.CHIP_AUTHENTIC, fault.sentence) from None
    if (found.information, found.digest) != (
        told.get(0x9F27),
        transaction_digest(asked, answer),
    ):
        raise CheckFailed(
            Control.CHIP_AUTHENTIC,
            "The chip's signature over its cryptogram is of another transaction.",
        )
    return found.cryptogram


def _checks(
    link: CardLink, reading: Reading, keys: SchemeKeys, today: date, entropy: Entropy
) -> Iterator[Check]:
    aip = (reading.value(0x82) or b"\x00")[0]
    if not aip & (Aip.STATIC | Aip.DYNAMIC | Aip.COMBINED):
        yield Check("offline data authentication", None, "the card has none")
        return
    place = (reading.application[:_RID], (reading.value(0x8F) or b"\x00")[0])
    if place not in keys:
        told = f"no key of {place[0].hex().upper()} with index {place[1]:02X} is known"
        yield Check("scheme key", None, told)
        return
    issuer = _issuer(reading, keys[place])
    yield _dated("issuer certificate", issuer, today)
    static = _static_data(reading)
    signature = _needed(reading, 0x93) if aip & Aip.STATIC else reading.value(0x93)
    if signature is not None:
        code = require_static(signature, issuer.key, static)
        yield Check("static data", True, f"data authentication code {code.hex().upper()}")
    if aip & (Aip.DYNAMIC | Aip.COMBINED):
        card = _card(reading, issuer.key, static)
        yield _dated("card certificate", card, today)
        if aip & Aip.DYNAMIC:
            yield _dynamic(link, reading, card.key, entropy)


def _issuer(reading: Reading, scheme: PublicKey) -> Certificate:
    """Recover the issuer's certificate, which is of the account number's issuer."""
    found = issuer_certificate(
        _needed(reading, 0x90), reading.value(0x92) or b"", _needed(reading, 0x9F32), scheme
    )
    if not 3 <= len(found.identifier) <= 8 or not _account(reading).startswith(found.identifier):
        raise CheckFailed(
            Control.CHIP_DATA, "The issuer's certificate is of another issuer than the card's."
        )
    return found


def _card(reading: Reading, issuer: PublicKey, static: bytes) -> Certificate:
    """Recover the card's certificate, which is of its account number."""
    found = icc_certificate(
        _needed(reading, 0x9F46),
        reading.value(0x9F48) or b"",
        _needed(reading, 0x9F47),
        issuer,
        static,
    )
    if found.identifier != _account(reading):
        raise CheckFailed(Control.CHIP_DATA, "The card's certificate is of another account number.")
    return found


def _dynamic(link: CardLink, reading: Reading, card: PublicKey, entropy: Entropy) -> Check:
    """Have the card sign fresh data: INTERNAL AUTHENTICATE (Book 3, 6.5.9)."""
    wanted = read_dol(reading.value(0x9F49) or _DEFAULT_DDOL)
    terminal = b"".join(entropy(size) for _, size in wanted)
    answer = asked(link, Command(0x00, 0x88, 0x00, 0x00, terminal, 256))
    if answer is None:
        return Check("dynamic signature", False, "the card gives none")
    signature = find(answer, _FORMAT_1) or find(answer, SIGNED_DYNAMIC) or b""
    data = require_dynamic(signature, card, terminal)
    return Check("dynamic signature", True, f"with {len(data)} bytes of the card's own")


def _static_data(reading: Reading) -> bytes:
    """Return what is hashed as static data: signed records, and what the tag list names (10.3)."""
    listed = reading.value(0x9F4A) or b""
    if listed not in (b"", b"\x82"):
        raise BadInput(Control.BYTES, "The tag list of static data may name the AIP alone.")
    return b"".join(reading.static) + (_needed(reading, 0x82) if listed else b"")


def _dated(what: str, certificate: Certificate, today: date) -> Check:
    last = certificate.valid_to
    if not last:
        raise BadInput(Control.BYTES, f"The {what} has no date of expiry.")
    over = last < f"{today:%Y-%m}"
    told = f"{8 * certificate.key.size} bits, serial {certificate.serial.hex().upper()}"
    valid = "was valid" if over else "valid"
    return Check(what, not over, f"{told}, {valid} to {last[5:]}/{last[2:4]}")


def _account(reading: Reading) -> str:
    return _needed(reading, 0x5A).hex().upper().rstrip("F")


def _needed(reading: Reading, tag: int) -> bytes:
    found = reading.value(tag)
    if found is None:
        raise CheckFailed(Control.CHIP_DATA, f"The card has no data object {tag:X}.")
    return found
