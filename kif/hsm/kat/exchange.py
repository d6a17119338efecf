"""TR-31: keys taken out of key blocks, and put into new ones that give them back."""

from __future__ import annotations

from kif.formats.tr31 import KeyBlock, Version
from kif.hsm.kat.outcome import Outputs
from kif.hsm.kat.stand import Stand
from kif.hsm.kat.vector import Vector
from kif.hsm.key import Cipher, Key
from kif.hsm.keyblock import open_block, wrap_block
from kif.hsm.usage import Usage
from kif.hsm.variantblock import open_variant_block


def key_block(stand: Stand, vector: Vector) -> Outputs:
    """Open a block; wrap the key again under the same protection key where that is allowed."""
    block, value = vector.text("key_block"), vector.hex("kbpk")
    header = KeyBlock.parse(block).header
    if header.version in (Version.A, Version.C):
        protection = stand.combination(value, Cipher.TDEA)
        key = open_variant_block(stand.token, protection, len(value), block, Usage.PUBLIC_BLOCK)
        return {"key": stand.kept(key)}
    cipher = Cipher.TDEA if header.version is Version.B else Cipher.AES
    master = stand.master(value, cipher)

    def opened(text: str, usage: Usage) -> Key:
        return stand.kept(open_block(stand.token, master, text, usage).key)

    first = opened(block, Usage.PUBLIC_BLOCK)
    if header.version is Version.E:
        return {"key": first}
    delivery = opened(block, Usage.KEY_BLOCK_PAYLOAD)
    again = wrap_block(stand.token, master, delivery, header)
    return {"key": (first, opened(again, Usage.PUBLIC_BLOCK))}
