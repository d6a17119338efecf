"""The card's side of SCP03 (GPC Amendment D), S8, AES-128, i = 70.

i = 70: the card challenge is pseudo-random, and R-MAC and R-ENC are there.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kif.formats import scp03
from kif.formats.apdu import Command, Response
from kif.formats.error import BadInput
from kif.formats.scp03 import Constant
from kif.simulator.vendor import aes_block, cmac

I_PARAMETER = 0x70
LEVELS = (0x00, 0x01, 0x03, 0x11, 0x13, 0x33)
_MAC = 8
_C_ENC, _R_MAC, _R_ENC = 0x02, 0x10, 0x20


class SecurityError(Exception):
    """A command is not what the channel asks for: 6982, and the session ends."""


@dataclass(frozen=True)
class CardKeys:
    """Static Key-ENC, Key-MAC and Key-DEK of a card, 16 bytes each."""

    enc: bytes
    mac: bytes
    dek: bytes


def card_challenge(keys: CardKeys, counter: int, aid: bytes) -> bytes:
    """Return the pseudo-random challenge (6.2.2.1): KDF over sequence counter and AID."""
    context = counter.to_bytes(3, "big") + aid
    return _derive(keys.enc, Constant.CARD_CHALLENGE, context, 64)


class CardChannel:
    """A session from INITIALIZE UPDATE on; ``open`` once EXTERNAL AUTHENTICATE was right."""

    def __init__(self, keys: CardKeys, host_challenge: bytes, challenge: bytes) -> None:
        context = host_challenge + challenge
        self._enc = _derive(keys.enc, Constant.S_ENC, context, 128)
        self._mac = _derive(keys.mac, Constant.S_MAC, context, 128)
        self._rmac = _derive(keys.mac, Constant.S_RMAC, context, 128)
        self.card_cryptogram = _derive(self._mac, Constant.CARD_CRYPTOGRAM, context, 64)
        self._host_cryptogram = _derive(self._mac, Constant.HOST_CRYPTOGRAM, context, 64)
        self._chaining = bytes(16)
        self._counter = 0
        self._level = 0
        self.open = False

    def authenticate(self, command: Command) -> bool:
        """Take EXTERNAL AUTHENTICATE; return False for a wrong host cryptogram.

        Raises ``SecurityError`` for a wrong C-MAC or level.
        """
        cryptogram = self._verified(command)
        if command.p1 not in LEVELS:
            raise SecurityError
        self.open = hmac.compare_digest(cryptogram, self._host_cryptogram)
        self._level = command.p1
        return self.open

    def unwrap(self, command: Command) -> Command:
        """Return the plain command. Raises ``SecurityError`` for whatever is wrong with it."""
        if not self._level:
            if command.cla & 0x04:
                raise SecurityError
            return command
        data = self._verified(command)
        self._counter += 1
        if self._level & _C_ENC and data:
            data = self._decrypted(data)
        return Command(command.cla & ~0x04, command.ins, command.p1, command.p2, data, command.le)

    def wrap(self, response: Response) -> Response:
        """Return the protected answer: nothing is added to an error status (6.2.5)."""
        if not self._level & _R_MAC or not _has_mac(response.sw):
            return response
        data = response.data
        if self._level & _R_ENC and data:
            vector = aes_block(self._enc, scp03.encryption_iv_block(self._counter, response=True))
            encryptor = Cipher(algorithms.AES(self._enc), modes.CBC(vector)).encryptor()
            data = encryptor.update(scp03.pad(data))
        message = self._chaining + data + response.sw.to_bytes(2, "big")
        return Response(data + cmac(self._rmac, message)[:_MAC], response.sw)

    def _verified(self, command: Command) -> bytes:
        """Check the C-MAC (6.2.4) and return the data without it."""
        if not command.cla & 0x04 or len(command.data) < _MAC:
            raise SecurityError
        data, mac = command.data[:-_MAC], command.data[-_MAC:]
        header = command.header + bytes((len(command.data),))
        chaining = cmac(self._mac, self._chaining + header + data)
        if not hmac.compare_digest(chaining[:_MAC], mac):
            raise SecurityError
        self._chaining = chaining
        return data

    def _decrypted(self, data: bytes) -> bytes:
        vector = aes_block(self._enc, scp03.encryption_iv_block(self._counter))
        if len(data) % 16:
            raise SecurityError
        decryptor = Cipher(algorithms.AES(self._enc), modes.CBC(vector)).decryptor()
        try:
            return scp03.unpad(decryptor.update(data))
        except BadInput:
            raise SecurityError from None


def _derive(key: bytes, constant: Constant, context: bytes, bits: int) -> bytes:
    (message,) = scp03.derivation_messages(constant, context, bits)
    return cmac(key, message)[: bits // 8]


def _has_mac(sw: int) -> bool:
    return sw == 0x9000 or 0x6200 <= sw < 0x6400
