"""The seal: a PIN that any M of its N holders open, each with a passphrase of his or her own.

Each holder has a random key of 256 bits, kept under a key that scrypt (RFC 7914) makes from the
passphrase. For each M of the holders the PIN is encrypted (AES-256-GCM) under a key that HKDF makes
of their M keys, bound to *where the PIN goes*: the token's label, the PKCS#11 library and its
digest. A PIN is not given to any other. M-1 holders lack 256 bits. The holders' keys are also kept
under a key made of the PIN itself, so that any M of them can seal it anew for all::

    FOLDER/PURPOSE/anna.json      anna's key, under her passphrase
    FOLDER/PURPOSE/quorum         who holds it, how many open it, where to, and the sealed PIN
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag

from kif.ceremony.destination import Destination, require_same
from kif.ceremony.sealing import KEY, decrypt, encrypt, expanded, stretched
from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput, Refused
from kif.formats.secret import Secret
from kif.oracle.home import put, sync, sync_tree

_BYTES = ("salt", "sealed")
SHORTEST = 12
"""Characters that a passphrase has at least."""


@dataclass(frozen=True)
class Seal:
    """What stands on the record of a seal: SHA-256 (hex) of its files."""

    files: Mapping[str, str]
    """By holder."""
    quorum: str


def new_pin() -> Secret:
    """Return a random PIN: 128 bits as 32 hex digits, which every token accepts."""
    return Secret(os.urandom(16).hex().encode())


def seal(
    folder: Path,
    purpose: str,
    pin: Secret,
    holders: Mapping[str, Secret],
    threshold: int,
    to: Destination,
) -> Seal:
    """Seal a PIN to its holders, of whom so many open it.

    A seal that stands there stays the one that counts until ``exchange``. ``holders`` maps a
    person to his or her passphrase. Raises ``BadInput`` (SEAL) for a passphrase
    below 12 characters, or one that two of them chose.
    """
    keys = {person: os.urandom(KEY) for person in holders}
    chosen: list[Secret] = []
    for passphrase in holders.values():
        require_passphrase(passphrase, chosen)
        chosen.append(passphrase)
    place = folder / purpose if not (folder / purpose).exists() else _beside(folder, purpose)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    for person, passphrase in holders.items():
        salt = os.urandom(16)
        sealed = encrypt(stretched(passphrase, salt), keys[person], _whose(purpose, person))
        fields = {"person": person, "salt": salt.hex(), "sealed": sealed.hex()}
        _write(place / f"{person}.json", fields)
    _write(place / "quorum", _quorum(purpose, pin, keys, threshold, to))
    sync_tree(place)
    files = {person: _digest(place / f"{person}.json") for person in holders}
    return Seal(files, _digest(place / "quorum"))


def exchange(folder: Path, purpose: str) -> None:
    """Have the seal that was made beside another one count from here on."""
    before = folder / f"{purpose}.before"
    shutil.rmtree(before, ignore_errors=True)
    (folder / purpose).rename(before)
    _place(folder, purpose)
    shutil.rmtree(before)
    sync(folder)


def _beside(folder: Path, purpose: str) -> Path:
    return folder / f"{purpose}.new"


def _place(folder: Path, purpose: str) -> Path:
    """Return where the seal is that counts; an exchange that was interrupted is completed."""
    place, new = folder / purpose, _beside(folder, purpose)
    if new.exists() and not place.exists():
        new.rename(place)
    return place


def seal_anew(folder: Path, purpose: str, pin: Secret, to: Destination) -> str:
    """Seal an opened PIN for another destination, beside the old seal; return the file's SHA-256.

    ``put_in_place`` makes it the one that counts. Nobody's passphrase is needed.
    """
    place = _place(folder, purpose)
    quorum = _read(place / "quorum")
    text = decrypt(_of_pin(pin), bytes.fromhex(quorum["keys"]), purpose.encode())
    keys = {person: bytes.fromhex(key) for person, key in json.loads(text).items()}
    _write(place / "quorum.new", _quorum(purpose, pin, keys, quorum["threshold"], to))
    return _digest(place / "quorum.new")


def put_in_place(folder: Path, purpose: str) -> None:
    """Have the seal that ``seal_anew`` made count from here on."""
    (folder / purpose / "quorum.new").replace(folder / purpose / "quorum")


def unseal(
    folder: Path, purpose: str, given: Mapping[str, Secret], to: Destination | None
) -> Secret:
    """Open a seal with holders' passphrases, for a destination. Raises ``Refused`` (SEAL).

    Without a destination it opens for whichever it was sealed for.
    """
    place = _place(folder, purpose)
    quorum = _read(place / "quorum")
    threshold, sealed_for = quorum["threshold"], Destination(**quorum["to"])
    if len(given) < threshold:
        raise Refused(
            Control.SEAL,
            f"The seal opens with {threshold} different people; {len(given)} came. Nothing was "
            "opened.",
        )
    for person in given:
        if person not in quorum["holders"]:
            raise Refused(
                Control.SEAL,
                f"{person} holds no part of this seal; {', '.join(quorum['holders'])} do.",
            )
    if to is not None:
        require_same(sealed_for, to)
    keys = {person: _own(place, purpose, person, given[person]) for person in given}
    subset = sorted(keys)[:threshold]
    try:
        blob = bytes.fromhex(quorum["sealed"]["/".join(subset)])
        context = _context(purpose, subset, sealed_for)
        return Secret(decrypt(_of_keys([keys[each] for each in subset]), blob, context))
    except (InvalidTag, KeyError):
        raise Refused(
            Control.SEAL,
            f"The seal in {place / 'quorum'} does not open, though the passphrases are right: it "
            "was made for another destination, or is of another day. Restore it from a backup.",
        ) from None


def holders(folder: Path, purpose: str) -> tuple[Sequence[str], int]:
    """Return the people who hold a seal, and how many open it. Raises ``Refused`` (SEAL)."""
    quorum = _read(_place(folder, purpose) / "quorum")
    return quorum["holders"], quorum["threshold"]


def require_passphrase(chosen: Secret, others: Collection[Secret]) -> None:
    """Require that a passphrase is long enough and nobody else's. Raises ``BadInput`` (SEAL)."""
    if len(chosen) < SHORTEST:
        raise BadInput(
            Control.SEAL, f"A passphrase has at least {SHORTEST} characters; choose another."
        )
    if chosen.reveal() in [each.reveal() for each in others]:
        raise BadInput(
            Control.SEAL, "Somebody else has chosen this passphrase; everyone has one of his own."
        )


def _quorum(
    purpose: str, pin: Secret, keys: Mapping[str, bytes], threshold: int, to: Destination
) -> dict[str, Any]:
    sealed = {}
    for subset in combinations(sorted(keys), threshold):
        key = _of_keys([keys[person] for person in subset])
        blob = encrypt(key, pin.reveal(), _context(purpose, subset, to))
        sealed["/".join(subset)] = blob.hex()
    table = json.dumps({person: key.hex() for person, key in keys.items()}).encode()
    return {
        "holders": sorted(keys),
        "keys": encrypt(_of_pin(pin), table, purpose.encode()).hex(),
        "sealed": sealed,
        "threshold": threshold,
        "to": vars(to),
    }


def _own(place: Path, purpose: str, person: str, passphrase: Secret) -> bytes:
    """Return a holder's key, from his or her file."""
    fields = _read(place / f"{person}.json")
    salt, sealed = (bytes.fromhex(fields[name]) for name in _BYTES)
    try:
        return decrypt(stretched(passphrase, salt), sealed, _whose(purpose, person))
    except InvalidTag:
        raise Refused(
            Control.SEAL, f"The passphrase of {person} does not open the seal. Try again."
        ) from None


def _read(path: Path) -> dict[str, Any]:
    """Read a file and compare its check sum, which tells damage from a wrong passphrase."""
    try:
        return _fitting(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Refused(
            Control.SEAL,
            f"{path} is damaged, was changed, or is of another version of kif: it does not "
            "fit its own check sum. Nothing was opened. Restore it from a backup.",
        ) from None


def _fitting(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without their check sum. Raises when they don't fit it or their types."""
    if fields.pop("check") != _check_sum(fields):
        raise ValueError("check sum")
    if "to" in fields:
        Destination(**fields["to"])
        bytes.fromhex(fields["keys"])
        [bytes.fromhex(blob) for blob in fields["sealed"].values()]
        if type(fields["threshold"]) is not int or not fields["holders"]:
            raise ValueError("a quorum")
    else:
        [bytes.fromhex(fields[name]) for name in _BYTES]
    return fields


def _write(path: Path, fields: dict[str, Any]) -> None:
    """Put a file in its place whole: another one, or none, stood there before."""
    whole = fields | {"check": _check_sum(fields)}
    put(path, (json.dumps(whole, indent=1) + "\n").encode())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check_sum(fields: dict[str, Any]) -> str:
    return hashlib.sha256(canonical.encode(fields)).hexdigest()


def _of_keys(keys: Sequence[bytes]) -> bytes:
    return expanded(b"".join(keys), b"kif seal: holders")


def _of_pin(pin: Secret) -> bytes:
    return expanded(pin.reveal(), b"kif seal: holders' keys")


def _whose(purpose: str, person: str) -> bytes:
    return f"kif seal/{purpose}/{person}".encode()


def _context(purpose: str, subset: Sequence[str], to: Destination) -> bytes:
    return canonical.encode({"holders": list(subset), "purpose": purpose, "to": vars(to)})
