"""The host side of SCP02 (GPC 2.3.1, appendix E) with every key of the channel in the token.

Session keys are derived inside, and commands are protected and MACed there. What is delivered to a
card under its session DEK is another matter: 3DES keys wrap nothing on a plain token
(:mod:`kif.hsm.delivery02`).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import StrEnum

from kif.formats import scp02
from kif.formats.apdu import Command, Response
from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.diversification import emv_static_blocks, scp02_session_block, visa2_blocks
from kif.formats.emv import DES_BLOCK, mac_padded
from kif.formats.error import DeviceFailed
from kif.formats.scp03 import StaticKey
from kif.hsm.crypt import encrypt_chain
from kif.hsm.derive import derive_2tdea, derive_by_cbc
from kif.hsm.key import Key, all_or_none, released
from kif.hsm.mac import MacKey
from kif.hsm.usage import Usage

_C_ENC = 0x02


class Diversification(StrEnum):
    """How a card's 3DES static keys come from a card manager master key."""

    VISA2 = "VISA2"
    EMV = "EMV"


def static_key(
    master: Key, how: Diversification, which: StaticKey, diversification: bytes, usage: Usage
) -> Key:
    """Derive a card's static key from ten bytes of key diversification data."""
    blocks = visa2_blocks if how is Diversification.VISA2 else emv_static_blocks
    return derive_2tdea(master, blocks(which, diversification), usage)


SESSION_CONSTANTS = {
    "s_enc": b"\x01\x82",
    "c_mac": b"\x01\x01",
    "r_mac": b"\x01\x02",
    "dek": b"\x01\x81",
}
"""Derivation constants of SCP02 (E.4.1)."""


def session_key(static: Key, which: str, sequence: bytes, usage: Usage) -> Key:
    """Derive a session key (``s_enc``, ``c_mac``, ``r_mac``, ``dek``); ``sequence``: 2 bytes."""
    return derive_by_cbc(static, scp02_session_block(SESSION_CONSTANTS[which], sequence), usage)


@dataclass(frozen=True)
class StaticKeys:
    """A card's three static keys, which only derive."""

    enc: Key
    mac: Key
    dek: Key


def static_keys(master: Key, how: Diversification, diversification: bytes) -> StaticKeys:
    """Derive a card's static keys from the ten bytes that it answers with."""
    with all_or_none() as made:
        return StaticKeys(
            *(
                made(static_key(master, how, which, diversification, Usage.CARD_DERIVATION))
                for which in StaticKey
            )
        )


class Channel:
    """An SCP02 channel to one card, with "i" 15 or its like. ``close()`` destroys its keys."""

    def __init__(self, enc: Key, mac: MacKey, dek: Key) -> None:
        self._enc, self._mac = enc, mac
        self.dek = dek
        """The session DEK, which ENCRYPTs."""
        self._level = 0
        self._last = b""
        """The C-MAC before: empty before the first."""
        self._host_cryptogram = b""

    @classmethod
    def open(
        cls,
        static: StaticKeys,
        host_challenge: bytes,
        answer: scp02.InitializeUpdateResponse,
        domain: bytes | None = None,
    ) -> Channel:
        """Derive the session keys and check the card's cryptogram; ``static`` is used up.

        ``domain`` is the AID that its challenge is made over, of cards that make it so. Raises
        ``DeviceFailed`` (CARD_CRYPTOGRAM), leaving no key behind.
        """
        with all_or_none() as made, released(static.enc, static.mac, static.dek):
            sequence = answer.sequence
            enc = made(session_key(static.enc, "s_enc", sequence, Usage.CHANNEL_ENCRYPTION))
            mac = _mac_key(static.mac, sequence)
            made(mac.whole), made(mac.left)
            dek = made(session_key(static.dek, "dek", sequence, Usage.SCRIPT_ENCRYPTION))
            channel = cls(enc, mac, dek)
            channel._require(answer, host_challenge, domain)
            return channel

    def _require(
        self, answer: scp02.InitializeUpdateResponse, host_challenge: bytes, domain: bytes | None
    ) -> None:
        expected = encrypt_chain(self._enc, answer.card_message(host_challenge))[-DES_BLOCK:]
        if not hmac.compare_digest(expected, answer.card_cryptogram):
            raise DeviceFailed(
                Control.CARD_CRYPTOGRAM,
                "The card's cryptogram is not the one that the card manager key gives: its keys "
                "are not ours. The channel was not opened. Check the delivery's key version.",
            )
        if domain is not None:
            challenge = self._mac.mac(mac_padded(domain))[: len(answer.card_challenge)]
            if not hmac.compare_digest(challenge, answer.card_challenge):
                raise DeviceFailed(
                    Control.CARD_CRYPTOGRAM,
                    "The card's challenge is not made over its domain, as its profile says. The "
                    "channel was not opened.",
                )
        self._host_cryptogram = encrypt_chain(self._enc, answer.host_message(host_challenge))[
            -DES_BLOCK:
        ]

    def external_authenticate(self, level: int) -> bytes:
        """Return EXTERNAL AUTHENTICATE for a security level (E.5.2); the chain starts here."""
        command = Command(0x80, 0x82, level, 0x00, self._host_cryptogram)
        authenticate = self._authenticated(command, command.data)
        self._level = level
        return authenticate

    def protect(self, command: Command) -> bytes:
        """Return a command with C-MAC, and C-ENC as the level asks: the MAC is over plain data."""
        data = command.data
        if self._level & _C_ENC and data:
            data = encrypt_chain(self._enc, mac_padded(data))
        return self._authenticated(command, data)

    def check(self, number: int, response: Response) -> bytes:
        """Return the data of the answer to the n-th protected command: it carries no R-MAC."""
        return response.data

    def close(self) -> None:
        """Destroy the session keys."""
        for key in (self._enc, self._mac.whole, self._mac.left, self.dek):
            key.destroy()

    def _authenticated(self, command: Command, sent: bytes) -> bytes:
        message = scp02.mac_message(command)
        vector = self._mac.single(self._last) if self._last else bytes(DES_BLOCK)
        first = xor(message[:DES_BLOCK], vector)
        self._last = self._mac.mac(first + message[DES_BLOCK:])
        cla = command.cla | 0x04
        data = sent + self._last
        return Command(cla, command.ins, command.p1, command.p2, data, command.le).encode()


def _mac_key(static: Key, sequence: bytes) -> MacKey:
    """Return the C-MAC session key, and its left half twice: its first block alone, by ECB."""
    block = scp02_session_block(SESSION_CONSTANTS["c_mac"], sequence)
    with all_or_none() as made:
        whole = made(derive_by_cbc(static, block, Usage.PUBLIC_BLOCK))
        return MacKey(whole, made(derive_2tdea(static, block[:DES_BLOCK] * 2, Usage.PUBLIC_BLOCK)))
