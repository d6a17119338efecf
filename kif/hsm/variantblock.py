"""Key blocks of TR-31 versions A and C, as older hosts still send them: read, never written.

Their keys are variants of the protection key, which is entered as components: a variant is a
component more. Their MAC is over the encrypted key, but the key is decrypted by C_Decrypt, so it is
clear on the host as that of any other block is on a plain token.
"""

from __future__ import annotations

import hmac

from kif.formats import tr31
from kif.formats.secret import Secret
from kif.formats.tr31 import KeyBlock, Version
from kif.hsm.boundary import host_boundary
from kif.hsm.clear import imported
from kif.hsm.component import Combination
from kif.hsm.crypt import decrypt_cbc, encrypt_chain
from kif.hsm.key import Algorithm, Key, released
from kif.hsm.keyblock import CIPHERS, ON_HOST, wrong_mac
from kif.hsm.token import Token
from kif.hsm.usage import Usage

_ENCRYPTION, _AUTHENTICATION = 0x45, 0x4D
"""What every byte of the protection key is xored with (TR-31:2018, 5.3.2.1)."""


def open_variant_block(
    token: Token, protection: Combination, size: int, block: str, usage: Usage
) -> Key:
    """Take a key out of a block of version A or C; ``protection`` (``size`` bytes) is used up.

    Raises as :func:`kif.hsm.keyblock.open_block` does.
    """
    parsed = KeyBlock.parse(block)
    if parsed.header.version not in (Version.A, Version.C):
        raise tr31.bad(f"version {parsed.header.version.letter} has no variants")
    if parsed.header.algorithm not in CIPHERS:
        raise tr31.bad(f"its key is of the algorithm '{parsed.header.algorithm}'")
    with host_boundary(ON_HOST):
        clear = _decrypted(protection, size, parsed)
        value, _ = tr31.key_of(clear)
        algorithm = Algorithm.of(CIPHERS[parsed.header.algorithm], len(value))
        return imported(token, usage, algorithm, Secret(value))


def _decrypted(protection: Combination, size: int, parsed: KeyBlock) -> bytes:
    protection.enter(Secret(bytes((_AUTHENTICATION,)) * size))
    authentication = protection.session_key(Usage.PUBLIC_BLOCK)
    with released(authentication):
        message = parsed.text.encode() + parsed.ciphertext
        mac = encrypt_chain(authentication, message)[-parsed.header.version.block :]
    if not hmac.compare_digest(mac[: len(parsed.mac)], parsed.mac):
        raise wrong_mac()
    protection.enter(Secret(bytes((_AUTHENTICATION ^ _ENCRYPTION,)) * size))
    encryption = protection.session_key(Usage.KEY_BLOCK_ENCRYPTION)
    with released(encryption):
        return decrypt_cbc(encryption, parsed.ciphertext, parsed.text[:8].encode())
