"""The log goes on under another key; whoever holds its first one follows from signatures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import select

from kif.ceremony.hold import hold, resume
from kif.ceremony.rehearsal import RehearsalPeople
from kif.cli.papers import read_ceremonies, write_report
from kif.compliance.ceremonies import Outcome
from kif.compliance.record import verify_record
from kif.formats import canonical
from kif.formats.error import BadInput, CheckFailed, KifError
from kif.formats.keyref import KeyRef, of_site
from kif.formats.state import KeyState
from kif.ledger.event import Entry
from kif.ledger.note import encode_verifier, names_key, open_checkpoint
from kif.ledger.verify import LogReport
from kif.oracle.audit import audit
from kif.store.engine import open_store
from kif.store.models import Site
from tests.killing import killed_at, killings
from tests.site import TestSite, make_bare_site, require_lives_told, shipped

SECOND = KeyRef("site", "log-signer", 2)


def roll(site: TestSite, people: RehearsalPeople | None = None) -> None:
    with site.oracle() as oracle:
        hold(oracle.ceremonies, shipped("roll-log-signer"), "site", people or site.people)


def notes(site: TestSite) -> dict[int, str]:
    with open_store(site.home.database).reading() as tx:
        return dict(tx.ledger.checkpoints())


def verifier(site: TestSite) -> str:
    with open_store(site.home.database).reading() as tx:
        return tx.session.scalars(select(Site)).one().log_verifier


def states(site: TestSite) -> dict[str, KeyState]:
    with site.oracle() as oracle:
        return {str(each.key): each.state for each in oracle.custody.inventory()}


def index_of(site: TestSite, kind: str) -> list[int]:
    with open_store(site.home.database).reading() as tx:
        entries = map(Entry.decode, tx.ledger.leaves())
        return [entry.index for entry in entries if entry.event.kind == kind]


@pytest.mark.control("KIF-LOG-02", "KIF-CER-06")
def test_the_log_is_followed_from_its_first_key_to_the_newest(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    first = verifier(site)
    roll(site)
    roll(site)
    report: LogReport = audit(site.home, first)
    assert report.verifier == first == verifier(site)
    assert report.signed_by != first
    known = states(site)
    assert [known[f"site/log-signer/{version}"] for version in (1, 2, 3)] == [
        KeyState.DESTROYED,
        KeyState.DESTROYED,
        KeyState.ACTIVE,
    ]
    # The checkpoint over a replacement is the first one that the new key signed.
    replaced = index_of(site, "log-signer-replaced")
    by_first = [size for size, note in notes(site).items() if names_key(note, first)]
    assert max(by_first) <= replaced[0] < min(set(notes(site)) - set(by_first))
    last = max(notes(site))
    open_checkpoint(notes(site)[last], report.signed_by)
    with pytest.raises(CheckFailed, match="not one that this log's key signed"):
        open_checkpoint(notes(site)[last], first)
    with site.oracle() as oracle:
        assert oracle.ceremonies.standing() is None
    require_lives_told(site)


@pytest.mark.control("KIF-LOG-03")
def test_the_old_key_is_gone_from_the_token(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    roll(site)
    with site.oracle() as oracle:
        objects = oracle.ceremonies.desk.keys.token.key_objects()
    assert [label for label, _ in objects if "log-signer" in label] == [str(SECOND)] * 2


@pytest.mark.control("KIF-LOG-02", "KIF-CER-06")
def test_records_of_ceremonies_verify_from_the_first_key(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    first = verifier(site)
    roll(site)
    roll(site)
    read = read_ceremonies(site.home, first)
    for number in (1, 2, 3):
        folder = tmp_path / str(number)
        list(write_report(read, number, folder))
        raw = (folder / "record.json").read_bytes()
        assert verify_record(raw, first).outcome is Outcome.CLOSED
        assert len(canonical.decode(raw.rstrip(b"\n"))["anchors"]) == number - 1


def forged(site: TestSite, folder: Path) -> dict[str, object]:
    list(write_report(read_ceremonies(site.home, verifier(site)), 2, folder))
    fields = canonical.decode((folder / "record.json").read_bytes().rstrip(b"\n"))
    assert isinstance(fields, dict)
    return fields


@pytest.mark.control("KIF-LOG-02")
@pytest.mark.parametrize("what", ["no anchor", "another anchor", "proofs of it left out"])
def test_a_record_whose_keys_do_not_follow_is_refused(tmp_path: Path, what: str) -> None:
    site = make_bare_site(tmp_path / "home")
    roll(site)
    fields = forged(site, tmp_path / "report")
    anchors = fields["anchors"]
    assert isinstance(anchors, list)
    if what == "no anchor":
        anchors.clear()
    elif what == "another anchor":
        anchors[0]["checkpoint"] = notes(site)[min(notes(site))]
    else:
        anchors[0]["proofs"] = anchors[0]["proofs"][:-1]
    with pytest.raises(CheckFailed):
        verify_record(canonical.encode(fields), verifier(site))


@dataclass(frozen=True)
class Mixed(RehearsalPeople):
    """Signs with somebody else's key at the n-th signature."""

    at: int = 0
    signed: list[str] = field(default_factory=list)

    def sign(self, person: str, namespace: str, statement: bytes) -> str:
        self.signed.append(person)
        mixed = len(self.signed) == self.at
        return super().sign("operator-3" if mixed else person, namespace, statement)


@pytest.mark.control("KIF-ORA-02", "KIF-CER-06")
def test_a_wrong_signature_over_the_next_key_is_counted_and_given_again(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    people = Mixed(site.people.folder, site.people.sheets, site.people.listener, at=6)
    roll(site, people)
    assert len(people.signed) == 3 * 4 + 1
    assert len(index_of(site, "step-missed")) == 1
    audit(site.home)


PLACES = [
    "kif.oracle.succession:generate_log_signer",
    "kif.oracle.succession:Succession.replace_log_signer",
    "kif.oracle.succession:key_row",
    "kif.oracle.record:Record._finish",
    "kif.oracle.keys:KeyRing.destroy",
    "kif.oracle.ceremony:Ceremonies.done",
    "kif.oracle.ceremony:Ceremonies.close",
]


@pytest.mark.control("KIF-CER-06", "KIF-LOG-03")
@pytest.mark.parametrize(("place", "when"), killings(PLACES))
def test_killed_anywhere_the_log_has_exactly_one_key(tmp_path: Path, place: str, when: str) -> None:
    site = make_bare_site(tmp_path / "home")
    first = verifier(site)
    assert killed_at(site.home.path, "roll-log-signer", place, when)
    with site.oracle() as oracle:
        if oracle.ceremonies.standing() is not None:
            resume(oracle.ceremonies, site.people)
    audit(site.home, first)
    known = states(site)
    assert known["site/log-signer/1"] is KeyState.DESTROYED
    assert known[str(SECOND)] is KeyState.ACTIVE
    with site.oracle() as oracle:
        objects = oracle.ceremonies.desk.keys.token.key_objects()
    assert {label for label, _ in objects if "log-signer" in label} == {str(SECOND)}


@pytest.mark.control("KIF-LOG-02")
def test_whoever_changes_the_first_key_in_the_database_is_found_out(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    roll(site)
    other = encode_verifier("kif-test-site", bytes(32))
    store = open_store(site.home.database)
    with store.transaction() as tx:
        tx.session.scalars(select(Site)).one().log_verifier = other
    with pytest.raises(KifError, match="not one that this log's key signed"), site.oracle():
        pass
    with pytest.raises(CheckFailed):
        audit(site.home)


def test_a_plan_replaces_the_log_signer_once(tmp_path: Path) -> None:
    plan = Path("ceremonies/roll-log-signer.yaml").read_text()
    step = plan[plan.index("  - action: replace-log-signer") : plan.index("  - action: close")]
    twice = tmp_path / "twice.yaml"
    twice.write_text(plan.replace(step, step + step))
    from kif.ceremony.plan import load_plan

    with pytest.raises(BadInput, match="the log's new key, which is there before"):
        load_plan(twice)


def test_the_first_key_of_a_site_is_its_genesis(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    assert states(site)[str(of_site("log-signer"))] is KeyState.ACTIVE
