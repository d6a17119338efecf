"""An SCP03 host written with ``cryptography`` alone: a second opinion on card and kif alike."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from kif.formats.apdu import Command, Response

KMC = bytes.fromhex("404142434445464748494A4B4C4D4E4F")
CHALLENGE = b"HOSTCHAL"
LEVELS = (0x00, 0x01, 0x03, 0x11, 0x13, 0x33)


class WrongResponseMac(Exception):
    """The R-MAC is not the one of the card's keys."""


def cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def derive(key: bytes, constant: int, context: bytes, bits: int) -> bytes:
    made = b""
    for counter in (1, 2):
        head = bytes(11) + bytes((constant, 0)) + bits.to_bytes(2, "big")
        made += cmac(key, head + bytes((counter,)) + context)
    return made[: bits // 8]


def card_key(manager: bytes, kind: int, kdd: bytes) -> bytes:
    """Return a card's static key by KDF3, as long as the manager's."""
    blocks = [cmac(manager, bytes((counter, 0, 0, 0, kind, 0)) + kdd) for counter in (1, 2)]
    return b"".join(blocks)[: len(manager)]


def cbc(key: bytes, data: bytes, vector: bytes = bytes(16)) -> bytes:
    return Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor().update(data)


class Host:
    """A host at one security level, on whatever carries a command to a card.

    ``size`` is 8 in S8 mode and 16 in S16 mode.
    """

    def __init__(
        self,
        transmit: Callable[[bytes], bytes],
        level: int = 0x01,
        manager: bytes = KMC,
        size: int = 8,
        version: int = 1,
    ) -> None:
        self.transmit, self.level, self.size = transmit, level, size
        self.chaining, self.counter = bytes(16), 0
        asked = CHALLENGE * (size // 8)
        answer = self.plain(Command(0x80, 0x50, version, 0, asked, 256))
        assert answer.ok
        kdd, challenge = answer.data[:10], answer.data[13 : 13 + size]
        enc, mac, self.dek = (card_key(manager, kind, kdd) for kind in (1, 2, 3))
        context, bits = asked + challenge, 8 * len(manager)
        self.enc = derive(enc, 0x04, context, bits)
        self.mac = derive(mac, 0x06, context, bits)
        self.rmac = derive(mac, 0x07, context, bits)
        cryptogram = answer.data[13 + size : 13 + 2 * size]
        self.card_proved = cryptogram == derive(self.mac, 0x00, context, 8 * size)
        self.host_cryptogram = derive(self.mac, 0x01, context, 8 * size)

    def open(self) -> Response:
        """EXTERNAL AUTHENTICATE: a C-MAC at every level, and never an R-MAC."""
        header = bytes((0x84, 0x82, self.level, 0x00))
        return self.plain_bytes(self._with_mac(header, self.host_cryptogram))

    def plain(self, command: Command) -> Response:
        return self.plain_bytes(command.encode())

    def plain_bytes(self, raw: bytes) -> Response:
        return Response.decode(self.transmit(raw))

    def secured(self, command: Command) -> Response:
        """Protect a command, check and open its answer."""
        if not self.level:
            return self.plain(command)
        self.counter += 1
        data = command.data
        if self.level & 0x02 and data:
            padded = data + b"\x80" + bytes(-(len(data) + 1) % 16)
            data = cbc(self.enc, padded, self._vector(0x00))
        header = bytes((0x84, command.ins, command.p1, command.p2))
        return self._opened(self.plain_bytes(self._with_mac(header, data)))

    def _with_mac(self, header: bytes, data: bytes) -> bytes:
        size = len(data) + self.size
        length = bytes((size,)) if size < 256 else b"\x00" + size.to_bytes(2, "big")
        protected = header + length + data
        self.chaining = cmac(self.mac, self.chaining + protected)
        return protected + self.chaining[: self.size]

    def _opened(self, response: Response) -> Response:
        if not self.level & 0x10 or not response.ok:
            return response
        data, mac = response.data[: -self.size], response.data[-self.size :]
        message = self.chaining + data + response.sw.to_bytes(2, "big")
        if cmac(self.rmac, message)[: self.size] != mac:
            raise WrongResponseMac
        if self.level & 0x20 and data:
            cipher = Cipher(algorithms.AES(self.enc), modes.CBC(self._vector(0x80)))
            data = cipher.decryptor().update(data).rstrip(b"\x00")
            assert data[-1:] == b"\x80"
            data = data[:-1]
        return Response(data, response.sw)

    def _vector(self, first: int) -> bytes:
        block = bytes((first,)) + self.counter.to_bytes(15, "big")
        return cbc(self.enc, block)
