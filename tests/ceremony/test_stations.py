"""A station is enrolled with a key of its own, which everyone compares; it is withdrawn by two."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kif.ceremony.hold import hold, resume
from kif.ceremony.rehearsal import RehearsalPeople
from kif.formats.control import Control
from kif.formats.error import Refused
from kif.oracle.audit import audit
from tests.ceremony.test_backup import kinds
from tests.ceremony.test_keeping import require_record
from tests.cli.kif import kif, operators
from tests.killing import killed_at, killings
from tests.site import TestSite, make_bare_site, make_site, shipped


def enrolled(site: TestSite, people: RehearsalPeople | None = None) -> list[str]:
    """Hold the plan; return what was said."""
    said: list[str] = []
    there = replace(people or site.people, listener=said.append)
    with site.oracle() as oracle:
        hold(oracle.ceremonies, shipped("enrol-station"), "site", there)
    return said


@dataclass(frozen=True)
class Mistaken(RehearsalPeople):
    """Names these stations before the right one, each with somebody's key."""

    before: list[tuple[str, str]] = field(default_factory=list)

    def station(self, number: int) -> tuple[str, str]:
        """Name the next wrong one."""
        if not self.before:
            return super().station(number)
        name, owner = self.before.pop(0)
        line = self.key(owner).with_suffix(".pub").read_text().strip() if owner else "no key"
        return name, line


@dataclass(frozen=True)
class Doubtful(RehearsalPeople):
    """Compares, and finds another fingerprint."""

    def agree(self, question: str) -> None:
        raise Refused(Control.CEREMONY, question)


@pytest.mark.control("KIF-ORA-11", "KIF-CER-06")
def test_a_station_is_enrolled_listed_and_withdrawn(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    home = site.home.path
    assert kif(home, "station", "list", "--json").json() == []
    said = enrolled(site)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", site.people.key("station-1")], capture_output=True, text=True
    )
    mark = shown.stdout.split()[1]
    assert f"The key of station-1: {mark}" in said
    (row,) = kif(home, "station", "list", "--json").json()
    assert row == {"name": "station-1", "stopped": "no", "fingerprint": mark}
    page = require_record(site, tmp_path / "report")
    assert f"station-1 was enrolled, with the key {mark}." in page
    done = kif(home, "station", "withdraw", "station-1", "--reason", "x", given=operators(site))
    assert (done.code, done.out) == (0, "station-1 is withdrawn.\n")
    assert kif(home, "station", "list", "--json").json() == []
    enrolled(site)  # it comes again
    audit(site.home)


@pytest.mark.control("KIF-ORA-11", "KIF-CER-06")
def test_a_name_or_a_key_that_is_known_is_told_and_asked_for_again(tmp_path: Path) -> None:
    site = make_site(tmp_path / "home")
    people = Mistaken(
        site.people.folder, site.people.sheets, site.people.listener, [("station-1", "")]
    )
    said = enrolled(site, people)
    assert "Once more, please." in "".join(said)
    assert kinds(site).count("step-missed") == 1
    known = [("station-1", "custodian-1"), ("station-9", "station-1")]
    said = enrolled(site, replace(people, before=known))
    told = [text for text in said if text.endswith("Once more, please.")]
    assert [text.split(".")[0] for text in told] == [
        "station-1 is there already; name another station",
        "This is the key of station-1",
    ]
    assert "station-3 is enrolled." in said
    with pytest.raises(Refused, match=r"This is the key of operator-1\."):
        enrolled(site, replace(people, before=[("s", "operator-1")] * 3))
    assert kinds(site).count("step-missed") == 1 + 2 + 3
    with site.oracle() as oracle:
        oracle.ceremonies.abort("It was a mistake.")
    audit(site.home)


@pytest.mark.control("KIF-ORA-11")
def test_a_key_that_is_not_the_stations_is_not_enrolled(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    people = Doubtful(site.people.folder, site.people.sheets, site.people.listener)
    with pytest.raises(Refused, match="show the same in the station itself"):
        enrolled(site, people)
    with site.oracle() as oracle:
        assert oracle.stations.all() == []
        oracle.ceremonies.abort("It was another key.")
    assert kinds(site).count("step-missed") == 3
    audit(site.home)


@pytest.mark.control("KIF-ORA-11", "KIF-CER-06")
@pytest.mark.parametrize(("place", "when"), killings(["oracle.stations:Stations.enrol"]))
def test_an_enrolment_that_is_killed_goes_on(tmp_path: Path, place: str, when: str) -> None:
    site = make_bare_site(tmp_path / "home")
    assert killed_at(site.home.path, "enrol-station", f"kif.{place}", when)
    with site.oracle() as oracle:
        resume(oracle.ceremonies, site.people)
        assert [each.name for each in oracle.stations.all()] == ["station-1"]
    require_record(site, tmp_path / "report")
    audit(site.home)
