"""A token that is made for one run and gone after it."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kif.formats.secret import Secret
from kif.hsm import kryoptic, softhsm, softokn
from kif.hsm.provision import provision, set_user_pin
from kif.hsm.token import Token, TokenPlace

_LABEL = "kif known answers"


def is_software(library: Path) -> bool:
    """Return whether a library is a software token's, which can be made and thrown away."""
    known = (softokn.is_softokn, kryoptic.is_kryoptic)
    return "softhsm" in library.name or any(each(library) for each in known)


@contextmanager
def throwaway_token(library: Path) -> Iterator[Token]:
    """Make a token in a directory that is removed afterwards, and open it."""
    user, officer = (Secret(secrets.token_hex(8).encode()) for _ in range(2))
    with started(library):
        if softokn.is_softokn(library):
            set_user_pin(library, softokn.LABEL, Secret(b""), user)
            place = TokenPlace(library, softokn.LABEL)
        else:
            provision(library, _LABEL, officer, user)
            place = TokenPlace(library, _LABEL)
        with Token.open(place, user) as token:
            yield token


@contextmanager
def started(library: Path) -> Iterator[Path]:
    """Point a software token's library at a directory of its own, which is removed afterwards.

    What such a library can do is asked of it without touching a site's token.
    """
    with tempfile.TemporaryDirectory(prefix="kif-token-") as name:
        directory = Path(name)
        if softokn.is_softokn(library):
            softokn.use_directory(library, directory)
        elif kryoptic.is_kryoptic(library):
            kryoptic.use_directory(directory)
        else:
            softhsm.use_directory(directory)
        yield directory
