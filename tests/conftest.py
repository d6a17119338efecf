"""Fixtures that several rooms share: a site after its genesis, its oracle, and a machine."""

from collections.abc import Iterator

import pytest

from kif.oracle.local import LocalOracle
from tests.machine import machine as machine
from tests.site import TestSite, make_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A site after its genesis, of the test module's own."""
    return make_site(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def oracle(site: TestSite) -> Iterator[LocalOracle]:
    """The site's oracle, open."""
    with site.oracle() as opened:
        yield opened
