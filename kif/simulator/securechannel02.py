"""The card's side of SCP02 (GPC 2.3.1, appendix E) with "i" 15 or 55: 2TDEA keys, no R-MAC."""

from __future__ import annotations

import hmac
import secrets

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from kif.formats import scp02
from kif.formats.apdu import Command, Response
from kif.formats.cmac import xor
from kif.formats.diversification import scp02_session_block
from kif.formats.emv import DES_BLOCK, mac_padded
from kif.simulator.securechannel import CardKeys, LevelError, SecurityError
from kif.simulator.transaction import des3

_ENC, _MAC, _DEK = b"\x01\x82", b"\x01\x01", b"\x01\x81"
_C_ENC, _CHALLENGE = 0x02, 6


class CardChannel02:
    """A session from INITIALIZE UPDATE on; ``open`` once EXTERNAL AUTHENTICATE was right."""

    def __init__(
        self, keys: CardKeys, host: bytes, sequence: bytes, aid: bytes, options: scp02.Options
    ) -> None:
        self._enc, self._mac, self._dek = (
            _cbc(key, scp02_session_block(constant, sequence))
            for key, constant in ((keys.enc, _ENC), (keys.mac, _MAC), (keys.dek, _DEK))
        )
        made = self._retail_mac(mac_padded(aid))[:_CHALLENGE]
        challenge = made if options.pseudo_random else secrets.token_bytes(_CHALLENGE)
        self.challenge = sequence + challenge
        """What the card answers: sequence counter and challenge, eight bytes."""
        self._levels = options.levels
        self.card_cryptogram = _cbc(self._enc, mac_padded(host + self.challenge))[-DES_BLOCK:]
        self._host_cryptogram = _cbc(self._enc, mac_padded(self.challenge + host))[-DES_BLOCK:]
        self._last, self._level = b"", 0
        self.open = False

    @property
    def protected(self) -> bool:
        """Whether every command has to carry a C-MAC."""
        return self.open and bool(self._level)

    def authenticate(self, command: Command) -> bool:
        """Take EXTERNAL AUTHENTICATE; return False for a wrong host cryptogram.

        Raises ``SecurityError`` for a wrong C-MAC, ``LevelError`` for another level.
        """
        plain = self._verified(command, decrypting=False)
        if command.p1 not in self._levels:
            raise LevelError
        self.open = hmac.compare_digest(plain.data, self._host_cryptogram)
        self._level = command.p1
        return self.open

    def unwrap(self, command: Command) -> Command:
        """Return the plain command. Raises ``SecurityError`` for whatever is wrong with it."""
        return self._verified(command, decrypting=bool(self._level & _C_ENC))

    def wrap(self, response: Response) -> Response:
        """Return the answer as it is."""
        return response

    def opens(self, cryptogram: bytes) -> bytes:
        """Decrypt what came under the session DEK: 3DES-ECB, whole blocks."""
        whole, key = cryptogram[: len(cryptogram) - len(cryptogram) % DES_BLOCK], self._dek
        return Cipher(TripleDES(key + key[:8]), modes.ECB()).decryptor().update(whole)  # noqa: S305

    def _verified(self, command: Command, *, decrypting: bool) -> Command:
        """Check the C-MAC (E.4.4), which is over plain data."""
        if not command.cla & 0x04 or len(command.data) < scp02.MAC:
            raise SecurityError
        data, mac = command.data[: -scp02.MAC], command.data[-scp02.MAC :]
        if decrypting and data:
            data = _unpadded(self._enc, data)
        cla = command.cla & ~0x04
        plain = Command(cla, command.ins, command.p1, command.p2, data, command.le)
        vector = des3(self._mac[:8] * 2, self._last) if self._last else bytes(DES_BLOCK)
        message = scp02.mac_message(plain)
        expected = self._retail_mac(xor(message[:8], vector) + message[8:])
        if not hmac.compare_digest(expected, mac):
            raise SecurityError
        self._last = mac
        return plain

    def _retail_mac(self, padded: bytes) -> bytes:
        chain = bytes(DES_BLOCK)
        for at in range(0, len(padded) - DES_BLOCK, DES_BLOCK):
            chain = des3(self._mac[:8] * 2, xor(chain, padded[at : at + DES_BLOCK]))
        return des3(self._mac, xor(chain, padded[-DES_BLOCK:]))


def _cbc(key: bytes, blocks: bytes) -> bytes:
    made = Cipher(TripleDES(key + key[:8]), modes.CBC(bytes(DES_BLOCK))).encryptor()
    return made.update(blocks)


def _unpadded(key: bytes, data: bytes) -> bytes:
    if len(data) % DES_BLOCK:
        raise SecurityError
    clear = Cipher(TripleDES(key + key[:8]), modes.CBC(bytes(DES_BLOCK))).decryptor().update(data)
    body = clear.rstrip(b"\x00")
    if body[-1:] != b"\x80":
        raise SecurityError
    return body[:-1]
