"""Points of short Weierstrass curves (BSI TR-03111, 4.3): what PACE's mapping needs.

``cryptography`` agrees on keys but does not add points. The scalars here are ephemeral ones of a
reader; nothing is done in constant time, and no key of the bureau comes near.
"""

from __future__ import annotations

from dataclasses import dataclass

from kif.formats.control import Control
from kif.formats.error import BadInput

Point = tuple[int, int]
_BRAINPOOL_P256R1 = (
    0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
    0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
    0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
    (
        0x8BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262,
        0x547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997,
    ),
)
_NIST_P256 = (
    0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
)


@dataclass(frozen=True)
class Curve:
    """``y² = x³ + ax + b`` over the integers modulo ``p``, with a generator."""

    p: int
    a: int
    b: int
    generator: Point

    @property
    def size(self) -> int:
        """The bytes of a coordinate."""
        return (self.p.bit_length() + 7) // 8

    def has(self, point: Point) -> bool:
        """Return whether a point is on the curve."""
        x, y = point
        inside = 0 <= x < self.p and 0 <= y < self.p
        return inside and (y * y - (x * x * x + self.a * x + self.b)) % self.p == 0

    def plus(self, one: Point, other: Point) -> Point:
        """Return the sum of two points. Raises ``BadInput`` when it is the point at infinity."""
        (x1, y1), (x2, y2) = one, other
        if x1 == x2 and (y1 + y2) % self.p == 0:
            raise BadInput(Control.BYTES, "Two points of the curve cancel each other.")
        over, under = (3 * x1 * x1 + self.a, 2 * y1) if one == other else (y2 - y1, x2 - x1)
        slope = over * pow(under, -1, self.p)
        x = (slope * slope - x1 - x2) % self.p
        return x, (slope * (x1 - x) - y1) % self.p

    def times(self, scalar: int, point: Point) -> Point:
        """Return a multiple of a point, for a scalar from 1 below the order."""
        found: Point | None = None
        while scalar:
            if scalar & 1:
                found = point if found is None else self.plus(found, point)
            scalar >>= 1
            if scalar:
                point = self.plus(point, point)
        if found is None:
            raise BadInput(Control.BYTES, "A scalar of zero gives no point.")
        return found

    def encode(self, point: Point) -> bytes:
        """Return the uncompressed form: 04, x, y."""
        return b"\x04" + b"".join(each.to_bytes(self.size, "big") for each in point)

    def decode(self, raw: bytes) -> Point:
        """Read x and y, with or without 04 before them. Raises ``BadInput`` off the curve."""
        body = raw[1:] if len(raw) == 2 * self.size + 1 and raw[0] == 4 else raw
        x, y = body[: self.size], body[self.size :]
        point = int.from_bytes(x, "big"), int.from_bytes(y, "big")
        if len(body) != 2 * self.size or not self.has(point):
            raise BadInput(Control.BYTES, "This is no point of the curve.")
        return point


BRAINPOOL_P256R1 = Curve(*_BRAINPOOL_P256R1)
NIST_P256 = Curve(*_NIST_P256)
