"""MILENAGE (3GPP TS 35.206) with the subscriber's key in the token."""

from __future__ import annotations

from dataclasses import dataclass

from kif.formats.cmac import xor
from kif.formats.secret import Secret
from kif.hsm.boundary import host_boundary
from kif.hsm.component import Combination
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.key import Key, released
from kif.hsm.usage import Usage
from kif.hsm.wrap import wrap_cbc

_BLOCK = 16
OPC_ON_HOST = "milenage-opc"
"""Why OPc is clear on the host: f1 to f5* end with an xor of it."""


def fold_opc(subscriber: Key, operator: Combination) -> None:
    """Make OPc of OP inside: ``OPc = E_K(OP) xor OP`` (4.1 of TS 35.206).

    ``operator`` holds OP, entered by its custodians; afterwards it holds OPc. ``subscriber`` is K
    and may WRAP. E_K(OP) crosses the host, OP and OPc do not.
    """
    code = operator.session_key(Usage.COMPONENT_PIECE)
    with released(code):
        encrypted = wrap_cbc(subscriber, code, bytes(_BLOCK))
    operator.enter(Secret(encrypted))


@dataclass(frozen=True)
class Answers:
    """What f1 to f5* give; RES, CK, IK and the two AK are secrets of one authentication."""

    mac_a: bytes
    mac_s: bytes
    res: Secret
    ck: Secret
    ik: Secret
    ak: Secret
    ak_s: Secret


def answers(subscriber: Key, opc: Secret, rand: bytes, sqn: bytes, amf: bytes) -> Answers:
    """Compute f1, f1*, f2, f3, f4, f5 and f5*, as a test of a SIM does.

    ``subscriber`` is K and may ENCRYPT. Raises ``Refused`` (KEY_BOUNDARY) unless ``milenage-opc``
    is permitted.
    """
    with host_boundary(OPC_ON_HOST):
        mask = opc.reveal()
        temp = encrypt_blocks(subscriber, xor(rand, mask))
        first = xor(temp, _rotated(xor(2 * (sqn + amf), mask), 8, 0))
        others = [_rotated(xor(temp, mask), *each) for each in _ROTATIONS]
        cryptogram = encrypt_blocks(subscriber, first + b"".join(others))
        o1, o2, o3, o4, o5 = (
            xor(cryptogram[at : at + _BLOCK], mask) for at in range(0, 5 * _BLOCK, _BLOCK)
        )
    return Answers(
        o1[:8], o1[8:], Secret(o2[8:]), Secret(o3), Secret(o4), Secret(o2[:6]), Secret(o5[:6])
    )


def _rotated(data: bytes, rotation: int, constant: int) -> bytes:
    rotated = data[rotation:] + data[:rotation]
    return xor(rotated, constant.to_bytes(_BLOCK, "big"))


_ROTATIONS = ((0, 1), (4, 2), (8, 4), (12, 8))
"""r2 to r5 in bytes, and c2 to c5."""
