"""NXP AN10922: symmetric key diversification, the new key inside the token."""

from __future__ import annotations

from contextlib import closing

from kif.formats.diversification import an10922_192, an10922_messages
from kif.formats.secret import Secret
from kif.hsm.clear import clear_value
from kif.hsm.cmac import CmacPair, key_of_messages
from kif.hsm.component import Combination
from kif.hsm.key import Algorithm, Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage

AES_192_ON_HOST = "an10922-aes-192"
"""Why an AES-192 key is clear on the host: it has eight bytes that are the xor of two secrets."""


def diversified(token: Token, master: CmacPair, diversifier: bytes, usage: Usage) -> Key:
    """Derive a key of the master's own algorithm from 1 to 31 bytes (TDEA: 15) of a card's data.

    AES-192 raises ``Refused`` (KEY_BOUNDARY) unless ``an10922-aes-192`` is permitted. 2TDEA and
    3TDEA keys come without a key version in their parity bits.
    """
    algorithm = master.deriving.algorithm
    messages = an10922_messages(algorithm.cipher.value, algorithm.size, diversifier)
    least = 2 * algorithm.cipher.block
    if algorithm is not Algorithm.AES_192:
        return key_of_messages(master, messages, algorithm, usage, least)
    parts = []
    for message in messages:
        half = key_of_messages(master, [message], Algorithm.AES_128, Usage.CARD_DELIVERY, least)
        with released(half):
            parts.append(clear_value(token, half, AES_192_ON_HOST).reveal())
    with closing(Combination(token, algorithm)) as combination:
        combination.enter(Secret(an10922_192(*parts)))
        return combination.session_key(usage)
