"""The desk of keys that come from another party, and leave to one.

A key leaves in a block (X9.143) under the master key of its zone, or wrapped to a public key, and
comes in a block. What leaves is a file, which is not secret::

    HOME/exchange/bank-emv-ac-1.tr31     a block
    HOME/exchange/bank-emv-ac-1.oaep     wrapped by RSA-OAEP (SHA-1, RFC 8017)
    HOME/exchange/bank-emv-issuer-1.csr  a request for the scheme's certificate of a pair (PKCS#10)
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.issuercertificate import IssuerCertificate
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.offline import Certificate
from kif.formats.purpose import purpose_of
from kif.formats.tr31 import HEADER, Header, KeyBlock, Version
from kif.hsm.backup import leaving
from kif.hsm.cmac import CmacMaster
from kif.hsm.form import has_left, master_of
from kif.hsm.issuersigner import certificate_request
from kif.hsm.key import Algorithm, Cipher, Key, released
from kif.hsm.keyblock import CIPHERS, Opened, left_of_block, open_block, wrap_block
from kif.hsm.usage import Usage
from kif.hsm.wrap import wrap_oaep
from kif.ledger.events.ceremony import KeyGenerated
from kif.ledger.events.key import IssuerCertified, KeyExported, KeyImported, KeyWrapped
from kif.oracle.desk import Desk
from kif.oracle.home import put
from kif.oracle.masters import enter_master
from kif.oracle.pairs import generate_issuers

_LETTERS = {cipher: letter for letter, cipher in CIPHERS.items()}
_ANY = "N"
"""The mode of use of a key that is not restricted (X9.143, table 6)."""


@dataclass(frozen=True)
class Exchange:
    """What a ceremony asks for about keys of another party. ``folder`` is where they leave to."""

    desk: Desk
    folder: Path

    def export_block(self, key: KeyRef, zone: KeyRef) -> Path:
        """Write a key's block under the zone's master key; return where it is.

        Raises ``Refused`` (SEAL, KEY_BOUNDARY).
        """
        master, protection = self._master(key), self._protection(zone)
        version = Version.D if protection.key.algorithm.cipher is Cipher.AES else Version.B
        usage = purpose_of(key).block
        letter = _LETTERS[master.algorithm.cipher]
        header = Header(version, usage[:2], letter, usage[2], f"{key.version % 100:02}")
        with leaving(self.desk.keys.token, master) as out:
            block = wrap_block(self.desk.keys.token, protection, out, header)
        digest = hashlib.sha256(block.encode()).hexdigest()
        self.desk.record.write(lambda step: step.record(KeyExported(step.by, key, zone, digest)))
        return self._put(key, "tr31", block.encode())

    def export_wrapped(self, key: KeyRef, recipient: rsa.RSAPublicKey) -> Path:
        """Write a key wrapped to a public key; return where it is. Raises ``Refused`` (SEAL)."""
        with leaving(self.desk.keys.token, self._master(key)) as out:
            blob = wrap_oaep(self.desk.keys.token, recipient, out)
        digest, to = hashlib.sha256(blob).hexdigest(), fingerprint_of(recipient)
        self.desk.record.write(lambda step: step.record(KeyWrapped(step.by, key, to, digest)))
        return self._put(key, "oaep", blob)

    def generate_pair(self, key: KeyRef, algorithm: str, years: int | None) -> Kcv:
        """Generate an issuer's pair, and write the request for its certificate.

        Return its check value.
        """
        usage = purpose_of(key).usage
        signer, kcv = generate_issuers(self.desk.keys.token, key, algorithm)
        made = (key, usage, algorithm, str(kcv), None, signer.public.modulus.hex())
        enter_master(self.desk, key, years, lambda _, until: KeyGenerated(*made, until))
        self._put(key, "csr", certificate_request(signer, key.owner, str(key)).encode())
        return kcv

    def judge_certificate(self, key: KeyRef, certificate: IssuerCertificate) -> Certificate:
        """Verify a scheme's certificate of a key; return what it says. Raises ``BadInput``."""
        with self.desk.record.deciding() as state:
            return state.schemes.require(key, certificate, self.desk.record.clock())

    def take_certificate(self, key: KeyRef, certificate: IssuerCertificate) -> None:
        """Record a scheme's certificate of the key that the running ceremony is about."""
        self.desk.record.write(
            lambda step: step.record(IssuerCertified.of(step.by, key, certificate))
        )

    def import_block(
        self, key: KeyRef, algorithm: Algorithm, years: int | None, zone: KeyRef, block: str
    ) -> Kcv:
        """Take a key out of a block under the zone's master key; return its check value.

        Raises ``BadInput`` (KEY_BLOCK) for a block that is not of such a key, ``CheckFailed``
        (KEY_BLOCK) when its MAC is wrong, ``Refused`` (KEY_BOUNDARY).
        """
        token = self.desk.keys.token
        _require_suits(KeyBlock.parse(block).header, key, algorithm)
        opened = open_block(token, self._protection(zone), block, Usage.COMPONENT_PIECE)
        with ExitStack() as stack:
            stack.enter_context(released(opened.key))
            if opened.key.algorithm is not algorithm:
                raise _bad(f"its key is {opened.key.algorithm.value}, not {algorithm.value}")
            left = []
            if has_left(Usage(purpose_of(key).usage)):
                left.append(left_of_block(token, self._protection(zone), block))
                stack.enter_context(released(*left))
            return self._enter(key, years, zone, block, opened, *left)

    def _enter(
        self,
        key: KeyRef,
        years: int | None,
        zone: KeyRef,
        block: str,
        opened: Opened,
        left: Key | None = None,
    ) -> Kcv:
        """Make a master of what came in a block; return its check value."""
        usage, algorithm = purpose_of(key).usage, opened.key.algorithm
        with master_of(self.desk.keys.token, opened.key, Usage(usage), left) as drawn:
            kcv, derived = str(drawn.values.kcv), str(drawn.values.derived)
            digest = hashlib.sha256(block.encode()).hexdigest()
            made = (key, usage, algorithm.value, kcv, derived)
            block_told = (zone, block[:HEADER], opened.obfuscated, digest)
            enter_master(
                self.desk,
                key,
                years,
                lambda step, until: KeyImported(step.by, *made, until, *block_told),
            )
            drawn.form(str(key))
            return drawn.values.kcv

    def _master(self, key: KeyRef) -> Key:
        with self.desk.record.deciding() as state:
            return self.desk.keys.master(key, state.keys.require(key))

    def _protection(self, zone: KeyRef) -> CmacMaster:
        with self.desk.record.deciding() as state:
            return self.desk.keys.cmac_master(zone, state.keys.require(zone))

    def _put(self, key: KeyRef, ending: str, content: bytes) -> Path:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / f"{key.owner}-{key.purpose}-{key.version}.{ending}"
        put(path, content)
        return path


def fingerprint_of(recipient: rsa.RSAPublicKey) -> str:
    """Return the SHA-256 (hex) of a public key: of its SubjectPublicKeyInfo, DER."""
    raw = recipient.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(raw).hexdigest()


def _require_suits(header: Header, key: KeyRef, algorithm: Algorithm) -> None:
    """Require that a block says it is of a key like this one (BadInput, KEY_BLOCK)."""
    expected, letter = purpose_of(key).block, _LETTERS[algorithm.cipher]
    if header.usage != expected[:2] or header.mode not in (expected[2], _ANY):
        raise _bad(
            f"it is for usage {header.usage}, mode {header.mode}; a key for {key.purpose} has "
            f"{expected[:2]}, {expected[2]} or {_ANY}"
        )
    if header.algorithm != letter:
        raise _bad(f"its key is one of algorithm {header.algorithm}, not {letter}")


def _bad(why: str) -> BadInput:
    return BadInput(Control.KEY_BLOCK, f"This key block is not taken: {why}. No key was made.")
