"""Command and response APDUs (ISO/IEC 7816-4, clause 5), short and extended length."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kif.formats.control import Control
from kif.formats.error import BadInput

SUCCESS = 0x9000


@dataclass(frozen=True)
class Command:
    """A command APDU. ``le`` is the number of bytes expected: None none, 256 or 65536 any."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    def __repr__(self) -> str:
        return f"Command({self.header.hex().upper()}, {len(self.data)} bytes, le={self.le})"

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2, four bytes."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def with_data(self, data: bytes) -> Command:
        """Return the same command over other data."""
        return replace(self, data=data)

    def encode(self) -> bytes:
        """Return the bytes on the wire; extended length where short is not enough."""
        extended = len(self.data) > 255 or (self.le or 0) > 256
        return self.header + self._lc(extended) + self.data + self._le(extended)

    def _lc(self, extended: bool) -> bytes:
        if not self.data:
            return b""
        return encode_lc(len(self.data), extended=extended)

    def _le(self, extended: bool) -> bytes:
        if self.le is None:
            return b""
        if not extended:
            return bytes((self.le % 256,))
        return (b"" if self.data else b"\x00") + (self.le % 65536).to_bytes(2, "big")

    @classmethod
    def decode(cls, raw: bytes) -> Command:
        """Read a command from the wire. Raises ``BadInput`` when a byte is missing or too many."""
        if len(raw) < 4:
            raise BadInput(Control.BYTES, f"A command APDU has {len(raw)} bytes, not at least 4.")
        body = raw[4:]
        if len(body) > 2 and body[0] == 0:
            data, le = _extended_body(body)
        else:
            data, le = _short_body(body)
        return cls(raw[0], raw[1], raw[2], raw[3], data, le)


def encode_lc(size: int, *, extended: bool = False) -> bytes:
    """Return the length field of so many bytes of data: one byte up to 255, else three."""
    return b"\x00" + size.to_bytes(2, "big") if extended or size > 255 else bytes((size,))


def _short_body(body: bytes) -> tuple[bytes, int | None]:
    if not body:
        return b"", None
    if len(body) == 1:
        return b"", body[0] or 256
    lc, rest = body[0], body[1:]
    if lc and len(rest) == lc:
        return rest, None
    if lc and len(rest) == lc + 1:
        return rest[:-1], rest[-1] or 256
    raise BadInput(Control.BYTES, f"A command APDU says Lc {lc} but {len(rest)} bytes follow.")


def _extended_body(body: bytes) -> tuple[bytes, int | None]:
    lc, rest = int.from_bytes(body[1:3], "big"), body[3:]
    if not rest:
        return b"", lc or 65536
    if lc and len(rest) == lc:
        return rest, None
    if lc and len(rest) == lc + 2:
        return rest[:-2], int.from_bytes(rest[-2:], "big") or 65536
    raise BadInput(Control.BYTES, f"A command APDU says Lc {lc} but {len(rest)} bytes follow.")


@dataclass(frozen=True)
class Response:
    """A response APDU: data and the status word SW1 SW2."""

    data: bytes
    sw: int

    def __repr__(self) -> str:
        return f"Response({len(self.data)} bytes, {self.sw:04X})"

    @property
    def ok(self) -> bool:
        """Whether the status word is 9000."""
        return self.sw == SUCCESS

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def decode(cls, raw: bytes) -> Response:
        """Read a response from the wire. Raises ``BadInput`` below two bytes."""
        if len(raw) < 2:
            raise BadInput(Control.BYTES, f"A response APDU has {len(raw)} bytes, not at least 2.")
        return cls(raw[:-2], int.from_bytes(raw[-2:], "big"))
