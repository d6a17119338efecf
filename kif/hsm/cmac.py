"""CMAC as a key, inside the token: C_Sign would hand the derived key to the host.

``CMAC(K, M) = E_K(C xor M')`` (:mod:`kif.formats.cmac`). ``L`` and the chaining value ``C`` neither
are keys nor reveal one; the last encryption is C_DeriveKey, and the CMAC is the new key's value.
For AES and for TDEA: a block has 16 bytes or 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kif.formats import cmac, scp03
from kif.hsm.derive import derive
from kif.hsm.key import Algorithm, Key, all_or_none, encrypt_blocks, encrypt_chain
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
    zero = encrypt_blocks(pair.public, bytes(pair.public.algorithm.cipher.block))
    blocks = b"".join(_masked(pair, message, zero, least) for message in messages)
    return derive(pair.deriving, blocks, algorithm, usage)


def public_cmac(pair: CmacPair, message: bytes) -> bytes:
    """Return a CMAC that is no key: one block, for the host to see."""
    zero = encrypt_blocks(pair.public, bytes(pair.public.algorithm.cipher.block))
    return encrypt_blocks(pair.public, _masked(pair, message, zero, 0))


def _masked(pair: CmacPair, message: bytes, zero: bytes, least: int) -> bytes:
    head, last = cmac.split(message, zero, least)
    if not head:
        return last
    return cmac.xor(encrypt_chain(pair.public, head)[-len(zero) :], last)


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
    messages = {
        constant: scp03.derivation_messages(constant, context, algorithm.size * 8)
        for constant in wanted
    }
    flat = [message for each in messages.values() for message in each]
    heads = [message[: cmac.BLOCK] for message in flat]
    public = encrypt_blocks(pair.public, bytes(cmac.BLOCK) + b"".join(heads))
    zero = public[: cmac.BLOCK]
    chaining = {
        message: public[cmac.BLOCK * (n + 1) : cmac.BLOCK * (n + 2)]
        for n, message in enumerate(flat)
    }
    with all_or_none() as made:
        return {
            constant: made(_derive(pair, each, zero, chaining, wanted[constant]))
            for constant, each in messages.items()
        }


def _derive(
    pair: CmacPair, messages: list[bytes], zero: bytes, chaining: dict[bytes, bytes], usage: Usage
) -> Key:
    blocks = b""
    for message in messages:
        head, last = cmac.split(message, zero)
        chain = chaining[message]
        if len(head) > cmac.BLOCK:  # S16: a second block, which starts with the first one's chain
            chain = encrypt_blocks(pair.public, cmac.xor(chain, head[cmac.BLOCK :]))
        blocks += cmac.xor(chain, last)
    return derive(pair.deriving, blocks, pair.deriving.algorithm, usage)
