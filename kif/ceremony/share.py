"""A custodian's share in a file, under a passphrase; it says which share of which set it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag

from kif.ceremony.sealing import decrypt, encrypt, stretched
from kif.formats import canonical
from kif.formats.control import Control
from kif.formats.error import BadInput
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret

_FORMAT = "kif-share-1"


def write_share(path: Path, key: KeyRef, number: int, share: Secret, passphrase: Secret) -> None:
    """Write a share (32 bytes) into a new file. Raises ``BadInput`` (QUORUM) when there is one."""
    salt, named = os.urandom(16), {"format": _FORMAT, "key": str(key), "number": number}
    sealed = encrypt(stretched(passphrase, salt), share.reveal(), canonical.encode(named))
    content = json.dumps(named | {"salt": salt.hex(), "sealed": sealed.hex()}, indent=1) + "\n"
    try:
        with path.open("x") as file:
            path.chmod(0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise BadInput(
            Control.QUORUM,
            f"The share was not written to {path} ({exc.strerror}). Name a new file on a medium of "
            "your own.",
        ) from None


def read_share(path: Path, key: KeyRef, number: int, passphrase: Secret) -> Secret:
    """Read a share back. Raises ``BadInput`` (QUORUM) when it is not this one, or does not open."""
    try:
        fields = json.loads(path.read_text())
        named = {name: fields[name] for name in ("format", "key", "number")}
        salt, sealed = bytes.fromhex(fields["salt"]), bytes.fromhex(fields["sealed"])
    except OSError as exc:
        raise BadInput(Control.QUORUM, f"{path} can't be read: {exc.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(Control.QUORUM, f"{path} is no file of a share.") from None
    if (named["format"], named["key"], named["number"]) != (_FORMAT, str(key), number):
        raise BadInput(
            Control.QUORUM,
            f"{path} is share {named['number']} of {named['key']}; share {number} of {key} is "
            "needed.",
        )
    try:
        return Secret(decrypt(stretched(passphrase, salt), sealed, canonical.encode(named)))
    except InvalidTag:
        raise BadInput(
            Control.QUORUM, f"The passphrase does not open {path}, or the file was damaged."
        ) from None
