"""The simple two-person seal: a PIN in XOR halves, each under its holder's passphrase.

A half alone says nothing of the PIN. Each is AES-256-GCM under a key that scrypt (RFC 7914) makes
from the passphrase. The quorum of later ceremonies takes this seal's place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret

_COST = {"n": 2**15, "r": 8, "p": 1}
SHORTEST = 12
"""Characters that a passphrase has at least."""


def new_pin() -> Secret:
    """Return a random PIN: 128 bits as 32 hex digits, which every token accepts."""
    return Secret(os.urandom(16).hex().encode())


def seal(folder: Path, purpose: str, secret: Secret, holders: Mapping[str, Secret]) -> None:
    """Write one file for each holder (exactly two) with a sealed half of the secret.

    ``holders`` maps a person to his or her passphrase. Raises ``BadInput`` (SEAL) for a passphrase
    below 12 characters.
    """
    first, second = holders
    mask = os.urandom(len(secret))
    halves = {first: mask, second: xor(secret.reveal(), mask)}
    folder.mkdir(mode=0o700, exist_ok=True)
    for person, half in halves.items():
        if len(holders[person]) < SHORTEST:
            raise BadInput(
                Control.SEAL, f"A passphrase has at least {SHORTEST} characters; choose another."
            )
        sealed = _sealed(purpose, person, half, holders[person])
        _file(folder, purpose, person).write_text(json.dumps(sealed, indent=1) + "\n")


def unseal(folder: Path, purpose: str, holders: Mapping[str, Secret]) -> Secret:
    """Open the halves of two different people. Raises ``Refused`` (SEAL)."""
    if len(holders) != 2:
        raise Refused(
            Control.SEAL,
            f"The seal opens with two different people; {len(holders)} came. Nothing was opened.",
        )
    first, second = (_opened(folder, purpose, *each) for each in holders.items())
    return Secret(xor(first, second))


def holders(folder: Path, purpose: str) -> list[str]:
    """Return the people who hold a half."""
    return sorted(path.stem for path in folder.glob(f"{purpose}/*.json"))


def _sealed(purpose: str, person: str, half: bytes, passphrase: Secret) -> dict[str, str]:
    salt, nonce = os.urandom(16), os.urandom(12)
    cryptogram = AESGCM(_key(passphrase, salt)).encrypt(nonce, half, _context(purpose, person))
    return {
        "person": person,
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "sealed": cryptogram.hex(),
    }


def _opened(folder: Path, purpose: str, person: str, passphrase: Secret) -> bytes:
    path = _file(folder, purpose, person)
    if person not in holders(folder, purpose):
        raise Refused(
            Control.SEAL,
            f"{person} holds no half of this seal; {' and '.join(holders(folder, purpose))} do.",
        )
    try:
        fields: dict[str, str] = json.loads(path.read_text())
        salt, nonce, sealed = (bytes.fromhex(fields[name]) for name in ("salt", "nonce", "sealed"))
    except (ValueError, KeyError, TypeError):
        raise Refused(
            Control.SEAL, f"The sealed half of {person} is damaged. Restore {path} from a backup."
        ) from None
    key = _key(passphrase, salt)
    try:
        return AESGCM(key).decrypt(nonce, sealed, _context(purpose, person))
    except InvalidTag:
        raise Refused(
            Control.SEAL, f"The passphrase of {person} does not open the seal. Try again."
        ) from None


def _key(passphrase: Secret, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **_COST).derive(passphrase.reveal())


def _context(purpose: str, person: str) -> bytes:
    return f"kif seal/{purpose}/{person}".encode()


def _file(folder: Path, purpose: str, person: str) -> Path:
    (folder / purpose).mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / purpose / f"{person}.json"
