"""The card's EMV application: personalised by CPS data groupings, read by terminals.

Card risk management is not simulated.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kif.formats.apdu import Command, Response
from kif.formats.dgi import Dgi
from kif.formats.pinverify import ENCIPHERED, NUMBER, PLAINTEXT
from kif.formats.tlv import find, read_dol, tlv
from kif.simulator.pin import COUNTERS, REFERENCE, CardPin, deciphered, reference
from kif.simulator.scheme import RsaKey
from kif.simulator.scripts import (
    APPLICATION_BLOCK,
    APPLICATION_UNBLOCK,
    CHANGE_PIN,
    PIN_CHANGE,
    SCRIPTS,
    UNBLOCK_PIN,
    ScriptKeys,
)
from kif.simulator.signing import (
    KEY_GENERATION,
    generated,
    internal_authenticate,
    public_key,
)
from kif.simulator.stored import CHECK_VALUES, KEYS, Stored
from kif.simulator.transaction import Stage, Transaction, des3

APPLICATION_AID = bytes.fromhex("A0000000999999")
_DEFAULT_FCI = tlv(0x50, b"TEST DEBIT")
_KEY, _KCV, _KEYS = 16, 3, 3
_READ_RECORD = 0xB2
_VERIFY, _GET_CHALLENGE = 0x20, 0x84
_INVALIDATED, _KIND = 0x6283, 0xC0
_INTERINDUSTRY = frozenset({0xB2, 0x82, 0x88, _VERIFY, _GET_CHALLENGE})
_EXTERNAL_AUTHENTICATE, _INTERNAL_AUTHENTICATE = 0x82, 0x88


class EmvApplication:
    """One EMV application of a card.

    ``opens`` decrypts what comes under the Key-DEK of its security domain, or its session's.
    """

    def __init__(self, opens: Callable[[bytes], bytes]) -> None:
        self._opens = opens
        self.stored = Stored()
        self._keys: list[bytes] = []
        self._atc = self._last_online = 0
        self._signer: RsaKey | None = None
        self._reference: bytes | None = None
        self.blocked = False
        self.pin: CardPin | None = None
        self._number = b""
        """What it gave for an enciphered PIN."""
        self._transaction: Transaction | None = None
        self.personalised = False
        self.wrong_arqc = self.wrong_signature = False
        self._commands: dict[int, Callable[[Command], Response]] = {
            0xA8: self._options,
            _READ_RECORD: self._read_record,
            0xCA: self._get_data,
            0xAE: self._generate_ac,
            _EXTERNAL_AUTHENTICATE: self._external_authenticate,
            _INTERNAL_AUTHENTICATE: self._internal_authenticate,
            _VERIFY: self._verify,
            _GET_CHALLENGE: self._get_challenge,
            PIN_CHANGE: self._scripted,
            APPLICATION_BLOCK: self._scripted,
            APPLICATION_UNBLOCK: self._scripted,
        }

    @classmethod
    def of(cls, memory: Mapping[str, Any], opens: Callable[[bytes], bytes]) -> EmvApplication:
        """Return the application with this memory. Raises ``ValueError`` or ``KeyError``."""
        made = cls(opens)
        stored = memory["dgi"].items()
        made.stored.groups = {int(name, 16): bytes.fromhex(data) for name, data in stored}
        made._keys = [bytes.fromhex(key) for key in memory["keys"]]
        made._atc, made._last_online = int(memory["atc"]), int(memory["last_online"])
        made.blocked = bool(memory["blocked"])
        if memory["pin"]:
            made.pin = CardPin(bytes.fromhex(memory["pin"][0]), *memory["pin"][1:])
        if memory["signer"]:
            made._signer = RsaKey.decode(memory["signer"].encode())
        made.personalised = bool(memory["personalised"])
        return made

    def memory(self) -> dict[str, Any]:
        """Return what stays in the card without power, as JSON values."""
        return {
            "dgi": {f"{name:04X}": data.hex() for name, data in self.stored.groups.items()},
            "keys": [key.hex() for key in self._keys],
            "atc": self._atc,
            "last_online": self._last_online,
            "pin": [self.pin.block.hex(), self.pin.limit, self.pin.left] if self.pin else [],
            "blocked": self.blocked,
            "signer": self._signer.encode().decode() if self._signer else "",
            "personalised": self.personalised,
        }

    def select(self) -> Response:
        """Return the FCI (EMV Book 1, 11.3)."""
        self._transaction = None
        if self.stored.contactless and not self.stored.options:
            return Response(b"", 0x6A82)
        fci = tlv(0x84, APPLICATION_AID) + tlv(0xA5, self.stored.selection or _DEFAULT_FCI)
        return Response(tlv(0x6F, fci), _INVALIDATED if self.blocked else 0x9000)

    def store(self, dgi: Dgi) -> Response:
        """Take a data grouping; a key pair that is asked for is answered with its public key."""
        if dgi.identifier != KEY_GENERATION or self.personalised:
            return Response(b"", self._stored(dgi))
        self._signer = generated(dgi.data)
        if self._signer is None:
            return Response(b"", 0x6A80)
        return Response(public_key(self._signer), 0x9000)

    def _stored(self, dgi: Dgi) -> int:
        if self.personalised:
            return 0x6985
        if dgi.identifier == KEYS:
            return self._store_keys(dgi.data)
        if dgi.identifier == REFERENCE:
            return self._store_pin(dgi.data)
        return self.stored.take(dgi)

    def complete(self) -> int:
        """End personalisation; return the status word (6A80 when something is missing)."""
        if not self._keys or not self.stored.complete(signs=self._signer is not None):
            return 0x6A80
        counters = self.stored.groups.get(COUNTERS)
        if self._reference is not None or counters is not None:
            self.pin = CardPin.of(self._reference or b"", counters or b"")
            if self.pin is None:
                return 0x6A80
        values = b"".join(_check_value(key) for key in self._keys)
        if self.stored.groups[CHECK_VALUES] != values:
            return 0x6982
        self.personalised = True
        return 0x9000

    def process(self, command: Command) -> Response:
        """Answer a terminal's command."""
        handler = self._commands.get(command.ins)
        if handler is None:
            return Response(b"", 0x6D00)
        if command.cla != _class_of(command.ins):
            return Response(b"", 0x6E00)
        if not self.personalised:
            return Response(b"", 0x6985)
        if command.ins != _VERIFY:
            self._number = b""
        return handler(command)

    def _store_keys(self, cryptogram: bytes) -> int:
        if len(cryptogram) != _KEY * _KEYS:
            return 0x6A80
        clear = self._opens(cryptogram)
        self._keys = [clear[at : at + _KEY] for at in range(0, len(clear), _KEY)]
        return 0x9000

    def _store_pin(self, cryptogram: bytes) -> int:
        if not cryptogram or len(cryptogram) % 8:
            return 0x6A80
        self._reference = reference(self._opens(cryptogram))
        return 0x6A80 if self._reference is None else 0x9000

    def _verify(self, command: Command) -> Response:
        number, self._number = self._number, b""
        if self.stored.contactless:
            return Response(b"", 0x6985)
        if self.pin is None:
            return Response(b"", 0x6A88)
        if (command.p1, command.p2) == (0x00, PLAINTEXT):
            return self.pin.verify(command.data)
        if (command.p1, command.p2) != (0x00, ENCIPHERED) or self._signer is None:
            return Response(b"", 0x6A86)
        block = deciphered(command.data, self._signer, number)
        return Response(b"", 0x6984) if block is None else self.pin.verify(block)

    def _get_challenge(self, command: Command) -> Response:
        """GET CHALLENGE (6.5.6): a number for the next command alone."""
        if (command.p1, command.p2, command.data) != (0, 0, b""):
            return Response(b"", 0x6A86)
        self._number = secrets.token_bytes(NUMBER)
        return Response(self._number, 0x9000)

    def _options(self, command: Command) -> Response:
        pdol = find(self.stored.selection, 0x9F38) or b""
        wanted = sum(size for _, size in read_dol(pdol))
        given = find(command.data, 0x83) or b""
        if len(given) != wanted:
            return Response(b"", 0x6A80)
        if self._atc == 0xFFFF:
            return Response(b"", 0x6985)
        self._atc += 1
        self._transaction = Transaction(
            self._keys[0],
            self._atc.to_bytes(2, "big"),
            find(self.stored.options, 0x82) or b"",
            find(self.stored.groups[0x9200], 0x9F10) or b"",
            self.stored.object_of(0x8C) or b"",
            self.stored.object_of(0x8D) or b"",
            given,
            self._signer,
            self.wrong_arqc,
            self.wrong_signature,
            contactless=self.stored.contactless,
        )
        return Response(tlv(0x77, self.stored.options), 0x9000)

    def _read_record(self, command: Command) -> Response:
        record = self.stored.groups.get((command.p2 >> 3) << 8 | command.p1)
        if command.p2 & 0x07 != 0x04 or record is None:
            return Response(b"", 0x6A83)
        return Response(record, 0x9000)

    def _get_data(self, command: Command) -> Response:
        values = {
            0x9F36: self._atc.to_bytes(2, "big"),
            0x9F13: self._last_online.to_bytes(2, "big"),
        }
        if self.pin is not None:
            values[0x9F17] = bytes((self.pin.left,))
        tag = command.p1 << 8 | command.p2
        if tag not in values:
            return Response(b"", 0x6A88)
        return Response(tlv(tag, values[tag]), 0x9000)

    def _generate_ac(self, command: Command) -> Response:
        transaction = self._transaction
        if transaction is None:
            return Response(b"", 0x6985)
        if self.blocked:
            command = replace(command, p1=command.p1 & ~_KIND)  # an AAC, whatever is asked for
        answer = transaction.generate_ac(command)
        if transaction.stage is Stage.ENDED and transaction.authenticated:
            self._last_online = self._atc
        return answer

    def _external_authenticate(self, command: Command) -> Response:
        if self._transaction is None:
            return Response(b"", 0x6985)
        return self._transaction.external_authenticate(command)

    def _internal_authenticate(self, command: Command) -> Response:
        if self._transaction is None or self._signer is None:
            return Response(b"", 0x6985)
        ddol = self.stored.object_of(0x9F49) or b""
        return internal_authenticate(self._signer, ddol, command, wrong=self.wrong_signature)

    def _scripted(self, command: Command) -> Response:
        """Do what the issuer's script says (6.5.1, 6.5.2, 6.5.10), once an ARQC was given."""
        transaction = self._transaction
        if transaction is None or not transaction.arqc:
            return Response(b"", 0x6985)
        keys = ScriptKeys(*self._keys[1:3])
        body = keys.body(command, transaction.atc, transaction.arqc)
        if body is None:
            return Response(b"", 0x6988)
        if command.ins == PIN_CHANGE:
            return Response(b"", self._change_pin(command, keys, body, transaction.arqc))
        if (command.p1, command.p2) != (0, 0) or body:
            return Response(b"", 0x6A86)
        self.blocked = command.ins == APPLICATION_BLOCK
        return Response(b"", 0x9000)

    def _change_pin(self, command: Command, keys: ScriptKeys, body: bytes, arqc: bytes) -> int:
        if self.pin is None:
            return 0x6A88
        if command.p1 or command.p2 not in (UNBLOCK_PIN, CHANGE_PIN):
            return 0x6A86
        if command.p2 == CHANGE_PIN:
            block = keys.new_pin(body, arqc)
            if block is None:
                return 0x6A80
            self.pin.block = block
        elif body:
            return 0x6A80
        self.pin.left = self.pin.limit
        return 0x9000


def _class_of(instruction: int) -> int:
    """Return the class of a command: of ISO/IEC 7816-4, of EMV, or with a script's MAC."""
    if instruction in SCRIPTS:
        return 0x84
    return 0x00 if instruction in _INTERINDUSTRY else 0x80


def _check_value(key: bytes) -> bytes:
    return des3(key, bytes(8))[:_KCV]
