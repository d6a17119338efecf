"""A token that is made for one run and gone after it."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kif.formats.secret import Secret
from kif.hsm import softhsm
from kif.hsm.provision import provision
from kif.hsm.token import Token, TokenPlace

_LABEL = "kif known answers"


@contextmanager
def throwaway_token(library: Path) -> Iterator[Token]:
    """Make a token in a directory that is removed afterwards, and open it."""
    with tempfile.TemporaryDirectory(prefix="kif-kat-") as name:
        directory = Path(name)
        softhsm.use_directory(directory)
        place = TokenPlace(library, _LABEL, directory)
        user, officer = (Secret(secrets.token_hex(8).encode()) for _ in range(2))
        provision(library, _LABEL, officer, user)
        with Token.open(place, user) as token:
            yield token
