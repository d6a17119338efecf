"""The host side of SCP03 (GPC Amendment D) with every key in the token; S8 mode and S16 mode.

A channel protects a whole list of commands before the first is sent, because the C-MAC chain and
the encryption counter depend on commands only; the answers are checked afterwards, each against
the chaining value of its own command.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from kif.formats import scp03
from kif.formats.apdu import Command, Response, encode_lc
from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed
from kif.hsm.cmac import CmacMaster, CmacPair, kdf3, kdf3_pair, public_cmac, session_keys
from kif.hsm.crypt import decrypt_cbc, encrypt_blocks, encrypt_cbc, mac_of
from kif.hsm.key import Key, all_or_none, released
from kif.hsm.usage import Usage

_C_ENC, _R_MAC, _R_ENC = 0x02, 0x10, 0x20
_BLOCK, _AT_ONCE = 16, 16
_HAS_R_MAC = frozenset({0x9000}) | frozenset(range(0x6200, 0x6400))


@dataclass(frozen=True)
class StaticKeys:
    """A card's Key-ENC and Key-MAC, which only derive, and its Key-DEK, which only wraps."""

    enc: CmacPair
    mac: CmacPair
    dek: Key


@dataclass(frozen=True)
class _Sent:
    """What an answer is checked against: its command's chaining value and counter."""

    chaining: bytes
    counter: int


class Channel:
    """An SCP03 channel to one card. ``close()`` destroys every key of it."""

    def __init__(self, keys: dict[scp03.Constant, Key], dek: Key, context: bytes) -> None:
        self._enc = keys[scp03.Constant.S_ENC]
        self._mac = keys[scp03.Constant.S_MAC]
        self._rmac = keys[scp03.Constant.S_RMAC]
        self.dek = dek
        self._context = context
        self._mac_size = len(context) // 2
        """8 bytes in S8 mode, 16 in S16: as long as a challenge."""
        self._level = 0
        self._chaining = bytes(16)
        self._counter = 0
        self._sent: list[_Sent] = []
        self._vectors: dict[int, bytes] = {}

    @classmethod
    def open(
        cls,
        static: StaticKeys,
        host_challenge: bytes,
        answer: scp03.InitializeUpdateResponse,
        domain: bytes | None = None,
    ) -> Channel:
        """Derive the session keys and check the card's cryptogram; ``static`` is used up.

        ``domain`` is the AID of its security domain, of which its challenge may be made; None
        where nobody knows it, as in a published trace. Raises ``DeviceFailed`` (CARD_CRYPTOGRAM),
        leaving no key behind.
        """
        context = host_challenge + answer.card_challenge
        with all_or_none() as made:
            made(static.dek)
            with released(*static.enc, *static.mac):
                keys = _session_keys(static, context)
                for key in keys.values():
                    made(key)
                channel = cls(keys, static.dek, context)
                channel._require(answer.card_cryptogram)
                if domain is not None:
                    _require_challenge(static, answer, domain)
            return channel

    def _require(self, cryptogram: bytes) -> None:
        expected = self._cryptogram(scp03.Constant.CARD_CRYPTOGRAM)
        if not hmac.compare_digest(expected, cryptogram):
            raise DeviceFailed(
                Control.CARD_CRYPTOGRAM,
                "The card's cryptogram is not the one that the card manager key gives: its keys "
                "are not ours. The channel was not opened. Check the delivery's key version.",
            )

    def external_authenticate(self, level: int) -> bytes:
        """Return EXTERNAL AUTHENTICATE for a security level (7.1.2); the chain starts here."""
        cryptogram = self._cryptogram(scp03.Constant.HOST_CRYPTOGRAM)
        authenticate = self._authenticated(Command(0x84, 0x82, level, 0x00, cryptogram))
        self._level = level
        return authenticate

    def protect(self, command: Command) -> bytes:
        """Return a command with C-ENC and C-MAC as the level asks (6.2.4, 6.2.6)."""
        self._counter += 1
        if self._level & _C_ENC and command.data:
            command = command.with_data(self._encrypted(command.data))
        protected = self._authenticated(command)
        self._sent.append(_Sent(self._chaining, self._counter))
        return protected

    def check(self, number: int, response: Response) -> bytes:
        """Return the plain data of the answer to the n-th protected command (from 0).

        Raises ``DeviceFailed`` (CARD_RESPONSE_MAC) when its R-MAC is not right.
        """
        if not self._level & _R_MAC or response.sw not in _HAS_R_MAC:
            return response.data
        sent = self._sent[number]
        size = self._mac_size
        data, mac = response.data[:-size], response.data[-size:]
        message = sent.chaining + data + response.sw.to_bytes(2, "big")
        if not hmac.compare_digest(mac_of(self._rmac, message)[:size], mac):
            raise DeviceFailed(
                Control.CARD_RESPONSE_MAC,
                f"The answer to protected command {number + 1} does not carry the card's R-MAC.",
            )
        return self._decrypted(sent.counter, data) if self._level & _R_ENC and data else data

    def close(self) -> None:
        """Destroy the session keys and the Key-DEK."""
        for key in (self._enc, self._mac, self._rmac, self.dek):
            key.destroy()

    def _cryptogram(self, constant: scp03.Constant) -> bytes:
        (message,) = scp03.derivation_messages(constant, self._context, 8 * self._mac_size)
        return mac_of(self._mac, message)[: self._mac_size]

    def _authenticated(self, command: Command) -> bytes:
        cla, data = command.cla | 0x04, command.data
        head = bytes((cla, command.ins, command.p1, command.p2))
        head += encode_lc(len(data) + self._mac_size)
        self._chaining = mac_of(self._mac, self._chaining + head + data)
        data += self._chaining[: self._mac_size]
        return Command(cla, command.ins, command.p1, command.p2, data, command.le).encode()

    def _encrypted(self, data: bytes) -> bytes:
        return encrypt_cbc(self._enc, scp03.pad(data), self._vector())

    def _vector(self) -> bytes:
        """Return the command's initial chaining vector (6.2.6); those of the next are made with it.

        They depend on the counter alone, and one call of the token makes them all.
        """
        if self._counter not in self._vectors:
            ahead = range(self._counter, self._counter + _AT_ONCE)
            made = encrypt_blocks(self._enc, b"".join(map(scp03.encryption_iv_block, ahead)))
            parts = (made[at : at + _BLOCK] for at in range(0, len(made), _BLOCK))
            self._vectors = dict(zip(ahead, parts, strict=True))
        return self._vectors[self._counter]

    def _decrypted(self, counter: int, data: bytes) -> bytes:
        vector = encrypt_blocks(self._enc, scp03.encryption_iv_block(counter, response=True))
        if len(data) % 16:
            raise BadInput(Control.BYTES, "An encrypted answer is not whole AES blocks.")
        return scp03.unpad(decrypt_cbc(self._enc, data, vector))


def _require_challenge(
    static: StaticKeys, answer: scp03.InitializeUpdateResponse, domain: bytes
) -> None:
    """Require that a card which says so made its challenge of its counter (Amendment D, 6.2.2.1).

    ``domain`` is the AID of its security domain. Raises ``DeviceFailed`` (CARD_CRYPTOGRAM): an old
    session played back has a counter that does not fit its challenge.
    """
    options = scp03.Options(answer.i)
    if not options.pseudo_random:
        return
    counter = answer.sequence_counter or b""
    (message,) = scp03.derivation_messages(
        scp03.Constant.CARD_CHALLENGE, counter + domain, 8 * options.size
    )
    expected = public_cmac(static.enc.public, message)[: options.size]
    if not counter or not hmac.compare_digest(expected, answer.card_challenge):
        raise DeviceFailed(
            Control.CARD_CRYPTOGRAM,
            "The card says that its challenge is made of its sequence counter, and it is not. The "
            "channel was not opened. The card, or whatever is between, is not what it says.",
        )


def static_keys(kmc: CmacMaster, diversification: bytes) -> StaticKeys:
    """Derive a card's static keys by KDF3 from the ten bytes that it answers with."""
    with all_or_none() as made:
        enc = kdf3_pair(kmc, scp03.StaticKey.ENC, diversification)
        made(enc.deriving), made(enc.public)
        mac = kdf3_pair(kmc, scp03.StaticKey.MAC, diversification)
        made(mac.deriving), made(mac.public)
        dek = kdf3(kmc, scp03.StaticKey.DEK, diversification, Usage.CARD_TRANSPORT)
        return StaticKeys(enc, mac, made(dek))


def _session_keys(static: StaticKeys, context: bytes) -> dict[scp03.Constant, Key]:
    mac = {scp03.Constant.S_MAC: Usage.CHANNEL_MAC, scp03.Constant.S_RMAC: Usage.CHANNEL_MAC}
    enc = {scp03.Constant.S_ENC: Usage.CHANNEL_ENCRYPTION}
    with all_or_none() as made:
        first = session_keys(static.enc, enc, context)
        for key in first.values():
            made(key)
        return first | session_keys(static.mac, mac, context)
