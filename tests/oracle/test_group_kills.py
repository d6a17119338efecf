"""A kill between any two steps of a group."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kif.formats.error import Refused
from kif.oracle.audit import audit
from kif.oracle.home import Home
from tests.killing import killed_at
from tests.site import TestSite, make_site, received_file

PLACES = [
    "kif.oracle.record:Record._catch_up",
    "kif.oracle.record:Record._attempt",
    "kif.oracle.record:Record._add",
    "kif.oracle.record:Record._sign",
    "sqlalchemy.engine.default:DefaultDialect.do_commit",
    "kif.ledger.tail:Tail.close_group",
    "kif.hsm.memory:LogMemory.remember",
]


@pytest.fixture(scope="module")
def closed_site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A site that no process has open."""
    return make_site(tmp_path_factory.mktemp("closed"))


@pytest.mark.control("KIF-LOG-01", "KIF-LOG-05")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_between_any_two_steps_of_a_group_leaves_all_of_it_or_nothing(
    closed_site: TestSite, tmp_path: Path, place: str, when: str
) -> None:
    shutil.copytree(closed_site.home.path, tmp_path / "home")
    copy = TestSite(Home(tmp_path / "home"), closed_site.people)
    assert killed_at(copy.home.path, "admit", place, when)
    with copy.oracle() as oracle:
        views = [view for view in oracle.supervision.batches() if view.reference == "KILLED"]
        assert len(views) == sum(view.count for view in views) / 2
        committed = PLACES.index(place) > 4 or (PLACES.index(place) == 4 and when == "after")
        assert bool(views) == committed
        if committed:
            with pytest.raises(Refused, match="was received before"):
                oracle.gateway.admit(received_file("KILLED", 2, 700), again=True)
        else:
            oracle.gateway.admit(received_file("KILLED", 2, 700), again=True)
    audit(copy.home)
