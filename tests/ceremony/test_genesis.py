"""The genesis ceremony: a whole site or none."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from kif.ceremony.genesis import abort_genesis, hold_genesis, resume_genesis, standing_genesis
from kif.ceremony.people import Appointment
from kif.ceremony.rehearsal import RehearsalPeople
from kif.formats.error import BadInput, Refused
from kif.formats.keyref import of_site
from kif.formats.purpose import GENESIS_KEYS
from kif.formats.secret import Secret
from kif.ledger.event import Boundary, Entry
from kif.ledger.events.ceremony import CeremonyClosed, CeremonyResumed, GenesisAborted, StepMissed
from kif.ledger.verify import verify_log
from kif.oracle.audit import audit
from kif.oracle.home import Home
from kif.store.engine import open_store
from kif.store.models import KeyRecord, Person, Site
from tests.killing import killed_at, killings
from tests.site import TestSite, found_site, rehearsing_people, shipped


def entries(home: Home) -> list[Entry]:
    store = open_store(home.database)
    with store.reading() as tx:
        return [Entry.decode(leaf) for leaf in tx.ledger.leaves()]


def hold(folder: Path, people: RehearsalPeople, name: str = "kif-test-site") -> Home:
    home = Home(folder)
    with home.alone():
        hold_genesis(home, shipped("genesis"), name, people)
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after its genesis."""
    return found_site(tmp_path_factory.mktemp("home")).home


def test_every_key_of_the_plan_is_in_the_inventory(home: Home) -> None:
    with open_store(home.database).reading() as tx:
        keys = {row.key: row for row in tx.session.scalars(select(KeyRecord))}
        people = {row.name: row.role for row in tx.session.scalars(select(Person))}
    assert keys.keys() == {str(of_site(name)) for name in GENESIS_KEYS}
    assert people == {
        "custodian-1": "custodian",
        "custodian-2": "custodian",
        "custodian-3": "custodian",
        "operator-1": "operator",
        "operator-2": "operator",
        "operator-3": "operator",
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
    assert len(again) == 2 + 6 + 2
    missed = [each.event for each in entries(Home(tmp_path)) if isinstance(each.event, StepMissed)]
    assert [each.step for each in missed] == [1, 1, *[2] * 6, 3, 3]
    assert sum("Somebody else has chosen this passphrase" in text for text in again) == 2
    audit(Home(tmp_path))


def test_the_plan_is_read_out_before_it_is_signed(tmp_path: Path) -> None:
    people, said = rehearsing_people(tmp_path), list[str]()
    hold(tmp_path, replace(people, listener=said.append))
    plan = shipped("genesis")
    (told,) = (text for text in said if text.startswith(f"The plan '{plan.ceremony}'"))
    assert plan.digest in told
    assert all(step.text in told for step in plan.steps)


def test_a_genesis_that_ended_stands_at_its_step_and_goes_on(tmp_path: Path) -> None:
    people, said = rehearsing_people(tmp_path), list[str]()
    with pytest.raises(Refused):
        hold(tmp_path, Forger(people.folder, people.sheets, said.append))
    home = Home(tmp_path)
    assert not home.exists
    assert "stands at step 2 (approve)" in said[-1]
    standing = standing_genesis(home)
    assert standing is not None
    assert (standing.site, standing.done, len(standing.people)) == ("kif-test-site", 1, 6)
    with pytest.raises(Refused, match="A genesis of kif-test-site stands at step 2"):
        hold(tmp_path, people)
    with home.alone():
        resume_genesis(home, people)
    assert standing_genesis(home) is None
    told = [each.event for each in entries(home)]
    assert [each.step for each in told if isinstance(each, StepMissed)] == [2, 2, 2]
    assert [each for each in told if isinstance(each, CeremonyResumed)] == [CeremonyResumed(2, ())]
    audit(home)


def test_nothing_stays_of_a_genesis_that_was_aborted_but_its_record(tmp_path: Path) -> None:
    people = rehearsing_people(tmp_path)
    with pytest.raises(Refused):
        hold(tmp_path, Forger(people.folder, people.sheets, people.listener))
    record = abort_genesis(Home(tmp_path), "Somebody left.")
    assert {path.name for path in tmp_path.iterdir()} <= {"attempts", "lock", "people"}
    assert list((tmp_path / "attempts").iterdir()) == [record]


PLACES = {
    "kif.ceremony.genesis:_appoint_one": 1,
    "kif.ceremony.genesis:PlanApproved": 2,
    "kif.ceremony.genesis:seal": 3,
    "kif.ceremony.making:provision": 4,
    "kif.ceremony.making:generate_master": 5,
    "kif.oracle.pairs:generate_log_signer": 5,
    "kif.oracle.pairs:generate_recipient": 5,
    "kif.oracle.pairs:ca_certificate": 6,
    "kif.ceremony.founding:write_token_place": 7,
    "kif.ceremony.founding:make_store": 7,
    "kif.ceremony.founding:_tell": 7,
    "kif.hsm.memory:LogMemory.remember": 7,
    "kif.ceremony.founding:_attest": 7,
    "kif.ceremony.founding:rows_of": 7,
    "kif.ceremony.draft:Draft._append": None,
    "kif.hsm.token:Token.close": 7,
    "kif.ceremony.genesis:sync_tree": None,
    "pathlib:Path.rename": None,
    "kif.ceremony.genesis:forget_attempts": None,
}
"""Where a genesis is killed, and the step at which it stands then, if at one."""


@pytest.mark.control("KIF-CER-05")
@pytest.mark.parametrize(("place", "when"), killings(PLACES))
def test_a_genesis_that_is_killed_anywhere_goes_on_at_its_step(
    tmp_path: Path, place: str, when: str
) -> None:
    folder = tmp_path / "home"
    # The test people's keys are renamed as well; they are made beforehand.
    people = rehearsing_people(folder)
    for role in ("custodian", "operator"):
        for number in (1, 2, 3):
            people.appoint(role, number)
    assert killed_at(folder, "genesis", place, when)
    home = Home(folder)
    renamed = place.endswith("forget_attempts") or (place, when) == ("pathlib:Path.rename", "after")
    assert home.exists == renamed
    standing = standing_genesis(home)
    if PLACES[place] is not None:
        assert standing is not None
        assert standing.done + 1 == PLACES[place]
    if not renamed:
        with home.alone():
            if standing is None:
                hold_genesis(home, shipped("genesis"), "kif-test-site", people)
            else:
                resume_genesis(home, people)
    kinds = [each.event.kind for each in entries(home)]
    assert kinds.count("ceremony-resumed") == (standing is not None)
    assert (kinds.count("token-made"), kinds.count("key-generated")) == (1, 4)
    audit(home)
    with TestSite(home, people).oracle():
        pass


@dataclass(frozen=True)
class Short(RehearsalPeople):
    """Chooses a passphrase that is too short."""

    def passphrase(self, person: str, purpose: str) -> Secret:
        return Secret(b"short")


@pytest.mark.control("KIF-CER-05")
def test_aborted_geneses_stand_in_the_log_of_the_next(tmp_path: Path) -> None:
    people, home = rehearsing_people(tmp_path), Home(tmp_path)
    with pytest.raises(Refused):
        hold(tmp_path, Forger(people.folder, people.sheets, people.listener), "first-try")
    abort_genesis(home, "A forger was in the room.")
    with pytest.raises(BadInput):
        hold(tmp_path, Short(people.folder, people.sheets, people.listener))
    abort_genesis(home, "No passphrase was long enough.")
    hold(tmp_path, people)
    with open_store(home.database).reading() as tx:
        log = [Entry.decode(leaf) for leaf in tx.ledger.leaves()]
        told = [each.disclosed(*(tx.ledger.payload(each.index) or (b"", b""))) for each in log[:2]]
    first, second = (each.event for each in told)
    assert isinstance(first, GenesisAborted)
    assert isinstance(second, GenesisAborted)
    assert (first.site, first.step, len(first.people)) == ("first-try", 2, 6)
    assert first.reason == "A forger was in the room."
    assert (second.site, second.step) == ("kif-test-site", 3)
    assert not list(home.attempts.iterdir())
    audit(home)


CHANGES: dict[str, Callable[[str], str]] = {
    "a person": lambda text: text.replace('"person":"custodian-1"', '"person":"operator-1"', 1),
    "a step": lambda text: text.replace('"step":1', '"step":3', 1),
    "no JSON": lambda text: "x" + text,
    "a kind": lambda text: text.replace("step-done", "step-gone", 1),
}


@pytest.mark.control("KIF-CER-05")
@pytest.mark.parametrize("case", CHANGES)
def test_a_draft_that_was_changed_stops_its_genesis(tmp_path: Path, case: str) -> None:
    people, home = rehearsing_people(tmp_path), Home(tmp_path)
    with pytest.raises(Refused):
        hold(tmp_path, Forger(people.folder, people.sheets, people.listener))
    text = home.draft.read_text()
    assert CHANGES[case](text) != text
    home.draft.write_text(CHANGES[case](text))
    with pytest.raises(Refused, match="interrupted, but it can't be read"):
        resume_genesis(home, people)
    home.draft.write_text(text + '{"event":{"st')  # a line that the power cut off is none
    with home.alone():
        resume_genesis(home, people)
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
    home = found_site(tmp_path / "home").home
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
