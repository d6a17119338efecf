"""A personalisation script for the simulated EMV application, and what a terminal does after it."""

from __future__ import annotations

import warnings

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.utils import CryptographyDeprecationWarning
from pyemv import ac, kd

from kif.formats.apdu import Command, Response
from kif.formats.dgi import Dgi, store_data
from kif.formats.tlv import find, tlv
from kif.simulator.emv import APPLICATION_AID
from tests.simulator.host import Host, cbc

KEYS = bytes(range(48))
INSTALL = Command(0x80, 0xE6, 0x20, 0, b"\x00\x00\x07" + APPLICATION_AID + bytes(3))
CDOL1 = bytes.fromhex("9F02069F03069F1A0295055F2A029A039C019F3704")
CDOL2 = bytes.fromhex("8A02") + CDOL1
LISTS = tlv(0x8C, CDOL1) + tlv(0x8D, CDOL2)
RECORD = tlv(0x70, tlv(0x5F20, b"TEST/CARD") + LISTS + tlv(0x9F1F, bytes(200)))
AIP, ISSUER_DATA = b"\x1c\x00", bytes.fromhex("06011203A00000")
TERMINAL_DATA = bytes(range(29))


def kcv(key: bytes) -> bytes:
    return Cipher(TripleDES(key + key[:8]), modes.ECB()).encryptor().update(bytes(8))[:3]  # noqa: S305


CHECKS = b"".join(kcv(KEYS[at : at + 16]) for at in (0, 16, 32))


def groups(host: Host, **changed: bytes | None) -> list[Dgi]:
    contents: dict[str, bytes | None] = {
        "x8000": cbc(host.dek, KEYS),
        "x9000": CHECKS,
        "x9200": tlv(0x9F10, ISSUER_DATA),
        "x9104": tlv(0x82, AIP) + tlv(0x94, b"\x08\x01\x01\x00"),
        "x9102": tlv(0x50, b"TEST"),
        "x0101": RECORD,
    }
    contents.update(changed)
    return [
        Dgi(int(name[1:], 16), data, name == "x8000")
        for name, data in contents.items()
        if data is not None
    ]


def store(host: Host, dgis: list[Dgi]) -> Response:
    """Send STORE DATA until the first refusal; return the last answer."""
    response = Response(b"", 0)
    for command in store_data(dgis, 223):
        response = host.secured(command)
        if not response.ok:
            break
    return response


def personalise(host: Host) -> None:
    assert host.card_proved
    assert host.open().ok
    assert host.secured(INSTALL) == Response(b"\x00", 0x9000)
    assert store(host, groups(host)).ok


def arqc_verifies(host: Host) -> bool:
    """Run a transaction as a terminal and verify its cryptogram with pyemv."""
    assert host.plain(Command(0, 0xA4, 4, 0, APPLICATION_AID, 256)).ok
    assert host.plain(Command(0x80, 0xA8, 0, 0, b"\x83\x00", 256)).ok
    answer = host.plain(Command(0x80, 0xAE, 0x80, 0, TERMINAL_DATA, 256)).data
    atc = find(answer, 0x9F36)
    assert atc is not None
    assert find(answer, 0x9F27) == b"\x80"
    assert find(answer, 0x9F10) == ISSUER_DATA
    return find(answer, 0x9F26) == cryptogram(atc, TERMINAL_DATA + AIP + atc + ISSUER_DATA)


def cryptogram(atc: bytes, data: bytes) -> bytes:
    """Return the application cryptogram as pyemv computes it."""
    with warnings.catch_warnings():
        # pyemv calls cryptography's TripleDES by its former name.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        session = kd.derive_common_sk(KEYS[:16], atc + bytes(6))
        return ac.generate_ac(session, data, ac.PaddingType.EMV)
