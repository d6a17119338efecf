"""Issuer scripts on the simulated card: commands that its issuer MACs, over its last ARQC.

EMV Book 3, 6.5.1, 6.5.2 and 6.5.10; Book 2, 9. Secure messaging of format 2: enciphered data, then
a MAC of eight bytes over header, ATC, ARQC and that data. Session keys are common ones over the
ARQC.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from kif.formats import emv, pinblock
from kif.formats.apdu import Command
from kif.formats.error import BadInput
from kif.formats.secret import Secret
from kif.simulator.transaction import des3, retail_mac

PIN_CHANGE, APPLICATION_BLOCK, APPLICATION_UNBLOCK = 0x24, 0x1E, 0x18
SCRIPTS = frozenset({PIN_CHANGE, APPLICATION_BLOCK, APPLICATION_UNBLOCK})
UNBLOCK_PIN, CHANGE_PIN = 0x00, 0x02
"""P2 of PIN CHANGE/UNBLOCK."""
_MAC, _BLOCK = 8, 8


@dataclass(frozen=True)
class ScriptKeys:
    """The card's keys for scripts: for their MAC, and for what they encipher; 16 bytes each."""

    integrity: bytes
    confidentiality: bytes

    def body(self, command: Command, atc: bytes, arqc: bytes) -> bytes | None:
        """Return what a command carries, or None when its MAC is not the issuer's."""
        if len(command.data) < _MAC:
            return None
        body, mac = command.data[:-_MAC], command.data[-_MAC:]
        header = command.header + bytes((len(command.data),))
        session = des3(self.integrity, emv.session_key_data(arqc))
        expected = retail_mac(session, header + atc + arqc + body)
        return body if hmac.compare_digest(expected, mac) else None

    def new_pin(self, body: bytes, arqc: bytes) -> bytes | None:
        """Return the block (format 2) of a new PIN, or None when it is none."""
        if not body or len(body) % _BLOCK:
            return None
        session = des3(self.confidentiality, emv.session_key_data(arqc))
        cipher = Cipher(TripleDES(session + session[:8]), modes.CBC(bytes(_BLOCK)))
        clear = cipher.decryptor().update(body)
        block = clear[:_BLOCK]
        try:
            pinblock.pin_of(Secret(block))
        except BadInput:
            return None
        return block if clear[_BLOCK:] == b"\x80" + bytes(7) and block[0] >> 4 == 2 else None
