"""The genesis ceremony: a whole site or none."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from kif.ceremony.genesis import hold_genesis
from kif.ceremony.people import Appointment, Component
from kif.ceremony.plan import load_plan
from kif.ceremony.rehearsal import RehearsalPeople
from kif.formats.error import BadInput, Refused
from kif.ledger.event import Boundary, Entry
from kif.ledger.events.ceremony import CeremonyClosed, Deviation
from kif.ledger.verify import verify_log
from kif.oracle.home import Home
from kif.oracle.keys import CARD_MANAGER
from kif.store.engine import open_store
from kif.store.models import KeyRecord, Person, Site
from tests.site import PLAN, make_site, rehearsing_people

DEFAULT_TEST_KEY_KCV = "gp-aes-01:504A77"


def entries(home: Home) -> list[Entry]:
    store = open_store(home.database)
    with store.reading() as tx:
        return [Entry.decode(leaf) for leaf in tx.ledger.leaves()]


def hold(folder: Path, people: RehearsalPeople, name: str = "kif-test-site") -> Home:
    home = Home(folder)
    plan, digest = load_plan(PLAN)
    with home.alone():
        hold_genesis(home, plan, digest, name, people)
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after its genesis."""
    return make_site(tmp_path_factory.mktemp("home")).home


def test_every_key_of_the_plan_is_in_the_inventory(home: Home) -> None:
    with open_store(home.database).reading() as tx:
        keys = {row.key: row for row in tx.session.scalars(select(KeyRecord))}
        people = {row.name: row.role for row in tx.session.scalars(select(Person))}
    assert len(keys) == 8
    assert keys[f"site/{CARD_MANAGER}/1"].kcv == DEFAULT_TEST_KEY_KCV
    assert people == {
        "custodian-1": "custodian",
        "custodian-2": "custodian",
        "operator-1": "operator",
        "operator-2": "operator",
    }


@pytest.mark.control("KIF-HSM-04")
def test_every_event_says_that_no_key_left_the_hsm(home: Home) -> None:
    assert {entry.boundary for entry in entries(home)} == {Boundary.HSM}


def test_the_record_verifies_and_ends_with_the_closing(home: Home) -> None:
    store = open_store(home.database)
    with store.reading() as tx:
        verifier = tx.session.scalars(select(Site)).one().log_verifier
        report = verify_log(tx.ledger, verifier)
    assert report.size == len(entries(home))
    assert isinstance(entries(home)[-1].event, CeremonyClosed)


def test_the_certificate_chain_verifies_with_openssl(home: Home, tmp_path: Path) -> None:
    with open_store(home.database).reading() as tx:
        site = tx.session.scalars(select(Site)).one()
    (tmp_path / "ca.pem").write_text(site.ca_certificate)
    (tmp_path / "recipient.pem").write_text(site.recipient_certificate)
    subprocess.run(
        ["openssl", "verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "recipient.pem"],
        check=True,
    )


@pytest.mark.control("KIF-CER-05")
def test_a_site_has_one_genesis(home: Home) -> None:
    with pytest.raises(Refused, match="already"):
        hold(home.path, rehearsing_people(home.path))


@pytest.mark.control("KIF-CER-05")
@pytest.mark.parametrize("name", ["", "two words", "a+b", "x" * 33, "line\n"])
def test_a_name_that_neither_token_nor_log_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="1 to 32 letters"):
        hold(tmp_path, rehearsing_people(tmp_path), name)
    assert not Home(tmp_path).exists


@dataclass(frozen=True)
class Impostors(RehearsalPeople):
    """Two roles, one key."""

    def appoint(self, role: str, number: int) -> Appointment:
        first = super().appoint("custodian", 1)
        return replace(first, name=f"{role}-{number}", role=role)


@pytest.mark.control("KIF-CER-02")
def test_one_person_under_two_names_is_refused(tmp_path: Path) -> None:
    people = rehearsing_people(tmp_path)
    with pytest.raises(Refused, match="one person"):
        hold(tmp_path, Impostors(people.folder, people.components, people.listener))
    assert not Home(tmp_path).exists


@dataclass(frozen=True)
class Forger(RehearsalPeople):
    """Signs something else than was asked."""

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        return super().sign(person, namespace, statement + b" ")


def test_a_signature_over_another_plan_is_refused(tmp_path: Path) -> None:
    people = rehearsing_people(tmp_path)
    with pytest.raises(Refused, match="not over this statement"):
        hold(tmp_path, Forger(people.folder, people.components, people.listener))
    assert not Home(tmp_path).exists


@dataclass(frozen=True)
class Fumbler(RehearsalPeople):
    """Misreads the sheet a number of times."""

    misses: list[int] = field(default_factory=list)

    def component(self, person: str, key: str, number: int) -> Component:
        right = super().component(person, key, number)
        if self.misses:
            self.misses.pop()
            return replace(right, check_value="000000")
        return right


@pytest.mark.control("KIF-CER-03")
def test_a_misread_component_is_told_counted_and_tried_again(tmp_path: Path) -> None:
    people = rehearsing_people(tmp_path)
    said: list[str] = []
    home = hold(tmp_path, Fumbler(people.folder, people.components, said.append, misses=[1, 2]))
    assert [type(entry.event) for entry in entries(home)].count(Deviation) == 2
    assert sum("its sheet says another" in each for each in said) == 2
    secrets = [each.value.reveal().hex().upper() for each in people.components[CARD_MANAGER]]
    assert not [text for text in said for secret in secrets if secret in text.upper()]


@pytest.mark.control("KIF-CER-03")
def test_three_misses_end_the_ceremony_and_leave_nothing(tmp_path: Path) -> None:
    people = rehearsing_people(tmp_path)
    with pytest.raises(BadInput, match="read it from the sheet again"):
        hold(tmp_path, Fumbler(people.folder, people.components, people.listener, [1, 2, 3]))
    assert not Home(tmp_path).exists


KILLED = """
import sys
from pathlib import Path
from tests.site import make_site
make_site(Path(sys.argv[1]))
"""


@pytest.mark.control("KIF-CER-05")
@pytest.mark.parametrize("seconds", [0.5, 0.7, 0.9, 1.1])
def test_a_ceremony_that_is_killed_leaves_a_whole_site_or_none(
    tmp_path: Path, seconds: float
) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    home = Home(tmp_path)
    if not home.exists:
        home = make_site(tmp_path).home
    assert isinstance(entries(home)[-1].event, CeremonyClosed)
    assert not (tmp_path / "site.partial").exists()
