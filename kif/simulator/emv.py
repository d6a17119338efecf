"""The card's EMV application: personalised by CPS data groupings, read by terminals.

The CVR in the issuer application data stays as it was personalised; card risk management and PIN
verification are not simulated. The application cryptogram is over terminal data, AIP, ATC and
issuer application data, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from kif.formats import emv
from kif.formats.apdu import Command, Response
from kif.formats.cmac import xor
from kif.formats.dgi import Dgi
from kif.formats.error import BadInput
from kif.formats.tlv import find, read_dol, tlv
from kif.simulator.securechannel import decrypted

APPLICATION_AID = bytes.fromhex("A0000000999999")
_MANDATORY = frozenset({0x8000, 0x9000, 0x9104, 0x9200})
_KNOWN = _MANDATORY | {0x9102}
_DEFAULT_FCI = tlv(0x50, b"TEST DEBIT")
_KEY, _KCV, _KEYS = 16, 3, 3
_READ_RECORD = 0xB2
_ARQC, _AAC = 0x80, 0x00
_NEEDED_INSIDE = {0x9104: (0x82, 0x94), 0x9200: (0x9F10,)}
_PIN_TRIES = b"\x03"


class EmvApplication:
    """One EMV application of a card; ``dek`` is the card's static Key-DEK, 16 bytes."""

    def __init__(self, dek: bytes) -> None:
        self.dek = dek
        self._groups: dict[int, bytes] = {}
        self._keys: list[bytes] = []
        self._atc = 0
        self._started = False
        self.personalised = False
        self.wrong_arqc = False
        self._commands: dict[int, Callable[[Command], Response]] = {
            0xA8: self._options,
            _READ_RECORD: self._read_record,
            0xCA: self._get_data,
            0xAE: self._generate_ac,
        }

    @classmethod
    def of(cls, dek: bytes, memory: Mapping[str, Any]) -> EmvApplication:
        """Return the application with this memory. Raises ``ValueError`` or ``KeyError``."""
        made = cls(dek)
        made._groups = {int(name, 16): bytes.fromhex(data) for name, data in memory["dgi"].items()}
        made._keys = [bytes.fromhex(key) for key in memory["keys"]]
        made._atc, made.personalised = int(memory["atc"]), bool(memory["personalised"])
        return made

    def memory(self) -> dict[str, Any]:
        """Return what stays in the card without power, as JSON values."""
        return {
            "dgi": {f"{name:04X}": data.hex() for name, data in self._groups.items()},
            "keys": [key.hex() for key in self._keys],
            "atc": self._atc,
            "personalised": self.personalised,
        }

    def select(self) -> Response:
        """Return the FCI (EMV Book 1, 11.3)."""
        self._started = False
        proprietary = self._groups.get(0x9102, _DEFAULT_FCI)
        return Response(tlv(0x6F, tlv(0x84, APPLICATION_AID) + tlv(0xA5, proprietary)), 0x9000)

    def store(self, dgi: Dgi) -> int:
        """Take a data grouping; return the status word."""
        record = 1 <= dgi.identifier >> 8 <= 0x1E and dgi.identifier & 0xFF
        if self.personalised:
            return 0x6985
        if not record and dgi.identifier not in _KNOWN:
            return 0x6A88
        if dgi.identifier == 0x8000:
            return self._store_keys(dgi.data)
        if (record and dgi.data[:1] != b"\x70") or not _whole(dgi):
            return 0x6A80
        self._groups[dgi.identifier] = dgi.data
        return 0x9000

    def complete(self) -> int:
        """End personalisation; return the status word (6A80 when something is missing)."""
        records = [each for each in self._groups if each < 0x1F00]
        have = self._groups.keys() | ({0x8000} if self._keys else set())
        if not have >= _MANDATORY or not records:
            return 0x6A80
        if self._groups[0x9000] != b"".join(_check_value(key) for key in self._keys):
            return 0x6982
        self.personalised = True
        return 0x9000

    def process(self, command: Command) -> Response:
        """Answer a terminal's command."""
        handler = self._commands.get(command.ins)
        if handler is None:
            return Response(b"", 0x6D00)
        if command.cla != (0x00 if command.ins == _READ_RECORD else 0x80):
            return Response(b"", 0x6E00)
        if not self.personalised:
            return Response(b"", 0x6985)
        return handler(command)

    def _store_keys(self, cryptogram: bytes) -> int:
        if len(cryptogram) != _KEY * _KEYS:
            return 0x6A80
        clear = decrypted(self.dek, cryptogram)
        self._keys = [clear[at : at + _KEY] for at in range(0, len(clear), _KEY)]
        return 0x9000

    def _options(self, command: Command) -> Response:
        pdol = find(self._groups.get(0x9102, b""), 0x9F38) or b""
        wanted = sum(size for _, size in read_dol(pdol))
        if len(find(command.data, 0x83) or b"") != wanted:
            return Response(b"", 0x6A80)
        if self._atc == 0xFFFF:
            return Response(b"", 0x6985)
        self._atc += 1
        self._started = True
        return Response(tlv(0x77, self._groups[0x9104]), 0x9000)

    def _read_record(self, command: Command) -> Response:
        record = self._groups.get((command.p2 >> 3) << 8 | command.p1)
        if command.p2 & 0x07 != 0x04 or record is None:
            return Response(b"", 0x6A83)
        return Response(record, 0x9000)

    def _get_data(self, command: Command) -> Response:
        values = {0x9F36: self._atc.to_bytes(2, "big"), 0x9F17: _PIN_TRIES}
        tag = command.p1 << 8 | command.p2
        if tag not in values:
            return Response(b"", 0x6A88)
        return Response(tlv(tag, values[tag]), 0x9000)

    def _generate_ac(self, command: Command) -> Response:
        kind = command.p1 & 0xC0
        if not self._started or kind not in (_ARQC, _AAC):
            return Response(b"", 0x6985)
        self._started = False
        atc = self._atc.to_bytes(2, "big")
        issuer_data = find(self._groups[0x9200], 0x9F10) or b""
        aip = find(self._groups[0x9104], 0x82) or b""
        cryptogram = _cryptogram(self._keys[0], atc, command.data + aip + atc + issuer_data)
        if self.wrong_arqc:
            cryptogram = xor(cryptogram, bytes(7) + b"\x01")
        answer = tlv(0x9F27, bytes((kind,))) + tlv(0x9F36, atc)
        return Response(
            tlv(0x77, answer + tlv(0x9F26, cryptogram) + tlv(0x9F10, issuer_data)), 0x9000
        )


def _whole(dgi: Dgi) -> bool:
    """Whether a grouping that commands read from later has the data objects they need."""
    try:
        return all(
            find(dgi.data, tag) is not None for tag in _NEEDED_INSIDE.get(dgi.identifier, ())
        )
    except BadInput:
        return False


def _cryptogram(master: bytes, atc: bytes, data: bytes) -> bytes:
    """Return the application cryptogram: common session key, ISO/IEC 9797-1 algorithm 3."""
    session = _des3(master, emv.session_key_data(atc + bytes(6)))
    left = session[:8] * 2
    padded, chain = emv.mac_padded(data), bytes(8)
    for at in range(0, len(padded) - 8, 8):
        chain = _des3(left, xor(chain, padded[at : at + 8]))
    return _des3(session, xor(chain, padded[-8:]))


def _check_value(key: bytes) -> bytes:
    return _des3(key, bytes(8))[:_KCV]


def _des3(key: bytes, blocks: bytes) -> bytes:
    return Cipher(TripleDES(key + key[:8]), modes.ECB()).encryptor().update(blocks)  # noqa: S305
