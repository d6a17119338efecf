"""An SCP03 host written with ``cryptography`` alone: a second opinion on card and kif alike."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from kif.formats.apdu import Command, Response
from kif.simulator.card import Card

KMC = bytes.fromhex("404142434445464748494A4B4C4D4E4F")


def cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def derive(key: bytes, constant: int, context: bytes, bits: int) -> bytes:
    message = bytes(11) + bytes((constant, 0)) + bits.to_bytes(2, "big") + b"\x01" + context
    return cmac(key, message)[: bits // 8]


def cbc(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor().update(data)


class Host:
    """A host at C-MAC level (01) on a card that is called directly."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.chaining = bytes(16)
        challenge = b"HOSTCHAL"
        answer = self.plain(Command(0x80, 0x50, 1, 0, challenge, 256))
        assert answer.ok
        kdd, card_challenge = answer.data[:10], answer.data[13:21]
        enc, mac, self.dek = (cmac(KMC, bytes((1, 0, 0, 0, kind, 0)) + kdd) for kind in (1, 2, 3))
        self.mac = derive(mac, 0x06, challenge + card_challenge, 128)
        self.cryptogram = derive(self.mac, 0x00, challenge + card_challenge, 64)
        assert answer.data[21:29] == self.cryptogram
        self.host_cryptogram = derive(self.mac, 0x01, challenge + card_challenge, 64)
        assert enc

    def open(self) -> Response:
        return self.secured(Command(0x84, 0x82, 0x01, 0x00, self.host_cryptogram))

    def plain(self, command: Command) -> Response:
        return Response.decode(self.card.apdu(command.encode()))

    def secured(self, command: Command) -> Response:
        header = bytes((0x84, command.ins, command.p1, command.p2, len(command.data) + 8))
        self.chaining = cmac(self.mac, self.chaining + header + command.data)
        return Response.decode(self.card.apdu(header + command.data + self.chaining[:8]))
