"""The simple two-person seal: a PIN in XOR halves, each under its holder's passphrase.

A half alone says nothing of the PIN. Each is AES-256-GCM under a key that scrypt (RFC 7914) makes
from the passphrase; authenticated with it is *where the PIN goes*: the token's label, the PKCS#11
library and its digest. A PIN is not given to any other. The quorum of later ceremonies takes this
seal's place.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from kif.formats import canonical
from kif.formats.cmac import xor
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret
from kif.hsm.library import library_digest
from kif.hsm.token import TokenPlace

_COST = {"n": 2**15, "r": 8, "p": 1}
_BYTES = ("salt", "nonce", "sealed")
SHORTEST = 12
"""Characters that a passphrase has at least."""


@dataclass(frozen=True)
class Destination:
    """Where a PIN goes: nowhere else does it open."""

    label: str
    library: str
    library_digest: str
    """SHA-256 of the library's file, hex."""
    own_folder: bool
    """Whether the token is SoftHSM's, in the site's own folder."""

    @classmethod
    def of(cls, place: TokenPlace) -> Destination:
        """Return the destination that a token's place is now. Raises ``DeviceFailed``."""
        own = place.softhsm_directory is not None
        return cls(place.label, str(place.library), library_digest(place.library), own)


def new_pin() -> Secret:
    """Return a random PIN: 128 bits as 32 hex digits, which every token accepts."""
    return Secret(os.urandom(16).hex().encode())


def seal(
    folder: Path, purpose: str, secret: Secret, holders: Mapping[str, Secret], to: Destination
) -> list[str]:
    """Write one file for each holder (exactly two) with a sealed half of the secret.

    ``holders`` maps a person to his or her passphrase. Returns the files' SHA-256 (hex) in their
    order. Raises ``BadInput`` (SEAL) for a passphrase below 12 characters, or one for both.
    """
    return seal_beside(folder, purpose, purpose, secret, holders, to)


def seal_beside(
    folder: Path,
    place: str,
    purpose: str,
    secret: Secret,
    holders: Mapping[str, Secret],
    to: Destination,
) -> list[str]:
    """Do the same under another name than the purpose's, for ``put_in_place``."""
    first, second = holders
    mask = os.urandom(len(secret))
    halves = {first: mask, second: xor(secret.reveal(), mask)}
    require_passphrase(holders[first], [])
    require_passphrase(holders[second], [holders[first]])
    (folder / place).mkdir(mode=0o700, parents=True, exist_ok=True)
    for person, half in halves.items():
        sealed = _sealed(purpose, person, half, holders[person], to)
        _write(_file(folder, place, person), sealed)
    return [half_digest(folder, place, person) for person in holders]


def require_passphrase(chosen: Secret, others: Collection[Secret]) -> None:
    """Require that a passphrase is long enough and nobody else's. Raises ``BadInput`` (SEAL)."""
    if len(chosen) < SHORTEST:
        raise BadInput(
            Control.SEAL, f"A passphrase has at least {SHORTEST} characters; choose another."
        )
    if chosen.reveal() in [each.reveal() for each in others]:
        raise BadInput(
            Control.SEAL, "Somebody else has chosen this passphrase; each half has its own."
        )


def put_in_place(folder: Path, place: str, purpose: str) -> None:
    """Put halves that were sealed beside those of a purpose in their place, one by one."""
    for new in sorted((folder / place).glob("*.json")):
        new.replace(_file(folder, purpose, new.stem))
    (folder / place).rmdir()


def unseal(
    folder: Path, purpose: str, holders: Mapping[str, Secret], to: Destination | None
) -> Secret:
    """Open the halves of two different people for a destination. Raises ``Refused`` (SEAL).

    Without a destination it opens for whichever it was sealed for.
    """
    if len(holders) != 2:
        raise Refused(
            Control.SEAL,
            f"The seal opens with two different people; {len(holders)} came. Nothing was opened.",
        )
    first, second = (_opened(folder, purpose, *each, to) for each in holders.items())
    return Secret(xor(first, second))


def holders(folder: Path, purpose: str) -> list[str]:
    """Return the people who hold a half."""
    return sorted(path.stem for path in folder.glob(f"{purpose}/*.json"))


def half_digest(folder: Path, purpose: str, person: str) -> str:
    """Return SHA-256 (hex) of the file of a person's half; of nothing when there is none."""
    path = _file(folder, purpose, person)
    return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()


def _sealed(
    purpose: str, person: str, half: bytes, passphrase: Secret, to: Destination
) -> dict[str, Any]:
    salt, nonce = os.urandom(16), os.urandom(12)
    context = _context(purpose, person, to)
    cryptogram = AESGCM(_key(passphrase, salt)).encrypt(nonce, half, context)
    return {
        "person": person,
        "to": vars(to),
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "sealed": cryptogram.hex(),
    }


def _opened(
    folder: Path, purpose: str, person: str, passphrase: Secret, to: Destination | None
) -> bytes:
    if person not in holders(folder, purpose):
        raise Refused(
            Control.SEAL,
            f"{person} holds no half of this seal; {' and '.join(holders(folder, purpose))} do.",
        )
    fields = _read(_file(folder, purpose, person), person)
    salt, nonce, sealed = (bytes.fromhex(fields[name]) for name in _BYTES)
    sealed_for = Destination(**fields["to"])
    if to is not None:
        _compare(sealed_for, to)
    context = _context(purpose, person, sealed_for)
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, context)
    except InvalidTag:
        raise Refused(
            Control.SEAL, f"The passphrase of {person} does not open the seal. Try again."
        ) from None


def _compare(sealed_for: Destination, to: Destination) -> None:
    """Require that the PIN goes where it was sealed for."""
    if sealed_for == to:
        return
    if replace(sealed_for, library_digest=to.library_digest) == to:
        raise Refused(
            Control.SEAL,
            f"The file of the PKCS#11 library {to.library} is another one than the PIN was sealed "
            "for; an update does that. The PIN was not opened. If the update is right, both "
            "holders accept it: 'kif hsm accept-library'.",
        )
    raise Refused(
        Control.SEAL,
        f"hsm.yaml names {_named(to)}, but the PIN was sealed for {_named(sealed_for)}. The PIN "
        "was not opened. Put hsm.yaml right.",
    )


def _named(to: Destination) -> str:
    where = "in the site" if to.own_folder else "outside of the site"
    return f"the token '{to.label}' {where} and the library {to.library}"


def _read(path: Path, person: str) -> dict[str, Any]:
    """Read a sealed half and compare its check sum, which tells damage from a wrong passphrase."""
    try:
        return _fitting(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Refused(
            Control.SEAL,
            f"The sealed half of {person} is damaged or was changed: it does not fit its own check "
            f"sum. Nothing was opened. Restore {path} from a backup.",
        ) from None


def _fitting(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without their check sum. Raises when they don't fit it or their types."""
    if fields.pop("check") != _check_sum(fields):
        raise ValueError("check sum")
    [bytes.fromhex(fields[name]) for name in _BYTES]
    Destination(**fields["to"])
    return fields


def _write(path: Path, fields: dict[str, Any]) -> None:
    """Put a file in its place whole: another one, or none, stood there before."""
    whole = fields | {"check": _check_sum(fields)}
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        file.write(json.dumps(whole, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _check_sum(fields: dict[str, Any]) -> str:
    return hashlib.sha256(canonical.encode(fields)).hexdigest()


def _key(passphrase: Secret, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **_COST).derive(passphrase.reveal())


def _context(purpose: str, person: str, to: Destination) -> bytes:
    return f"kif seal/{purpose}/{person}/".encode() + canonical.encode(vars(to))


def _file(folder: Path, purpose: str, person: str) -> Path:
    return folder / purpose / f"{person}.json"
