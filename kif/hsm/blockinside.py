"""Key blocks of versions D and B inside the token, on one that concatenates, xors and extracts.

CMAC's last step by C_WrapKey: the payload ``length || key || padding`` is a token object, its last
block xored with the subkey; wrapped by CBC under the authentication key from the header's
chaining value, its last block is the MAC. The ciphertext is the payload wrapped from the MAC.
"""

from __future__ import annotations

import ctypes
import hmac
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error

from kif.formats import cmac, tr31
from kif.formats.tr31 import KeyBlock, Purpose
from kif.hsm.calls import Calls
from kif.hsm.cmac import CmacMaster, key_of_blocks
from kif.hsm.crypt import encrypt_blocks, encrypt_chain
from kif.hsm.derive import template_of
from kif.hsm.key import Algorithm, Cipher, Key, confirm, generate, released, template
from kif.hsm.library import failure
from kif.hsm.pieces import PIECE, Piece, key_of_pieces
from kif.hsm.structs import Packed, Prepared
from kif.hsm.token import Token
from kif.hsm.usage import RULES, Usage

_AFTER, _BEFORE, _XOR, _EXTRACT = map(
    int,
    (
        Mechanism.CONCATENATE_BASE_AND_DATA,
        Mechanism.CONCATENATE_DATA_AND_BASE,
        Mechanism.XOR_BASE_AND_DATA,
        Mechanism.EXTRACT_KEY_FROM_KEY,
    ),
)
_LENGTH = 2
NEEDED = frozenset((_AFTER, _BEFORE, _XOR, _EXTRACT))
"""What a token has to have."""


def is_possible(protection: CmacMaster) -> bool:
    """Return whether the protection key's token does it inside."""
    return protection.key.calls.offered >= NEEDED


def wrap_inside(
    token: Token, protection: CmacMaster, key: Key, text: str, padding: int
) -> tuple[bytes, bytes]:
    """Return ciphertext and MAC of a key, for a header that is ``text``."""
    length = (8 * key.algorithm.size).to_bytes(_LENGTH, "big")
    with ExitStack() as stack:
        keys = stack.enter_context(_derived(protection, Usage.KEY_BLOCK_WRAP))
        headed = _payload(stack, key, _BEFORE, length)
        payload = _payload(stack, headed, _AFTER, token.random(padding))
        size = _LENGTH + key.algorithm.size + padding
        mac = keys.mac(stack, text, payload, size)
        return _wrapped(keys.encryption, payload, mac), mac


def open_inside(
    protection: CmacMaster, parsed: KeyBlock, cipher: Cipher, usage: Usage
) -> tuple[Key, int] | None:
    """Return the key of a block and the bytes that pad it; None when its MAC is wrong.

    Its length is in the token too: it is the one with which the payload, put together again, gives
    the block's ciphertext.
    """
    size = len(parsed.ciphertext)
    with ExitStack() as stack:
        keys = stack.enter_context(_derived(protection, Usage.KEY_BLOCK_UNWRAP))
        payload = keys.unwrapped(stack, parsed.ciphertext, parsed.mac)
        if not hmac.compare_digest(keys.mac(stack, parsed.text, payload, size), parsed.mac):
            return None
        wrapping = block_key(protection, Purpose.ENCRYPTION, Usage.KEY_BLOCK_WRAP)
        stack.enter_context(released(wrapping))
        rest = _payload(stack, payload, _EXTRACT, _bit(_LENGTH), size - _LENGTH)
        for algorithm in (each for each in Algorithm if each.cipher is cipher):
            length = (8 * algorithm.size).to_bytes(_LENGTH, "big")
            again = _payload(stack, rest, _BEFORE, length)
            fits = algorithm.size <= size - _LENGTH
            if fits and _wrapped(wrapping, again, parsed.mac) == parsed.ciphertext:
                made = _made(payload, _EXTRACT, _bit(_LENGTH), template_of(algorithm, usage))
                key = Key(usage, algorithm, payload.calls, made)
                confirm(key.native, RULES[usage], usage.value)
                return key, size - _LENGTH - algorithm.size
    raise tr31.bad("the length of its key is not possible")


def left_inside(token: Token, protection: CmacMaster, parsed: KeyBlock) -> Key:
    """Return the left half, twice, of the 2TDEA key of a block that opened: put together inside."""
    combiner = generate(token, Usage.COMPONENT_COMBINER, Algorithm.AES_256)
    with ExitStack() as stack:
        stack.enter_context(released(combiner))
        keys = stack.enter_context(_derived(protection, Usage.KEY_BLOCK_UNWRAP))
        payload = keys.unwrapped(stack, parsed.ciphertext, parsed.mac)
        half = _payload(stack, payload, _EXTRACT, _bit(_LENGTH), PIECE)
        piece = Piece(_payload(stack, half, _BEFORE, bytes(PIECE)))
        twice = (piece, piece)
        return key_of_pieces(token, combiner, twice, Algorithm.TDES_2, Usage.COMPONENT_PIECE)


@dataclass(frozen=True)
class _BlockKeys:
    """What a protection key gives: one that wraps or unwraps, and one that MACs by wrapping."""

    encryption: Key
    authentication: Key

    def mac(self, stack: ExitStack, text: str, payload: Key, size: int) -> bytes:
        cipher = self.authentication.algorithm.cipher
        block = cipher.block
        zero = encrypt_blocks(self.authentication, bytes(block))
        masked = _payload(stack, payload, _XOR, bytes(size - block) + cmac.subkeys(zero)[0])
        chain = encrypt_chain(self.authentication, text.encode())[-block:]
        key = self.authentication
        try:
            return key.calls.wrap(key.handle, masked.handle, cipher.cbc, chain)[-block:]
        except PKCS11Error as exc:
            raise failure(exc, "computing a key block's MAC") from exc

    def unwrapped(self, stack: ExitStack, ciphertext: bytes, vector: bytes) -> Key:
        key = self.encryption
        how = Prepared(key.algorithm.cipher.cbc, vector)
        try:
            made = key.calls.unwrap(key.handle, ciphertext, how, _generic().attributes)
        except PKCS11Error as exc:
            raise failure(exc, "unwrapping a key block") from exc
        return _kept(stack, key.calls, made)


def block_key(protection: CmacMaster, purpose: Purpose, usage: Usage) -> Key:
    """Derive what a protection key gives for a purpose (X9.143, 5.3.2.2)."""
    algorithm = protection.key.algorithm
    messages = tr31.derivation_messages(purpose, algorithm.cipher.value, algorithm.size)
    return key_of_blocks(protection, messages, algorithm, usage)


@contextmanager
def _derived(protection: CmacMaster, usage: Usage) -> Iterator[_BlockKeys]:
    encryption = block_key(protection, Purpose.ENCRYPTION, usage)
    with released(encryption):
        authentication = block_key(protection, Purpose.AUTHENTICATION, Usage.KEY_BLOCK_MAC)
        with released(authentication):
            yield _BlockKeys(encryption, authentication)


def _wrapped(key: Key, payload: Key, vector: bytes) -> bytes:
    try:
        return key.calls.wrap(key.handle, payload.handle, key.algorithm.cipher.cbc, vector)
    except PKCS11Error as exc:
        raise failure(exc, "wrapping a key block") from exc


def _payload(
    stack: ExitStack, base: Key, mechanism: int, data: bytes, size: int | None = None
) -> Key:
    """Make a part or an extension of a payload; it lives as long as the stack."""
    return _kept(stack, base.calls, _made(base, mechanism, data, _generic(size)))


def _made(base: Key, mechanism: int, data: bytes, wanted: Packed) -> int:
    try:
        return base.calls.derive(base.handle, mechanism, data, wanted)
    except PKCS11Error as exc:
        raise failure(exc, "putting a key block together") from exc


def _kept(stack: ExitStack, calls: Calls, handle: int) -> Key:
    key = Key(Usage.KEY_BLOCK_PAYLOAD, Algorithm.AES_256, calls, handle)
    confirm(key.native, RULES[Usage.KEY_BLOCK_PAYLOAD], Usage.KEY_BLOCK_PAYLOAD.value)
    stack.enter_context(released(key))
    return key


def _generic(size: int | None = None) -> Packed:
    length = {} if size is None else {Attribute.VALUE_LEN: size}
    return Packed(
        {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.GENERIC_SECRET,
            **length,
            **template(Usage.KEY_BLOCK_PAYLOAD),
        }
    )


def _bit(byte: int) -> bytes:
    """Return the place of a byte in bits, as CK_EXTRACT_PARAMS has it on this machine."""
    return (8 * byte).to_bytes(_WORD, sys.byteorder)


_WORD = ctypes.sizeof(ctypes.c_ulong)
