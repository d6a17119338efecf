"""Key blocks of X9.143 (TR-31), versions D and B, under a protection key that may only DERIVE.

Version E (ISO 20038) is read and not written. Encryption and authentication key are derived inside
by CMAC. A block's MAC is over the *clear* key. A token that concatenates, xors and extracts does
it inside (:mod:`kif.hsm.blockinside`); on a plain one the key that is transported is clear
on the host for a moment (``tr31-on-host``), the protection key and what is derived from it never.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kif.formats import tr31
from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.emv import DES_BLOCK
from kif.formats.error import BadInput, CheckFailed
from kif.formats.secret import Secret
from kif.formats.tr31 import Header, KeyBlock, Purpose, Version
from kif.hsm.blockinside import block_key, is_possible, left_inside, open_inside, wrap_inside
from kif.hsm.boundary import host_boundary
from kif.hsm.clear import clear_value, imported
from kif.hsm.cmac import CmacMaster, public_cmac
from kif.hsm.crypt import decrypt_cbc, encrypt_blocks, encrypt_cbc, mac_of
from kif.hsm.key import Algorithm, Cipher, Key, released
from kif.hsm.token import Token
from kif.hsm.usage import Usage

ON_HOST = "tr31-on-host"
"""Why a transported key is clear on the host: the MAC of its block is over its clear value."""
CIPHERS = {"A": Cipher.AES, "T": Cipher.TDEA}
"""Letters of a header, and the ciphers that they are."""
_VERSIONS = {Version.D: Cipher.AES, Version.B: Cipher.TDEA, Version.E: Cipher.AES}


@dataclass(frozen=True)
class Opened:
    """A key that came in a block, what the block said of it, and whether its length was hidden."""

    key: Key
    header: Header
    obfuscated: bool


def wrap_block(token: Token, protection: CmacMaster, key: Key, header: Header) -> str:
    """Return a key as a block; its length is hidden by padding.

    ``key`` may be wrapped out. Raises ``BadInput`` (KEY_BLOCK) for a header that is not of this key
    or protection key, and ``Refused`` (KEY_BOUNDARY) unless ``tr31-on-host`` is permitted.
    """
    _require_header(protection, header)
    _require_suits(header, key.algorithm, protection.key.algorithm)
    block = header.version.block
    padding = tr31.padding_size(key.algorithm.size, _longest(key.algorithm), block)
    size = 2 + key.algorithm.size + padding
    text = header.encode(len(header.encode(0)) + 2 * (size + header.version.mac))
    if len(text) % block:
        raise tr31.bad("its optional blocks are not padded to whole blocks")
    if is_possible(protection):
        ciphertext, mac = wrap_inside(token, protection, key, text, padding)
        return text + (ciphertext + mac).hex().upper()
    with host_boundary(ON_HOST), _derived(protection, header.version) as keys:
        value = clear_value(token, key, ON_HOST).reveal()
        clear = tr31.payload(value, token.random(padding))
        mac = keys.mac(text.encode() + clear)
        return text + (keys.encrypt(clear, mac) + mac).hex().upper()


def open_block(token: Token, protection: CmacMaster, block: str, usage: Usage) -> Opened:
    """Take a key out of a block, as a session key of a usage.

    Raises ``BadInput`` (KEY_BLOCK) for what is no block or not for this protection key,
    ``CheckFailed`` (KEY_BLOCK) when its MAC is wrong, ``Refused`` (KEY_BOUNDARY) unless
    ``tr31-on-host`` is permitted. Whether the key suits the usage is the caller's to decide, by the
    header.
    """
    parsed = KeyBlock.parse(block)
    _require_header(protection, parsed.header)
    cipher = CIPHERS[parsed.header.algorithm]
    if parsed.header.version is not Version.E and is_possible(protection):
        found = open_inside(protection, parsed, cipher, usage)
    else:
        found = _opened_on_host(token, protection, parsed, usage)
    if found is None:
        raise wrong_mac()
    key, padding = found
    longest = _longest(key.algorithm)
    hiding = tr31.padding_size(key.algorithm.size, longest, parsed.header.version.block)
    return Opened(key, parsed.header, padding >= hiding)


def left_of_block(token: Token, protection: CmacMaster, block: str) -> Key:
    """Take the left half of a 2TDEA key, twice, out of a block that ``open_block`` opened."""
    parsed = KeyBlock.parse(block)
    if parsed.header.version is not Version.E and is_possible(protection):
        return left_inside(token, protection, parsed)
    with host_boundary(ON_HOST), _derived(protection, parsed.header.version) as keys:
        value, _ = tr31.key_of(keys.decrypt(parsed.ciphertext, parsed.mac))
        left = Secret(value[:DES_BLOCK] * 2)
        return imported(token, Usage.COMPONENT_PIECE, Algorithm.TDES_2, left)


def wrong_mac() -> CheckFailed:
    """Return the refusal of a block whose MAC is not right."""
    return CheckFailed(
        Control.KEY_BLOCK,
        "The key block's MAC is not right: it is of another protection key, or not as its sender "
        "made it. No key was taken. Compare the protection key's check value.",
    )


def _opened_on_host(
    token: Token, protection: CmacMaster, parsed: KeyBlock, usage: Usage
) -> tuple[Key, int] | None:
    """Return the key of a block and the bytes that pad it; None when its MAC is wrong."""
    with host_boundary(ON_HOST), _derived(protection, parsed.header.version) as keys:
        clear = keys.decrypt(parsed.ciphertext, parsed.mac)
        if not hmac.compare_digest(keys.mac(parsed.text.encode() + clear), parsed.mac):
            return None
        value, padding = tr31.key_of(clear)
        algorithm = Algorithm.of(CIPHERS[parsed.header.algorithm], len(value))
        return imported(token, usage, algorithm, Secret(value)), padding


def _longest(algorithm: Algorithm) -> int:
    """Return the bytes of the longest key of a cipher, as long as which every key looks."""
    return max(each.size for each in Algorithm if each.cipher is algorithm.cipher)


@dataclass(frozen=True)
class _BlockKeys:
    """The two keys that a protection key gives."""

    encryption: Key
    authentication: Key
    counter: bool
    """Whether the block is encrypted in counter mode, as version E is."""

    def mac(self, message: bytes) -> bytes:
        if self.authentication.algorithm.cipher is Cipher.TDEA:
            return public_cmac(self.authentication, message)
        return mac_of(self.authentication, message)

    def encrypt(self, clear: bytes, vector: bytes) -> bytes:
        return encrypt_cbc(self.encryption, clear, vector)

    def decrypt(self, ciphertext: bytes, vector: bytes) -> bytes:
        if self.counter:
            return xor(ciphertext, self._keystream(vector, len(ciphertext)))
        return decrypt_cbc(self.encryption, ciphertext, vector)

    def _keystream(self, counter: bytes, size: int) -> bytes:
        first = int.from_bytes(counter, "big")
        blocks = (((first + n) % (1 << 128)).to_bytes(16, "big") for n in range(-(-size // 16)))
        return encrypt_blocks(self.encryption, b"".join(blocks))[:size]


@contextmanager
def _derived(protection: CmacMaster, version: Version) -> Iterator[_BlockKeys]:
    """Derive the block's keys inside; they are destroyed when it is done with."""
    counter = version is Version.E
    tdea = protection.key.algorithm.cipher is Cipher.TDEA
    encrypting = Purpose.COUNTER_ENCRYPTION if counter else Purpose.ENCRYPTION
    encryption = block_key(protection, encrypting, Usage.KEY_BLOCK_ENCRYPTION)
    with released(encryption):
        usage = Usage.PUBLIC_BLOCK if tdea else Usage.KEY_BLOCK_AUTHENTICATION
        authentication = block_key(protection, Purpose.AUTHENTICATION, usage)
        with released(authentication):
            yield _BlockKeys(encryption, authentication, counter)


def _require_header(protection: CmacMaster, header: Header) -> None:
    needed = _VERSIONS.get(header.version)
    if needed is None:
        raise tr31.bad(f"version {header.version.letter} is not in use (D for AES, B for TDEA)")
    if protection.key.algorithm.cipher is not needed:
        raise tr31.bad(
            f"version {header.version.letter} is for a protection key of {needed.value}, and this "
            f"one is {protection.key.algorithm.value}"
        )
    if header.algorithm not in CIPHERS:
        raise tr31.bad(f"its key is of the algorithm '{header.algorithm}', not A (AES) or T (TDEA)")


def _require_suits(header: Header, algorithm: Algorithm, protection: Algorithm) -> None:
    """Require what is strict on export: a version to write, the right letter, no weaker cover."""
    wrong = ""
    if header.version is Version.E:
        wrong = "Version E is read and not written; use D."
    elif CIPHERS[header.algorithm] is not algorithm.cipher:
        wrong = f"The header says '{header.algorithm}' and the key is {algorithm.value}."
    elif algorithm.strength > protection.strength:
        wrong = f"A key of {algorithm.value} does not go under a weaker one of {protection.value}."
    if wrong:
        raise BadInput(Control.KEY_BLOCK, f"{wrong} Nothing was wrapped.")
