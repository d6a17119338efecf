"""The genesis ceremony: a whole site or none."""

import os
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from kif.ceremony.genesis import hold_genesis
from kif.ceremony.people import Appointment
from kif.ceremony.rehearsal import RehearsalPeople
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import of_site
from kif.formats.secret import Secret
from kif.ledger.event import Boundary, Entry
from kif.ledger.events.ceremony import CeremonyAborted, CeremonyClosed
from kif.ledger.verify import verify_log
from kif.oracle.audit import audit
from kif.oracle.home import Home
from kif.oracle.keys import SITE_KEYS
from kif.store.engine import open_store
from kif.store.models import KeyRecord, Person, Site
from tests.killing import killed_at
from tests.site import TestSite, genesis_plan, make_bare_site, rehearsing_people


def entries(home: Home) -> list[Entry]:
    store = open_store(home.database)
    with store.reading() as tx:
        return [Entry.decode(leaf) for leaf in tx.ledger.leaves()]


def hold(folder: Path, people: RehearsalPeople, name: str = "kif-test-site") -> Home:
    home = Home(folder)
    with home.alone():
        hold_genesis(home, *genesis_plan(), name, people)
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after its genesis."""
    return make_bare_site(tmp_path_factory.mktemp("home")).home


def test_every_key_of_the_plan_is_in_the_inventory(home: Home) -> None:
    with open_store(home.database).reading() as tx:
        keys = {row.key: row for row in tx.session.scalars(select(KeyRecord))}
        people = {row.name: row.role for row in tx.session.scalars(select(Person))}
    assert keys.keys() == {str(of_site(name)) for name in SITE_KEYS}
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
@pytest.mark.parametrize("name", ["", "two words", "a+b", "x" * 33, "line\n", "9" * 16, "-a"])
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
        hold(tmp_path, Impostors(people.folder, people.sheets, people.listener))
    assert not Home(tmp_path).exists


@dataclass(frozen=True)
class Forger(RehearsalPeople):
    """Signs something else than was asked."""

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        return super().sign(person, namespace, statement + b" ")


def test_a_signature_over_another_plan_is_refused(tmp_path: Path) -> None:
    people = rehearsing_people(tmp_path)
    with pytest.raises(Refused, match="not over this statement"):
        hold(tmp_path, Forger(people.folder, people.sheets, people.listener))
    assert not Home(tmp_path).exists


@dataclass(frozen=True)
class Clumsy(RehearsalPeople):
    """Does everything wrong at first: a name twice, another statement, somebody's passphrase."""

    slips: set[str] = field(default_factory=set)

    def once(self, slip: str) -> bool:
        first = slip not in self.slips
        self.slips.add(slip)
        return first

    def appoint(self, role: str, number: int) -> Appointment:
        right = super().appoint(role, number)
        wrong = replace(right, name="Ops/1" if role == "operator" else "custodian-1")
        return wrong if number == 2 and self.once(role) else right

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        wrong = b" " if self.once(f"{person} signs") else b""
        return super().sign(person, namespace, statement + wrong)

    def passphrase(self, person: str, purpose: str) -> Secret:
        second = person.endswith("2") and self.once(f"{person} chooses for {purpose}")
        return super().passphrase(person.replace("2", "1") if second else person, purpose)


def test_a_slip_is_asked_again_in_every_step(tmp_path: Path) -> None:
    people, said = rehearsing_people(tmp_path), list[str]()
    hold(tmp_path, Clumsy(people.folder, people.sheets, said.append))
    again = [text for text in said if text.endswith("Once more, please.")]
    assert len(again) == 2 + 4 + 2
    assert sum("Somebody else has chosen this passphrase" in text for text in again) == 2
    audit(Home(tmp_path))


def test_the_plan_is_read_out_before_it_is_signed(tmp_path: Path) -> None:
    people, said = rehearsing_people(tmp_path), list[str]()
    hold(tmp_path, replace(people, listener=said.append))
    plan, digest = genesis_plan()
    (told,) = (text for text in said if text.startswith(f"The plan '{plan.ceremony}'"))
    assert digest in told
    assert all(" ".join(step.text.split()) in told for step in plan.steps)


def test_nothing_stays_of_a_ceremony_that_ended_but_its_record(tmp_path: Path) -> None:
    people, said = rehearsing_people(tmp_path), list[str]()
    with pytest.raises(Refused):
        hold(tmp_path, Forger(people.folder, people.sheets, said.append))
    assert {path.name for path in tmp_path.iterdir()} <= {"attempts", "lock", "people"}
    (record,) = (tmp_path / "attempts").iterdir()
    assert said[-1] == f"The ceremony has ended: there is no site. Its record is {record}."


PLACES = [
    "kif.ceremony.genesis:_appoint",
    "kif.ceremony.genesis:_approve",
    "kif.ceremony.genesis:make_token",
    "kif.ceremony.genesis:generate",
    "kif.ceremony.genesis:_certify",
    "kif.ceremony.genesis:_seal",
    "kif.ceremony.genesis:write_token_place",
    "kif.ceremony.genesis:make_store",
    "kif.ceremony.genesis:_write",
    "kif.hsm.memory:LogMemory.remember",
    "kif.ceremony.genesis:_close",
    "kif.ceremony.genesis:close_token",
    "kif.ceremony.genesis:sync_tree",
    "pathlib:Path.rename",
    "kif.ceremony.genesis:forget_attempts",
]
_STEPS = {place: step for step, place in enumerate(PLACES[:6], start=1)}
"""The step of the plan that a place belongs to, as far as each is one of its own."""


@pytest.mark.control("KIF-CER-05")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", PLACES)
def test_a_genesis_that_is_killed_anywhere_leaves_a_whole_site_or_none(
    tmp_path: Path, place: str, when: str
) -> None:
    folder = tmp_path / "home"
    # The test people's keys are renamed as well; they are made beforehand.
    people = rehearsing_people(folder)
    for role in ("custodian", "operator"):
        for number in (1, 2):
            people.appoint(role, number)
    assert killed_at(folder, "genesis", place, when)
    home = Home(folder)
    renamed = PLACES.index(place) > 13 or (place == "pathlib:Path.rename" and when == "after")
    assert home.exists == renamed
    if not renamed:
        assert len(list(home.attempts.glob("*.json"))) == 1
        make_bare_site(folder)
    assert not list(home.attempts.glob("*")) or renamed
    told = [each.event for each in entries(home) if isinstance(each.event, CeremonyAborted)]
    assert len(told) == (0 if renamed else 1)
    if place in _STEPS and told:
        assert told[0].step == _STEPS[place]
    audit(home)
    with TestSite(home, people).oracle():
        pass


@dataclass(frozen=True)
class Short(RehearsalPeople):
    """Chooses a passphrase that is too short."""

    def passphrase(self, person: str, purpose: str) -> Secret:
        return Secret(b"short")


@pytest.mark.control("KIF-CER-05")
def test_aborted_ceremonies_stand_in_the_log_of_the_next(tmp_path: Path) -> None:
    people = rehearsing_people(tmp_path)
    with pytest.raises(Refused):
        hold(tmp_path, Forger(people.folder, people.sheets, people.listener), "first-try")
    with pytest.raises(BadInput):
        hold(tmp_path, Short(people.folder, people.sheets, people.listener))
    home = hold(tmp_path, people)
    with open_store(home.database).reading() as tx:
        log = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
        told = [each.disclosed(*(tx.ledger.payload(each.index) or (b"", b""))) for each in log[:2]]
    first, second = (each.event for each in told)
    assert isinstance(first, CeremonyAborted)
    assert isinstance(second, CeremonyAborted)
    assert (first.site, first.step, len(first.people)) == ("first-try", 2, 4)
    assert "not over this statement" in (first.reason or "")
    assert (second.site, second.step) == ("kif-test-site", 6)
    assert "at least 12" in (second.reason or "")
    assert not list(home.attempts.iterdir())
    audit(home)


@pytest.mark.parametrize("content", ["", "{}", '{"site": "x"}'])
def test_the_record_of_an_attempt_that_can_not_be_read_stops_the_next(
    tmp_path: Path, content: str
) -> None:
    home = Home(tmp_path)
    home.attempts.mkdir()
    (home.attempts / "0001.json").write_text(content)
    with pytest.raises(Refused, match="record of an earlier attempt, but it can't be read"):
        hold(tmp_path, rehearsing_people(tmp_path))
    assert not home.exists


def test_everything_that_a_genesis_writes_is_on_the_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file and folder of the site was synced after its last change."""
    synced: dict[int, int] = {}
    real = os.fsync

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced[found.st_ino] = found.st_mtime_ns
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    home = make_bare_site(tmp_path / "home").home
    paths = [home.site, *home.site.rglob("*")]
    assert len(paths) > 20
    for path in paths:
        found = path.stat()
        assert synced.get(found.st_ino) == found.st_mtime_ns, path
    assert synced[home.path.stat().st_ino] <= home.path.stat().st_mtime_ns


def test_a_link_where_the_site_would_be_made_is_not_followed(tmp_path: Path) -> None:
    prey, home = tmp_path / "prey", tmp_path / "home"
    prey.mkdir()
    (prey / "precious").write_text("x")
    home.mkdir(mode=0o700)
    (home / "site.partial").symlink_to(prey)
    with pytest.raises(Refused, match="is a link"):
        hold(home, rehearsing_people(home))
    assert (prey / "precious").exists()
