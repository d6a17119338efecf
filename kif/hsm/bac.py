"""Basic Access Control and its secure messaging (ICAO Doc 9303-11, 4.3 and 9.8), keys in the token.

It is how a travel document is read after it was personalised; its keys come from what is printed.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from kif.formats.apdu import Command, Response
from kif.formats.control import Control
from kif.formats.emv import DES_BLOCK, mac_padded
from kif.formats.error import DeviceFailed
from kif.formats.scp03 import unpad
from kif.formats.tlv import find, tlv
from kif.hsm.crypt import decrypt_cbc, encrypt_chain
from kif.hsm.key import Key
from kif.hsm.mac import MacKey

_SECURE = 0x0C


def cryptogram(encryption: Key, authentication: MacKey, message: bytes) -> tuple[bytes, bytes]:
    """Return what one side of mutual authentication sends: 32 bytes encrypted, and their MAC."""
    encrypted = encrypt_chain(encryption, message)
    return encrypted, authentication.mac(mac_padded(encrypted))


@dataclass
class SecureMessaging:
    """A 3DES session: commands are protected in their order, and each answer is opened."""

    encryption: Key
    authentication: MacKey
    counter: bytes
    """The send sequence counter: 8 bytes, one more for each command and each answer."""

    def protect(self, command: Command) -> bytes:
        """Return a command with its data encrypted and a MAC over it all (9.8.4)."""
        header = bytes((command.cla | _SECURE, command.ins, command.p1, command.p2))
        body = b""
        if command.data:
            body = tlv(0x87, b"\x01" + encrypt_chain(self.encryption, mac_padded(command.data)))
        if command.le is not None:
            body += tlv(0x97, bytes((command.le % 256,)))
        mac = self._mac(mac_padded(header) + body)
        data = body + tlv(0x8E, mac)
        return header + bytes((len(data),)) + data + b"\x00"

    def open(self, response: Response) -> bytes:
        """Return an answer's plain data. Raises ``DeviceFailed`` when its MAC is not right."""
        mac = find(response.data, 0x8E)
        covered = response.data[: -len(tlv(0x8E, mac or b""))]
        if mac is None or not hmac.compare_digest(self._mac(covered), mac):
            raise DeviceFailed(
                Control.CARD_RESPONSE_MAC, "An answer does not carry the chip's MAC."
            )
        encrypted = find(covered, 0x87)
        if encrypted is None:
            return b""
        return unpad(decrypt_cbc(self.encryption, encrypted[1:], bytes(DES_BLOCK)))

    def _mac(self, message: bytes) -> bytes:
        number = int.from_bytes(self.counter, "big") + 1
        self.counter = (number % (1 << 64)).to_bytes(DES_BLOCK, "big")
        return self.authentication.mac(mac_padded(self.counter + message))
