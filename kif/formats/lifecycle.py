"""Life cycle states of a card, SET STATUS and GET STATUS (GPC 2.3.1, 5.1, 11.4 and 11.10)."""

from __future__ import annotations

from enum import IntEnum

from kif.formats.apdu import Command
from kif.formats.tlv import find

_ISSUER_DOMAIN = 0x80
_TLV = 0x02
_ANY = bytes.fromhex("4F00")


class CardState(IntEnum):
    """States of a card, as the issuer security domain has them (table 11-6)."""

    OP_READY = 0x01
    INITIALIZED = 0x07
    SECURED = 0x0F
    CARD_LOCKED = 0x7F
    TERMINATED = 0xFF


def set_status(state: CardState) -> Command:
    """Return SET STATUS of the card."""
    return Command(0x80, 0xF0, _ISSUER_DOMAIN, state)


def get_status(scope: int = _ISSUER_DOMAIN) -> Command:
    """Return GET STATUS of everything in a scope (table 11-33); of the card itself by default."""
    return Command(0x80, 0xF2, scope, _TLV, _ANY, 256)


def life_cycle(answer: bytes) -> int | None:
    """Return the state (tag 9F70) in an answer to GET STATUS of the card; None if there is none."""
    found = find(find(answer, 0xE3) or b"", 0x9F70) or b""
    return found[0] if found else None
