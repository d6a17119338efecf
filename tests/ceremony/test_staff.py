"""People come and go, a share drill, and a custodian replaced with a new quorum and a new seal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kif.ceremony.destination import Destination
from kif.ceremony.hold import hold, resume
from kif.ceremony.plan import load_plan
from kif.ceremony.rehearsal import RehearsalPeople
from kif.ceremony.seal import holders, unseal
from kif.cli.papers import read_ceremonies, write_report
from kif.compliance.ceremonies import Outcome
from kif.compliance.record import verify_record
from kif.formats.control import Control
from kif.formats.error import BadInput, CheckFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret
from kif.formats.state import KeyState
from kif.hsm.handover import Handover
from kif.ledger.approval import RELEASE
from kif.ledger.events.ceremony import Role
from kif.ledger.genesis import SO_PIN, USER_PIN
from kif.ledger.plan import Plan
from kif.oracle.audit import audit
from kif.oracle.local import LocalOracle, open_oracle
from tests.ceremony.test_backup import CUSTODIANS, KEK, back_up, kinds, opened, shares_of
from tests.ceremony.test_succession import verifier
from tests.killing import killed_at, killings
from tests.site import (
    OPERATORS,
    TestSite,
    make_bare_site,
    received_file,
    require_lives_told,
    shipped,
)

NEXT = replace(KEK, version=2)


def held(site: TestSite, name: str, people: RehearsalPeople | None = None) -> tuple[KeyRef, ...]:
    with opened(site) as oracle:
        return hold(oracle.ceremonies, shipped(name), "site", people or site.people)


def backed_up(folder: Path) -> TestSite:
    site = make_bare_site(folder)
    back_up(site)
    return site


def plan_with(folder: Path, name: str, old: str, new: str) -> Plan:
    text = Path(f"ceremonies/{name}.yaml").read_text()
    assert old in text
    path = folder / "changed.yaml"
    path.write_text(text.replace(old, new))
    return load_plan(path)


@pytest.mark.control("KIF-CER-06", "KIF-HSM-11")
def test_a_drill_reads_every_share_and_brings_no_key_back(tmp_path: Path) -> None:
    site, said = backed_up(tmp_path / "home"), list[str]()
    assert held(site, "share-drill", replace(site.people, listener=said.append)) == ()
    assert f"All 3 shares of {KEK} are readable and right." in said
    assert kinds(site).count("share-entered") == 2 + 3
    audit(site.home)


@dataclass(frozen=True)
class Broken(RehearsalPeople):
    """The medium of one custodian is gone."""

    broken: str = "custodian-2"

    def kept_share(self, person: str, key: KeyRef, number: int) -> Secret:
        if person == self.broken:
            raise BadInput(Control.QUORUM, "The medium can't be read.")
        return super().kept_share(person, key, number)


@pytest.mark.control("KIF-CER-06")
def test_a_share_that_is_lost_shows_in_a_drill(tmp_path: Path) -> None:
    site = backed_up(tmp_path / "home")
    people = Broken(site.people.folder, site.people.sheets, site.people.listener)
    with pytest.raises(BadInput, match="The medium can't be read"):
        held(site, "share-drill", people)
    assert kinds(site).count("step-missed") == 3
    with site.oracle() as oracle:
        with pytest.raises(Refused, match="share 2 of custodian-2 was not read"):
            oracle.ceremonies.done()
        oracle.ceremonies.abort("The share of custodian-2 is lost.")
    audit(site.home)


@pytest.mark.control("KIF-CER-07")
def test_a_drill_is_refused_without_all_holders_or_without_a_quorum(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    with pytest.raises(Refused, match="There is no active key site/backup-kek"):
        held(site, "share-drill")
    back_up(site)
    fewer = plan_with(tmp_path, "share-drill", "custodian: 3", "custodian: 2")
    with opened(site) as oracle, pytest.raises(Refused, match="A drill reads every share: cust"):
        hold(oracle.ceremonies, fewer, "site", site.people)


@pytest.mark.control("KIF-CER-05", "KIF-CER-06", "KIF-CER-07", "KIF-HSM-11")
def test_a_custodian_is_replaced_with_a_new_quorum_and_a_new_seal(tmp_path: Path) -> None:
    site = backed_up(tmp_path / "home")
    old = shares_of(site, (1,))[1]
    assert held(site, "replace-custodian") == (NEXT,)
    audit(site.home)
    stays, left, came = ("custodian-1", "custodian-2"), "custodian-3", "custodian-4"
    # The quorum: the old one is gone, and its shares are not those of the new one.
    assert sorted(path.name for path in site.home.backup.iterdir()) == [
        "masters-2.json",
        "quorum-2.json",
    ]
    with site.oracle() as oracle:
        views = {each.key: each.state for each in oracle.custody.inventory()}
        assert (views[KEK], views[NEXT]) == (KeyState.DESTROYED, KeyState.ACTIVE)
        assert oracle.ceremonies.quorums.holders(NEXT) == {1: stays[0], 2: stays[1], 3: came}
        assert oracle.ceremonies.of_role(Role.CUSTODIAN) == [*stays, came]
        keys, quorums = oracle.ceremonies.desk.keys, oracle.ceremonies.quorums
        expected = quorums._quorum(NEXT).check_values[0]
        with (
            Handover(keys.token, "kif-test-site", NEXT, 1, expected) as handover,
            pytest.raises(BadInput, match="This is not share 1"),
        ):
            handover.enter(old)
    # The seal: who came opens it, who left does not.
    assert holders(site.home.seal, SO_PIN) == ([*stays, came], 2)
    to = Destination.of(site.home.token_place())
    given = {name: site.people.passphrase(name, SO_PIN) for name in (stays[0], came)}
    assert unseal(site.home.seal, SO_PIN, given, to)
    given[left] = given.pop(came)
    with pytest.raises(Refused, match=f"{left} holds no part of this seal"):
        unseal(site.home.seal, SO_PIN, given, to)
    # A drill of the new quorum has the new custodian, and not the one who left.
    assert held(site, "share-drill") == ()
    require_lives_told(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06", "KIF-LOG-02")
def test_the_records_of_these_ceremonies_verify_by_themselves(tmp_path: Path) -> None:
    site = backed_up(tmp_path / "home")
    for name in ("share-drill", "replace-custodian", "appoint", "release", "share-drill"):
        held(site, name)
    read = read_ceremonies(site.home, verifier(site))
    assert len(read.ceremonies.told) == 7
    for number in range(1, 8):
        folder = tmp_path / str(number)
        paths = list(write_report(read, number, folder))
        assert folder / "report.pdf" in paths
        raw = (folder / "record.json").read_bytes()
        assert verify_record(raw, verifier(site)).outcome is Outcome.CLOSED


@pytest.mark.control("KIF-ORA-02", "KIF-ORA-03")
def test_whoever_is_released_opens_and_signs_nothing_any_more(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    held(site, "release")
    gone = ("operator-1", "operator-3")
    given = {name: site.people.passphrase(name, USER_PIN) for name in gone}
    pin = unseal(site.home.seal, USER_PIN, given, Destination.of(site.home.token_place()))
    with (
        pytest.raises(Refused, match="operator-3 was released; nothing is done in that name"),
        site.home.alone(),
        open_oracle(site.home, pin, gone),
    ):
        pass
    with pytest.raises(Refused, match="Every operator takes part in this ceremony"):
        held(site, "release")
    with site.oracle() as oracle:
        state = oracle.ceremonies.desk.record.tail.state
        with pytest.raises(Refused, match="1 holders of the user-pin are left, and 2 open it"):
            state.genesis.require_openable("operator-2")
        oracle.ceremonies.abort("Nobody else is there.")
    audit(site.home)


def sign_release(site: TestSite, oracle: LocalOracle, person: str) -> None:
    statement = b"{}"
    oracle.ceremonies.desk.record.tail.state.people.verify(
        person, RELEASE, statement.decode(), site.people.sign(person, RELEASE, statement)
    )


@pytest.mark.control("KIF-ORA-02")
def test_a_signature_of_somebody_released_does_not_count(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    with site.oracle() as oracle:
        sign_release(site, oracle, "operator-3")
    held(site, "release")
    with site.oracle() as oracle, pytest.raises(Refused, match="operator-3 is not appointed"):
        sign_release(site, oracle, "operator-3")


@pytest.mark.control("KIF-CER-07")
def test_who_comes_back_is_the_one_who_was_there(tmp_path: Path) -> None:
    """A person who is appointed again has held what he or she ever held."""
    site = backed_up(tmp_path / "home")
    held(site, "replace-custodian")
    with site.oracle() as oracle:
        state = oracle.ceremonies.desk.record.tail.state
        assert state.custody.holders[f"share 3 of {KEK}"] == ("custodian-3",)
        assert state.people.appointed["custodian-3"].released


@pytest.mark.control("KIF-CER-05")
def test_nobody_is_appointed_twice_under_another_name(tmp_path: Path) -> None:
    site, said = make_bare_site(tmp_path / "home"), list[str]()

    @dataclass(frozen=True)
    class Same(RehearsalPeople):
        names: list[str] = field(default_factory=lambda: ["operator-9", "operator-2", ""])

        def appoint(self, role: str, number: int):  # type: ignore[no-untyped-def]
            right = super().appoint(role, number)
            name = self.names.pop(0)
            if name == "operator-2":
                return replace(right, name=name)
            if name:
                line = self.key("operator-1").with_suffix(".pub").read_text().strip()
                return replace(right, name=name, public_key=line)
            return right

    people = Same(site.people.folder, site.people.sheets, said.append)
    held(site, "appoint", people)
    again = [text for text in said if text.endswith("Once more, please.")]
    assert "operator-9 and operator-1 are one person" in again[0]
    assert "operator-2 and operator-2 are one person" in again[1]
    assert kinds(site).count("step-missed") == 2
    audit(site.home)


PLACES = [
    "kif.oracle.staff:Staff.appoint",
    "kif.oracle.staff:Staff.release",
    "kif.ceremony.staffing:seal",
    "kif.oracle.staff:Staff.sealed",
    "kif.ceremony.staffing:exchange",
    "kif.ceremony.seal:_place",
    "kif.oracle.quorums:Quorums.retire",
    "kif.oracle.quorums:sync",
    "kif.oracle.ceremony:Ceremonies.close",
]


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize(("place", "when"), killings(PLACES))
def test_a_replacement_that_is_killed_anywhere_goes_on(
    tmp_path: Path, place: str, when: str
) -> None:
    site = backed_up(tmp_path / "home")
    assert killed_at(site.home.path, "replace-custodian", place, when)
    who = holders(site.home.seal, SO_PIN)[0]
    given = {name: site.people.passphrase(name, SO_PIN) for name in who[:2]}
    assert unseal(site.home.seal, SO_PIN, given, Destination.of(site.home.token_place()))
    with opened(site) as oracle:
        if oracle.ceremonies.standing() is not None:
            resume(oracle.ceremonies, site.people)
    told = kinds(site)
    assert told.count("person-released") == 1
    assert told.count("person-appointed") == 6 + 1
    assert told.count("quorum-retired") == 1
    audit(site.home)
    assert held(site, "share-drill") == ()


@pytest.mark.control("KIF-CER-04")
def test_a_changed_public_file_of_a_quorum_is_found_out(tmp_path: Path) -> None:
    site = backed_up(tmp_path / "home")
    path = site.home.backup / "quorum-1.json"
    path.write_text(path.read_text().replace('"threshold": 2', '"threshold": 1'))
    with pytest.raises(CheckFailed, match=r"backup/quorum-1.json is not the file on the record"):
        audit(site.home)
    with pytest.raises(CheckFailed, match="not the file that was made"):
        held(site, "share-drill")


def test_operators_custodians_and_a_batch_are_as_before(tmp_path: Path) -> None:
    """A site whose people changed goes on with its work."""
    from tests.site import make_site

    site = make_site(tmp_path / "home")
    held(site, "appoint")
    with site.oracle() as oracle:
        view = oracle.gateway.admit(received_file("AFTER", 1), again=True)
        assert view.count == 1
    assert OPERATORS == ("operator-1", "operator-2")
    assert CUSTODIANS == ("custodian-1", "custodian-2")
