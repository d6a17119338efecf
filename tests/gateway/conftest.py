"""TEST identities, made once for a test module."""

from pathlib import Path

import pytest

from kif.oracle.messages import IssuerView
from tests.gateway.sender import Identity, SoftwareOracle, make_identity


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the identities lie."""
    return tmp_path_factory.mktemp("identities")


@pytest.fixture(scope="module")
def bank(folder: Path) -> Identity:
    """The registered issuer."""
    return make_identity(folder, "bank")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Identity:
    """Somebody who is not registered, and not us."""
    return make_identity(folder, "stranger")


@pytest.fixture(scope="module")
def bureau(folder: Path) -> Identity:
    """The recipient."""
    return make_identity(folder, "bureau")


@pytest.fixture
def desk(bureau: Identity, bank: Identity) -> SoftwareOracle:
    """The gateway's desk, with one issuer registered."""
    return SoftwareOracle(bureau, [IssuerView("bank", bank.pem)])
