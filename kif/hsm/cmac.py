"""CMAC as a key, inside the token: C_Sign would hand the derived key to the host.

``CMAC(K, M) = E_K(C xor M')`` (:mod:`kif.formats.cmac`). ``L`` and the chaining value ``C`` neither
are keys nor reveal one; the last encryption is C_DeriveKey, and the CMAC is the new key's value.
For AES and for TDEA: a block has 16 bytes or 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kif.formats import cmac, scp03
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.derive import derive
from kif.hsm.key import Algorithm, Key, all_or_none
from kif.hsm.usage import Usage


@dataclass(frozen=True)
class CmacMaster:
    """A master that may only DERIVE, and its ``L = E_K(0)`` (one block, public)."""

    key: Key
    encrypted_zero: bytes


class CmacPair(NamedTuple):
    """One value as two session keys: one that derives, one that encrypts public blocks."""

    deriving: Key
    public: Key


def kdf3(master: CmacMaster, which: scp03.StaticKey, diversification: bytes, usage: Usage) -> Key:
    """Derive a card's static key by GlobalPlatform KDF3 from ten bytes of diversification data."""
    algorithm = master.key.algorithm
    messages = scp03.kdf3_messages(which, diversification, algorithm.size * 8)
    return key_of_blocks(master, messages, algorithm, usage)


def key_of_blocks(
    master: CmacMaster, messages: Sequence[bytes], algorithm: Algorithm, usage: Usage
) -> Key:
    """Derive a key from messages of at most one block each, so without any chaining value."""
    lasts = [cmac.split(message, master.encrypted_zero)[1] for message in messages]
    return derive(master.key, b"".join(lasts), algorithm, usage)


def key_of_messages(
    pair: CmacPair, messages: Sequence[bytes], algorithm: Algorithm, usage: Usage, least: int = 0
) -> Key:
    """Derive a key whose value is the CMACs of the messages, cut to the key's length.

    Messages may be of any length; those of fewer than ``least`` bytes are padded to so many
    (AN10922). SP 800-108 in counter mode is this over its messages
    (:func:`kif.formats.diversification.counter_kdf_messages`).
    """
    return derive(pair.deriving, _last_blocks(pair.public, messages, least), algorithm, usage)


def public_cmac(public: Key, message: bytes) -> bytes:
    """Return a CMAC that is no key, one block for the host to see, under a key that may ENCRYPT.

    It needs no mechanism for CMAC, which for TDEA not every token has.
    """
    return encrypt_blocks(public, _last_blocks(public, [message], 0))


def _last_blocks(public: Key, messages: Sequence[bytes], least: int) -> bytes:
    """Return the block that each message's CMAC encrypts, one after another.

    One encryption fetches ``L`` and the first chaining value of every message.
    """
    block = public.algorithm.cipher.block
    parts = [cmac.cut(message, block, least) for message in messages]
    firsts = b"".join(head[:block] for head, _, _ in parts)
    fetched = encrypt_blocks(public, bytes(block) + firsts)
    k1, k2 = cmac.subkeys(fetched[:block])
    found, at = b"", block
    for head, last, whole in parts:
        masked = cmac.xor(last, k1 if whole else k2)
        if head:
            chain = fetched[at : at + block]
            at += block
            for start in range(block, len(head), block):
                chain = encrypt_blocks(public, cmac.xor(chain, head[start : start + block]))
            masked = cmac.xor(masked, chain)
        found += masked
    return found


def kdf3_pair(master: CmacMaster, which: scp03.StaticKey, diversification: bytes) -> CmacPair:
    """Derive a static key that session keys will be derived from."""
    with all_or_none() as made:
        return CmacPair(
            made(kdf3(master, which, diversification, Usage.CARD_DERIVATION)),
            made(kdf3(master, which, diversification, Usage.PUBLIC_BLOCK)),
        )


def session_keys(
    pair: CmacPair, wanted: dict[scp03.Constant, Usage], context: bytes
) -> dict[scp03.Constant, Key]:
    """Derive SCP03 session keys (Amendment D, 6.2.1) of a static key from the context.

    The context has both challenges, 16 bytes in S8 mode and 32 in S16. One encryption fetches ``L``
    and, in S8, every chaining value; then one derivation for each key.
    """
    algorithm = pair.deriving.algorithm
    block, bits = cmac.BLOCK, 8 * algorithm.size
    heads = {constant: scp03.derivation_heads(constant, bits) for constant in wanted}
    flat = b"".join(b"".join(each) for each in heads.values())
    fetched = encrypt_blocks(pair.public, bytes(block) + flat)
    chains = fetched[block:]
    if len(context) > block:  # S16: a second block before the last
        first = context[:block] * (len(chains) // block)
        chains = encrypt_blocks(pair.public, cmac.xor(chains, first))
    last = cmac.xor(context[-block:], cmac.subkeys(fetched[:block])[0])
    lasts = cmac.xor(chains, last * (len(chains) // block))
    at = 0
    with all_or_none() as made:
        keys: dict[scp03.Constant, Key] = {}
        for constant, usage in wanted.items():
            end = at + block * len(heads[constant])
            keys[constant] = made(derive(pair.deriving, lasts[at:end], algorithm, usage))
            at = end
        return keys
