"""A transaction on the simulated card: from GET PROCESSING OPTIONS to its last cryptogram.

EMV Book 3, 6.5.4 and 6.5.5, 9.3; Book 2, 8. The card is online only: it answers a request for a TC
with an ARQC, and gives a TC when the issuer's response was right. Cryptograms are over the terminal
data of both CDOLs (without 8A and 91), AIP, ATC and issuer application data, in this order. The CVR
in the issuer application data stays as it was personalised.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import Enum

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from kif.formats import emv
from kif.formats.apdu import Command, Response
from kif.formats.cmac import xor
from kif.formats.elements import ISSUER_AUTHENTICATION, RESPONSE_CODE, Aip
from kif.formats.offline import SIGNED_DYNAMIC, Combined, transaction_digest
from kif.formats.tlv import Tlv, read_dol, tlv
from kif.simulator.scheme import RsaKey
from kif.simulator.signing import signature

_ARQC, _TC, _AAC, _COMBINED = 0x80, 0x40, 0x00, 0x10
_METHOD_2 = frozenset({0x12, 0x22})
"""Cryptogram versions whose response is by ARPC method 2; all others have method 1."""
_APPROVED = 0x80


class Stage(Enum):
    """How far it came."""

    BEGUN = "begun"
    ONLINE = "an ARQC was given"
    ENDED = "the last cryptogram was given"


@dataclass
class Transaction:
    """One transaction; ``master`` is the card's key for cryptograms, 16 bytes."""

    master: bytes
    atc: bytes
    aip: bytes
    issuer_data: bytes
    cdol1: bytes
    cdol2: bytes
    options: bytes = b""
    """What the terminal gave for the PDOL."""
    signer: RsaKey | None = None
    """The card's key pair, where it signs cryptograms (CDA)."""
    wrong: bool = False
    """Whether its cryptograms are spoilt on purpose."""
    wrong_signature: bool = False
    contactless: bool = False
    """Whether it is over the air: then it ends with its first cryptogram."""
    stage: Stage = Stage.BEGUN
    arqc: bytes = b""
    asked: list[bytes] = field(default_factory=list)
    """What it was given so far for its CDOLs."""
    authenticated: bool | None = None
    """Whether the issuer's response was right; None before there is one."""

    def external_authenticate(self, command: Command) -> Response:
        """EXTERNAL AUTHENTICATE of the issuer (6.5.4), once for each ARQC."""
        able = self.aip[0] & Aip.ISSUER_AUTHENTICATION
        if self.stage is not Stage.ONLINE or not able or self.authenticated is not None:
            return Response(b"", 0x6985)
        if (command.p1, command.p2) != (0, 0):
            return Response(b"", 0x6A86)
        if not 8 <= len(command.data) <= 16:
            return Response(b"", 0x6700)
        self.authenticated = self._is_issuers(command.data)
        return Response(b"", 0x9000 if self.authenticated else 0x6300)

    def generate_ac(self, command: Command) -> Response:
        """GENERATE AC, the first or the second (6.5.5)."""
        if self.stage is Stage.ENDED:
            return Response(b"", 0x6985)
        kind, signed = command.p1 & 0xC0, bool(command.p1 & _COMBINED)
        able = bool(self.aip[0] & Aip.COMBINED) and self.signer is not None
        if command.p1 & ~(0xC0 | _COMBINED) or command.p2 or kind == _ARQC | _TC:
            return Response(b"", 0x6A86)
        if signed and not able:
            return Response(b"", 0x6A86)
        first = self.stage is Stage.BEGUN
        given = _given(self.cdol1 if first else self.cdol2, command.data)
        if given is None:
            return Response(b"", 0x6700)
        if not first and kind == _ARQC:
            return Response(b"", 0x6985)
        made = _first(kind) if first else self._second(kind, given)
        self.stage = Stage.ONLINE if made == _ARQC and not self.contactless else Stage.ENDED
        self.asked.append(command.data)
        return self._cryptogram(made, given, signed=signed and made != _AAC)

    def _second(self, kind: int, given: dict[int, bytes]) -> int:
        """Decide on the second request: a TC only after the issuer's right response."""
        if ISSUER_AUTHENTICATION in given and self.authenticated is None:
            self.authenticated = self._is_issuers(given[ISSUER_AUTHENTICATION])
        return kind if self.authenticated else _AAC

    def _cryptogram(self, kind: int, given: dict[int, bytes], *, signed: bool) -> Response:
        told = (RESPONSE_CODE, ISSUER_AUTHENTICATION)
        terminal = b"".join(value for tag, value in given.items() if tag not in told)
        data = terminal + self.aip + self.atc + self.issuer_data
        made = retail_mac(self._session_key(), data)
        self.arqc = made if kind == _ARQC else self.arqc
        if self.wrong:
            made = xor(made, bytes(7) + b"\x01")
        answer = [Tlv(0x9F27, bytes((kind,))), Tlv(0x9F36, self.atc), Tlv(0x9F10, self.issuer_data)]
        proof = Tlv(0x9F26, made)
        if signed and self.signer is not None:
            proof = self._signature(self.signer, kind, made, given, answer)
        answer.insert(2, proof)
        return Response(tlv(0x77, b"".join(each.encode() for each in answer)), 0x9000)

    def _signature(
        self, signer: RsaKey, kind: int, made: bytes, given: dict[int, bytes], answer: list[Tlv]
    ) -> Tlv:
        """Return the signature over a cryptogram, in whose place it stands (Book 2, 6.6.1)."""
        digest = transaction_digest((self.options, *self.asked), answer)
        combined = Combined(bytes((kind,)), made, digest).encode()
        number = given.get(0x9F37, b"")
        return Tlv(SIGNED_DYNAMIC, signature(signer, combined, number, wrong=self.wrong_signature))

    def _is_issuers(self, data: bytes) -> bool:
        """Return whether issuer authentication data is right and approves (Book 2, 8.2)."""
        if len(data) < 8:
            return False
        if self.issuer_data[2:3] and self.issuer_data[2] in _METHOD_2:
            arpc, update = data[:4], data[4:]
            expected = retail_mac(self._session_key(), self.arqc + update)[:4]
            approved = bool(update[1] & _APPROVED)
        else:
            arpc, code = data[:8], data[8:10]
            block = xor(self.arqc, code.ljust(8, b"\x00"))
            expected, approved = des3(self._session_key(), block), code == b"00"
        return hmac.compare_digest(arpc, expected) and approved

    def _session_key(self) -> bytes:
        return des3(self.master, emv.session_key_data(emv.of_atc(self.atc)))


def des3(key: bytes, blocks: bytes) -> bytes:
    """Encrypt blocks of 8 bytes by 2TDEA."""
    return Cipher(TripleDES(key + key[:8]), modes.ECB()).encryptor().update(blocks)  # noqa: S305


def _first(kind: int) -> int:
    return _AAC if kind == _AAC else _ARQC


def _given(dol: bytes, data: bytes) -> dict[int, bytes] | None:
    """Return what the terminal gave by tag, or None when it has another length than asked for."""
    wanted = read_dol(dol)
    if len(data) != sum(size for _, size in wanted):
        return None
    found, at = {}, 0
    for tag, size in wanted:
        found[tag] = data[at : at + size]
        at += size
    return found


def retail_mac(session: bytes, data: bytes) -> bytes:
    """Return the MAC by ISO/IEC 9797-1 algorithm 3."""
    left = session[:8] * 2
    padded, chain = emv.mac_padded(data), bytes(8)
    for at in range(0, len(padded) - 8, 8):
        chain = des3(left, xor(chain, padded[at : at + 8]))
    return des3(session, xor(chain, padded[-8:]))
