"""Where a vector is tried: an open token, and test keys brought in as production brings keys in."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from kif.formats.secret import Secret
from kif.hsm.cmac import CmacMaster, CmacPair
from kif.hsm.component import Combination
from kif.hsm.crypt import encrypt_blocks
from kif.hsm.key import Algorithm, Cipher, Key, released
from kif.hsm.mac import MacKey
from kif.hsm.token import Token
from kif.hsm.usage import Usage

_PROBE = bytes(range(0x40, 0x60))
"""Two AES blocks, or four of TDEA: who encrypts them alike is the same key."""


@dataclass
class Stand:
    """One vector's keys; ``close`` destroys them all."""

    token: Token
    masters: set[bytes] = field(default_factory=set)
    """Fingerprints of the keys that came in."""
    _stack: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Destroy every key of this vector."""
        self._stack.close()

    def keep(self, *keys: Key) -> None:
        """Destroy these keys too when the vector is done."""
        self._stack.enter_context(released(*keys))

    def kept(self, key: Key) -> Key:
        """Return a key that is destroyed when the vector is done."""
        self.keep(key)
        return key

    def combination(self, value: bytes, cipher: Cipher) -> Combination:
        """Enter a key as two components, so that it is put together inside."""
        algorithm = Algorithm.of(cipher, len(value))
        combination = self._stack.enter_context(closing(Combination(self.token, algorithm)))
        mask = bytes((0x5A + n) % 256 for n in range(len(value)))
        combination.enter(Secret(bytes(a ^ b for a, b in zip(value, mask, strict=True))))
        combination.enter(Secret(mask))
        return combination

    def key(self, value: bytes, cipher: Cipher, usage: Usage) -> Key:
        """Bring a key in for a usage, and remember it as one that no derived key may equal."""
        combination = self.combination(value, cipher)
        self.masters.add(self.fingerprint(self.kept(combination.session_key(Usage.PUBLIC_BLOCK))))
        return self.kept(combination.session_key(usage))

    def pair(self, value: bytes, cipher: Cipher) -> CmacPair:
        """Bring a key in to derive by CMAC."""
        return CmacPair(
            self.key(value, cipher, Usage.CARD_DERIVATION),
            self.key(value, cipher, Usage.PUBLIC_BLOCK),
        )

    def master(self, value: bytes, cipher: Cipher) -> CmacMaster:
        """Bring a master in that may only DERIVE, with its ``L``."""
        pair = self.pair(value, cipher)
        return CmacMaster(pair.deriving, encrypt_blocks(pair.public, bytes(cipher.block)))

    def mac_key(self, value: bytes) -> MacKey:
        """Bring a 2TDEA key in for the retail MAC."""
        key = self.combination(value, Cipher.TDEA).mac_key()
        self.keep(key.whole, key.left)
        return key

    def fingerprint(self, key: Key) -> bytes:
        """Return what tells a key that may ENCRYPT from every other one of its cipher."""
        return encrypt_blocks(key, _PROBE)

    def expected(self, value: bytes, cipher: Cipher) -> bytes:
        """Return the fingerprint of a published key."""
        combination = self.combination(value, cipher)
        return self.fingerprint(self.kept(combination.session_key(Usage.PUBLIC_BLOCK)))
