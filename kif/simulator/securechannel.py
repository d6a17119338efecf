"""The card's side of SCP03 (GPC Amendment D): S8 and S16 mode, AES-128, AES-192 and AES-256."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kif.formats import scp03
from kif.formats.apdu import Command, Response, encode_lc
from kif.formats.error import BadInput
from kif.formats.scp03 import Constant, Options
from kif.simulator.vendor import aes_block, cmac

FULL = Options(0x70)
"""A pseudo-random challenge, R-MAC and R-ENC, in S8 mode."""
_C_ENC, _R_MAC, _R_ENC = 0x02, 0x10, 0x20


class SecurityError(Exception):
    """A command is not what the channel asks for: 6982, and the session ends."""


class LevelError(Exception):
    """A security level that the card does not know: 6A86, and no session."""


@dataclass(frozen=True)
class CardKeys:
    """Static Key-ENC, Key-MAC and Key-DEK of a card, 16, 24 or 32 bytes each."""

    enc: bytes
    mac: bytes
    dek: bytes


def card_challenge(keys: CardKeys, counter: int, aid: bytes, size: int) -> bytes:
    """Return the pseudo-random challenge (6.2.2.1): KDF over sequence counter and AID."""
    context = counter.to_bytes(3, "big") + aid
    return _derive(keys.enc, Constant.CARD_CHALLENGE, context, size)


class CardChannel:
    """A session from INITIALIZE UPDATE on; ``open`` once EXTERNAL AUTHENTICATE was right.

    The mode is told by the length of the challenges: 8 or 16 bytes.
    """

    def __init__(
        self, keys: CardKeys, host_challenge: bytes, challenge: bytes, options: Options = FULL
    ) -> None:
        context = host_challenge + challenge
        self._size, self._levels, self._dek = len(challenge), options.levels, keys.dek
        self._enc = _derive(keys.enc, Constant.S_ENC, context, len(keys.enc))
        self._mac = _derive(keys.mac, Constant.S_MAC, context, len(keys.mac))
        self._rmac = _derive(keys.mac, Constant.S_RMAC, context, len(keys.mac))
        size = self._size
        self.card_cryptogram = _derive(self._mac, Constant.CARD_CRYPTOGRAM, context, size)
        self._host_cryptogram = _derive(self._mac, Constant.HOST_CRYPTOGRAM, context, size)
        self._chaining = bytes(16)
        self._counter = 0
        self._level = 0
        self.open = False

    def authenticate(self, command: Command) -> bool:
        """Take EXTERNAL AUTHENTICATE; return False for a wrong host cryptogram.

        Raises ``SecurityError`` for a wrong C-MAC, ``LevelError`` for another level.
        """
        cryptogram = self._verified(command)
        if command.p1 not in self._levels:
            raise LevelError
        self.open = hmac.compare_digest(cryptogram, self._host_cryptogram)
        self._level = command.p1
        return self.open

    @property
    def protected(self) -> bool:
        """Whether every command has to carry a C-MAC."""
        return self.open and bool(self._level)

    def unwrap(self, command: Command) -> Command:
        """Return the plain command. Raises ``SecurityError`` for whatever is wrong with it."""
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
        return Response(data + cmac(self._rmac, message)[: self._size], response.sw)

    def opens(self, cryptogram: bytes) -> bytes:
        """Decrypt what came under the static Key-DEK: AES-CBC, zero IV, whole blocks."""
        whole = cryptogram[: len(cryptogram) - len(cryptogram) % 16]
        return Cipher(algorithms.AES(self._dek), modes.CBC(bytes(16))).decryptor().update(whole)

    def _verified(self, command: Command) -> bytes:
        """Check the C-MAC (6.2.4) and return the data without it."""
        if not command.cla & 0x04 or len(command.data) < self._size:
            raise SecurityError
        data, mac = command.data[: -self._size], command.data[-self._size :]
        header = command.header + encode_lc(len(command.data))
        chaining = cmac(self._mac, self._chaining + header + data)
        if not hmac.compare_digest(chaining[: self._size], mac):
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


def _derive(key: bytes, constant: Constant, context: bytes, size: int) -> bytes:
    messages = scp03.derivation_messages(constant, context, 8 * size)
    return b"".join(cmac(key, message) for message in messages)[:size]


def _has_mac(sw: int) -> bool:
    return sw == 0x9000 or 0x6200 <= sw < 0x6400
