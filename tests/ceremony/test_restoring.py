"""A site whose HSM is lost goes on in another one: masters, log and people as they were."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kif.ceremony.hold import resume
from kif.ceremony.rehearsal import RehearsalPeople
from kif.ceremony.restoring import (
    abort_restoring,
    restore_site,
    resume_restoring,
    standing_restoring,
)
from kif.cli.papers import read_ceremonies, write_report
from kif.compliance.ceremonies import Outcome
from kif.compliance.record import verify_record
from kif.formats.error import BadInput, CheckFailed, Refused
from kif.formats.keyref import KeyRef
from kif.formats.purpose import KEPT
from kif.formats.secret import Secret
from kif.formats.state import BatchState, JobState, KeyState
from kif.graphics.front import require_fit
from kif.ledger.plan import Plan
from kif.ledger.possible import check
from kif.oracle.audit import audit
from kif.oracle.messages import JobRef, KeyView
from kif.preparation.prepare import prepare_batch
from kif.simulator.vendor import TEST_VENDOR
from tests.ceremony.test_backup import KEK, back_up, kinds
from tests.ceremony.test_staff import held
from tests.ceremony.test_succession import verifier
from tests.killing import killed_at, killings
from tests.site import (
    ISSUER,
    OPERATORS,
    TestSite,
    make_bare_site,
    make_site,
    received_file,
    released_batch,
    require_lives_told,
    shipped,
)

LOG_SIGNER, CA = KeyRef("site", "log-signer", 2), KeyRef("site", "site-ca", 2)


def lose(site: TestSite) -> None:
    """Lose the HSM: its folder is gone."""
    shutil.rmtree(site.home.site / "token")


def lost_site(folder: Path) -> TestSite:
    site = make_bare_site(folder)
    back_up(site)
    lose(site)
    return site


def restore(site: TestSite, people: RehearsalPeople | None = None) -> tuple[KeyRef, ...]:
    with site.home.alone():
        return restore_site(site.home, shipped("restore"), people or site.people)


def go_on(site: TestSite) -> None:
    """Do what 'kif ceremony resume' does."""
    if standing_restoring(site.home) is not None:
        with site.home.alone():
            resume_restoring(site.home, site.people)
        return
    with site.oracle() as oracle:
        if oracle.ceremonies.standing() is not None:
            resume(oracle.ceremonies, site.people)


def keys(site: TestSite) -> dict[KeyRef, KeyView]:
    with site.oracle() as oracle:
        return {view.key: view for view in oracle.custody.inventory()}


@pytest.mark.control("KIF-CER-06", "KIF-HSM-11", "KIF-LOG-02")
def test_a_site_goes_on_in_another_hsm(tmp_path: Path) -> None:
    site, said = make_site(tmp_path / "home"), list[str]()
    first = verifier(site)
    with site.oracle() as oracle:
        old = released_batch(site, oracle, "BEFORE", 2)
    before = keys(site)
    back_up(site)
    with site.oracle() as oracle:
        (late,) = site.load_keys(oracle, "vendor-keys", TEST_VENDOR.name)
    lose(site)
    made = restore(site, replace(site.people, listener=said.append))
    assert made == (CA, replace(CA, purpose="envelope-recipient"))
    assert audit(site.home, first).verifier == first
    # Every master of the backup is there, with the check values that it had.
    after = keys(site)
    masters = [key for key, view in before.items() if view.usage in KEPT]
    assert len(masters) == 9
    assert [after[key] for key in masters] == [before[key] for key in masters]
    # What was only in the lost HSM is out of use.
    month = datetime.now(UTC).strftime("%Y%m")
    gone = {key for key, view in after.items() if view.state is KeyState.DESTROYED}
    assert {str(key) for key in gone} == {
        "site/site-ca/1",
        "site/envelope-recipient/1",
        "site/log-signer/1",
        f"{ISSUER}/retention/{month}",
        f"{ISSUER}/emv-issuer/1",
        str(late),
    }
    assert [text for text in said if text.startswith("Lost with the token")] == [
        f"Lost with the token: {ISSUER}/emv-issuer/1, {ISSUER}/retention/{month}, {late}. Masters "
        "and pairs among them are made anew; issuers send anew what was not made."
    ]
    # The line goes on: the old batch is cancelled, the same file comes again, and is prepared.
    with site.oracle() as oracle:
        with pytest.raises(CheckFailed, match="can't be opened"):
            oracle.chip.desk.script(JobRef(old.id, 1), JobState.PREPARED)
        oracle.supervision.cancel_batch(old.id, "Its card data went with the HSM.")
        assert oracle.supervision.batch(old.id).state is BatchState.CANCELLED
        view = oracle.gateway.admit(received_file("AFTER", 2, 50), again=True)
        prepare_batch(view.id, oracle.preparation, require_fit, lambda: None)
        for person in OPERATORS:
            view = site.approve(oracle, view.id, person)
        assert view.state is BatchState.RELEASED
        windows = [str(each.key) for each in oracle.privacy.windows()]
    assert windows == [f"{ISSUER}/retention/{month}", f"{ISSUER}/retention/{month}01"]
    assert held(site, "share-drill") == ()
    require_lives_told(site)
    audit(site.home, first)


@pytest.mark.control("KIF-LOG-02")
def test_the_record_of_a_restore_verifies_from_the_first_key(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    first = verifier(site)
    back_up(site)
    lose(site)
    restore(site)
    held(site, "share-drill")
    read = read_ceremonies(site.home, first)
    for number in range(1, 5):
        list(write_report(read, number, tmp_path / str(number)))
        raw = (tmp_path / str(number) / "record.json").read_bytes()
        assert verify_record(raw, first).outcome is Outcome.CLOSED


@pytest.mark.control("KIF-CER-04")
def test_the_pins_are_new_and_nobody_opens_the_old_seal(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    back_up(site)
    old = site.pin()
    lose(site)
    restore(site)
    assert site.pin().reveal() != old.reveal()
    assert not (site.home.attempts / "seals-before").exists()
    assert [path.name for path in site.home.attempts.iterdir()] == []


@pytest.mark.control("KIF-CER-06")
def test_a_token_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    back_up(site)
    with pytest.raises(Refused, match="is there; a site is restored when its HSM is lost"):
        restore(site)
    audit(site.home)
    with site.oracle() as oracle:
        assert oracle.ceremonies.standing() is None


def test_a_site_without_a_backup_is_not_restored(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    lose(site)
    with pytest.raises(Refused, match="There is no active key site/backup-kek"):
        restore(site)
    assert standing_restoring(site.home) is None


@dataclass(frozen=True)
class Mistaken(RehearsalPeople):
    """Gives wrong shares first."""

    ways: list[str] = field(default_factory=list)

    def kept_share(self, person: str, key: KeyRef, number: int) -> Secret:
        right = super().kept_share(person, key, number)
        way = self.ways.pop(0) if self.ways else ""
        if way == "short":
            return Secret(right.reveal()[:-1])
        return Secret(bytes(32)) if way else right


@pytest.mark.control("KIF-CER-06", "KIF-HSM-11")
def test_a_wrong_share_is_counted_and_given_again(tmp_path: Path) -> None:
    site = lost_site(tmp_path / "home")
    people = Mistaken(site.people.folder, site.people.sheets, _silent, ["zeros", "short"])
    restore(site, people)
    assert kinds(site).count("step-missed") == 2
    audit(site.home)


def _silent(text: str) -> None:
    """Listen to nothing."""


@pytest.mark.control("KIF-CER-06")
def test_three_wrong_shares_leave_it_at_its_step(tmp_path: Path) -> None:
    site = lost_site(tmp_path / "home")
    people = Mistaken(site.people.folder, site.people.sheets, _silent, ["zeros"] * 3)
    with pytest.raises(BadInput, match="This is not share 1"):
        restore(site, people)
    with pytest.raises(Refused, match="A restore stands already"):
        restore(site)
    running = standing_restoring(site.home)
    assert running is not None
    assert running.open is not None
    assert running.open.action == "restore"
    go_on(site)
    assert kinds(site).count("step-missed") == 3
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize("what", ["quorum", "masters"])
def test_a_backup_that_was_changed_or_is_gone_restores_nothing(tmp_path: Path, what: str) -> None:
    site = lost_site(tmp_path / "home")
    path = site.home.backup / f"{what}-1.json"
    kept = path.read_bytes()
    fields = json.loads(kept)
    path.write_text(json.dumps(fields | {"kcv": "gp-aes-01:000000"}))
    with pytest.raises(CheckFailed, match="not the file that was made"):
        restore(site)
    path.unlink()
    with pytest.raises(CheckFailed, match="is not there, or not the file"):
        go_on(site)
    path.write_bytes(kept)
    go_on(site)
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
def test_an_attempt_that_is_aborted_is_on_the_record_of_the_next(tmp_path: Path) -> None:
    site = lost_site(tmp_path / "home")
    assert killed_at(site.home.path, "restore", "kif.ceremony.restoring:combine", "before")
    with site.home.alone():
        abort_restoring(site.home, "The media are in the other safe.")
    assert standing_restoring(site.home) is None
    restore(site)
    told = kinds(site)
    assert told.count("ceremony-aborted") == 1
    assert told.count("ceremony-begun") == 3
    audit(site.home)


@pytest.mark.control("KIF-CER-04", "KIF-CER-06")
def test_after_an_attempt_that_is_aborted_the_old_hsm_opens_as_before(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    back_up(site)
    token = site.home.site / "token"
    token.rename(tmp_path / "mislaid")
    assert killed_at(site.home.path, "restore", "kif.ceremony.restoring:combine", "before")
    with site.home.alone():
        abort_restoring(site.home, "The HSM was found.")
    assert not token.exists()
    (tmp_path / "mislaid").rename(token)
    assert held(site, "share-drill") == ()
    audit(site.home)


@pytest.mark.control("KIF-CER-06")
def test_a_ceremony_that_stood_when_the_hsm_was_lost_is_aborted(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    back_up(site)
    assert killed_at(site.home.path, "vendor-keys", "kif.oracle.ceremony:Ceremonies.form", "after")
    lose(site)
    restore(site)
    told = kinds(site)
    assert told.count("ceremony-aborted") == 1
    assert told[-1] == "ceremony-closed"
    audit(site.home)


PLACES = [
    "kif.ceremony.genesis:seal",
    "kif.ceremony.making:provision",
    "kif.ceremony.restoring:_restore",
    "kif.ceremony.restoring:combine",
    "kif.ceremony.restoring:put_back",
    "kif.ceremony.replacing:new_log_signer",
    "kif.ceremony.replacing:Ending.ask",
    "kif.oracle.record:Record.write",
    "kif.hsm.memory:LogMemory.remember",
    "kif.ceremony.restoring:open_oracle",
    "kif.oracle.succession:Succession.renew",
    "kif.oracle.ceremony:Ceremonies.close",
]


@pytest.mark.control("KIF-CER-06")
@pytest.mark.parametrize(("place", "when"), killings(PLACES))
def test_a_restore_that_is_killed_anywhere_goes_on(tmp_path: Path, place: str, when: str) -> None:
    site = make_bare_site(tmp_path / "home")
    first = verifier(site)
    back_up(site)
    lose(site)
    assert killed_at(site.home.path, "restore", place, when)
    go_on(site)
    audit(site.home, first)
    told = kinds(site)
    assert told.count("ceremony-begun") == 2
    assert told.count("ceremony-closed") == 1 + 2
    assert told.count("masters-restored") == told.count("log-signer-replaced") == 1
    assert keys(site)[LOG_SIGNER].state is keys(site)[CA].state is KeyState.ACTIVE
    assert keys(site)[KEK].state is KeyState.ACTIVE


def test_a_plan_restores_in_one_order_alone() -> None:
    plan = shipped("restore")
    fields = json.loads(plan.text)
    for leave in ("seal", "make-token", "replace-log-signer", "renew"):
        steps = [step for step in fields["steps"] if step["action"] != leave]
        text = json.dumps(fields | {"steps": steps}, separators=(",", ":"), sort_keys=True)
        with pytest.raises(BadInput, match="A site is restored by approve, seal, make-token"):
            check(Plan.decode(text))
    steps = [step for step in fields["steps"] if step["action"] != "restore"]
    text = json.dumps(fields | {"steps": steps}, separators=(",", ":"), sort_keys=True)
    with pytest.raises(BadInput, match="is for a plan that makes a site, or restores one"):
        check(Plan.decode(text))
