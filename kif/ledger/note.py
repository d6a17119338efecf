"""Checkpoints as C2SP signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), Ed25519."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed
from kif.ledger.merkle import HASH

_ED25519 = b"\x01"
_KEY = 33
_DASH = "— "


class NoteSigner(Protocol):
    """Whatever signs: in production the HSM's Ed25519 key."""

    @property
    def name(self) -> str:
        """The key's name, which is also the log's origin."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return a 64-byte Ed25519 signature."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says: log, size, root (32 bytes); and the signed note itself."""

    origin: str
    size: int
    root: bytes
    note: str


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the key id: four bytes of SHA-256(name || 0A || 01 || key)."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def encode_verifier(name: str, public_key: bytes) -> str:
    """Return the verifier key in its text form, ``name+id+base64``."""
    encoded = base64.b64encode(_ED25519 + public_key).decode()
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


def sign_checkpoint(signer: NoteSigner, size: int, root: bytes) -> Checkpoint:
    """Make and sign the checkpoint of a tree."""
    body = f"{signer.name}\n{size}\n{base64.b64encode(root).decode()}\n"
    signature = key_id(signer.name, signer.public_key) + signer.sign(body.encode())
    encoded = base64.b64encode(signature).decode()
    return Checkpoint(signer.name, size, root, f"{body}\n{_DASH}{signer.name} {encoded}\n")


def verifier_key(verifier: str) -> bytes:
    """Return the 32 bytes of a verifier key. Raises ``BadInput`` (LEDGER_INTACT)."""
    try:
        return _decode_verifier(verifier)[1].public_bytes_raw()
    except (ValueError, binascii.Error):
        raise BadInput(
            Control.LEDGER_INTACT,
            "This is not a log's verifier key. It reads NAME+ID+KEY, as it was noted at the "
            "genesis.",
        ) from None


def names_key(note: str, verifier: str) -> bool:
    """Return whether a note says that this key signed it; whether it did is another matter."""
    try:
        blob = base64.b64decode(note.rstrip("\n").rsplit(" ", 1)[-1], validate=True)
        return blob[:4] == _decode_verifier(verifier)[2]
    except (ValueError, binascii.Error):
        return False


def open_checkpoint(note: str, verifier: str) -> Checkpoint:
    """Verify a signed checkpoint and read it. Raises ``CheckFailed`` (LEDGER_INTACT)."""
    try:
        return _open(note, *_decode_verifier(verifier))
    except (ValueError, binascii.Error, InvalidSignature):
        first = note.split("\n", 2)
        place = f"of size {first[1]}" if len(first) > 1 else "without a size"
        raise CheckFailed(
            Control.LEDGER_INTACT,
            f"The checkpoint {place} is not one that this log's key signed. Keep the database as "
            "it is, and compare it with a backup.",
        ) from None


def _open(note: str, name: str, public_key: Ed25519PublicKey, identifier: bytes) -> Checkpoint:
    body, gap, signatures = note.partition("\n\n")
    (line,) = signatures.removesuffix("\n").split("\n")
    signer, encoded = line.removeprefix(_DASH).rsplit(" ", 1)
    blob = base64.b64decode(encoded, validate=True)
    canonical = base64.b64encode(blob).decode() == encoded
    if not (gap and canonical and line.startswith(_DASH) and signer == name):
        raise ValueError(note)
    if not signatures.endswith("\n") or blob[:4] != identifier:
        raise ValueError(note)
    text = body + "\n"
    public_key.verify(blob[4:], text.encode())
    checkpoint = _read(text, note)
    if checkpoint.origin != name or len(checkpoint.root) != HASH:
        raise ValueError(note)
    return checkpoint


def _read(text: str, note: str) -> Checkpoint:
    origin, size, root, *_ = text.split("\n")
    return Checkpoint(origin, int(size), base64.b64decode(root, validate=True), note)


@lru_cache(maxsize=8)
def _decode_verifier(text: str) -> tuple[str, Ed25519PublicKey, bytes]:
    """Return the name, the key and the key id; decoded once, since every checkpoint needs it."""
    name, identifier, encoded = text.split("+", 2)
    blob = base64.b64decode(encoded, validate=True)
    if blob[:1] != _ED25519 or len(blob) != _KEY or key_id(name, blob[1:]).hex() != identifier:
        raise ValueError(text)
    return name, Ed25519PublicKey.from_public_bytes(blob[1:]), bytes.fromhex(identifier)
