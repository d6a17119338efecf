"""A throw-away SoftHSM token for each test module, in a directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kif.formats.secret import Secret
from kif.hsm import library, softhsm
from kif.hsm.provision import provision
from kif.hsm.token import Token, TokenPlace

TEST_PIN = Secret(b"TEST-USER-PIN-0001")
TEST_SO_PIN = Secret(b"TEST-SO-PIN-0001")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> TokenPlace:
    """A token directory of the module's own, with one token in it."""
    directory: Path = tmp_path_factory.mktemp("token")
    softhsm.use_directory(directory)
    place = TokenPlace(library.softhsm_library(), "kif-test", directory)
    provision(place.library, place.label, TEST_SO_PIN, TEST_PIN)
    return place


@pytest.fixture(scope="module")
def token(place: TokenPlace) -> Iterator[Token]:
    """The open token."""
    with Token.open(place, TEST_PIN) as opened:
        yield opened
