"""SCP02 session keys and 3DES static keys, derived inside the token (GPC Specification 2.3)."""

from enum import StrEnum

from kif.formats.diversification import emv_static_blocks, scp02_session_block, visa2_blocks
from kif.formats.scp03 import StaticKey
from kif.hsm.derive import derive_2tdea, derive_by_cbc
from kif.hsm.key import Key
from kif.hsm.usage import Usage


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
