"""Commands as a T=0 card takes them (ISO/IEC 7816-3, 12.2), and those that fetch its answers."""

from __future__ import annotations

from kif.formats.apdu import Command


def tpdu(command: bytes) -> bytes:
    """Return a short command for T=0: no Le beside data, and P3 = 00 where there is neither."""
    apdu = Command.decode(command)
    if apdu.data:
        return command[: 5 + len(apdu.data)]
    return command if apdu.le is not None else command + b"\x00"


def with_le(command: bytes, le: int) -> bytes:
    """Return a command with another Le (00 for 256): the one that the card named by 6Cxx."""
    apdu = Command.decode(command)
    return Command(apdu.cla, apdu.ins, apdu.p1, apdu.p2, apdu.data, le or 256).encode()


def get_response(size: int) -> bytes:
    """Return GET RESPONSE for what the card announced by 61xx (7816-4, 11.7.1); 00 for 256."""
    return Command(0x00, 0xC0, 0x00, 0x00, le=size or 256).encode()
