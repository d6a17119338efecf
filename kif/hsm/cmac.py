"""AES-CMAC as a key, inside the token: C_Sign would hand the derived key to the host.

``CMAC(K, M) = E_K(C xor M')`` (:mod:`kif.formats.cmac`). ``L`` and the chaining value ``C`` neither
are keys nor reveal one; the last encryption is C_DeriveKey, and the CMAC is the new key's value.
"""

from dataclasses import dataclass
from typing import NamedTuple

from kif.formats import cmac, scp03
from kif.hsm.derive import derive_aes
from kif.hsm.key import Key, all_or_none, encrypt_blocks
from kif.hsm.usage import Usage


@dataclass(frozen=True)
class CmacMaster:
    """An AES master that may only DERIVE, and its ``L = E_K(0^128)`` (16 bytes, public)."""

    key: Key
    encrypted_zero: bytes


class CmacPair(NamedTuple):
    """One AES value as two session keys: one that derives, one that encrypts public blocks."""

    deriving: Key
    public: Key


def kdf3(master: CmacMaster, which: scp03.StaticKey, diversification: bytes, usage: Usage) -> Key:
    """Derive a card's static key by GlobalPlatform KDF3 from ten bytes of diversification data.

    Each PRF message is one block, so there is no chaining value to fetch.
    """
    algorithm = master.key.algorithm
    messages = scp03.kdf3_messages(which, diversification, algorithm.size * 8)
    blocks = b"".join(cmac.split(message, master.encrypted_zero)[1] for message in messages)
    return derive_aes(master.key, blocks, algorithm, usage)


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
    """Derive SCP03 session keys (Amendment D, 6.2.1) of a static key from the 16-byte context.

    One encryption fetches ``L`` and every chaining value; then one derivation for each key.
    """
    algorithm = pair.deriving.algorithm
    messages = {
        constant: scp03.derivation_messages(constant, context, algorithm.size * 8)
        for constant in wanted
    }
    flat = [message for each in messages.values() for message in each]
    heads = b"".join(message[: cmac.BLOCK] for message in flat)
    public = encrypt_blocks(pair.public, bytes(cmac.BLOCK) + heads)
    chaining = {
        message: public[cmac.BLOCK * (n + 1) : cmac.BLOCK * (n + 2)]
        for n, message in enumerate(flat)
    }
    zero = public[: cmac.BLOCK]
    with all_or_none() as made:
        return {
            constant: made(_derive(pair.deriving, each, zero, chaining, wanted[constant]))
            for constant, each in messages.items()
        }


def _derive(
    deriving: Key, messages: list[bytes], zero: bytes, chaining: dict[bytes, bytes], usage: Usage
) -> Key:
    blocks = b"".join(
        cmac.xor(chaining[message], cmac.split(message, zero)[1]) for message in messages
    )
    return derive_aes(deriving, blocks, deriving.algorithm, usage)
