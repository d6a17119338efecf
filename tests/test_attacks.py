"""Whoever writes the database gets nothing out: each change is refused, and named afterwards.

Each attack is made on a copy of a home with a batch at each stage. Then the real operators open it,
and compliance staff audit it with the verifier key that they noted at the genesis.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pkcs11 import Attribute
from sqlalchemy import text
from sqlalchemy.orm import Session

from kif.formats.error import KifError
from kif.formats.secret import Secret
from kif.formats.state import JobState
from kif.fulfilment.dispatch import dispatch_batch
from kif.graphics.front import require_fit
from kif.hsm.token import Token
from kif.oracle.audit import audit
from kif.oracle.local import open_oracle
from kif.oracle.messages import Claim, JobView
from kif.preparation.prepare import prepare_batch
from kif.store.engine import open_store
from tests.attacks import Target, good_card, in_database, make_target, sql, swap
from tests.cli.kif import kif
from tests.ledger.history import SoftwareSigner
from tests.ledger.people import SoftwarePerson
from tests.ledger.stored import cut_back
from tests.site import OPERATORS, TestSite, new_claim, received_file


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """The home that is attacked, in copies."""
    return make_target(tmp_path_factory.mktemp("target"))


STRANGER = SoftwarePerson("operator-9")


@dataclass(frozen=True)
class Attack:
    """A change of the database, by SQL with ``:stage`` for a batch's id; and what is said of it."""

    statements: tuple[str, ...]
    words: str
    """What the next opening says."""
    audit_words: str = ""
    """What the audit says, where it says something else."""


def attack(*statements: str, words: str, audited: str = "") -> Attack:
    return Attack(statements, words, audited or words)


FIRST = "number = 1 AND batch_id = "
GOOD_AGAIN = "UPDATE card_job SET state = 'prepared', card_serial = NULL, reason = NULL WHERE "

ROWS = {
    "released without approvals": attack(
        "UPDATE batch SET state = 'released' WHERE id = :prepared",
        words="state of the batch .* is 'released', not 'prepared'",
    ),
    "a received batch released": attack(
        "UPDATE batch SET state = 'released' WHERE id = :received",
        words="state of the batch .* is 'released', not 'received'",
    ),
    "one approval inserted": attack(
        "INSERT INTO approval SELECT batch_id, 'operator-2', statement FROM approval "
        "WHERE batch_id = :approved",
        words="the approval operator-2 of .* is not in the log",
    ),
    "one approval inserted and released": attack(
        "INSERT INTO approval SELECT batch_id, 'operator-2', statement FROM approval "
        "WHERE batch_id = :approved",
        "UPDATE batch SET state = 'released' WHERE id = :approved",
        words="the approval operator-2 of .* is not in the log",
    ),
    "another batch's approvals": attack(
        "INSERT INTO approval SELECT :prepared, person, statement FROM approval "
        "WHERE batch_id = :released",
        "UPDATE batch SET state = 'released' WHERE id = :prepared",
        words="the approval operator-.* is not in the log",
    ),
    "another statement approved": attack(
        "UPDATE approval SET statement = replace(statement, 'station-1', 'station-2') "
        "WHERE batch_id = :released",
        words="statement of the approval operator-1 of",
    ),
    "approvals deleted": attack(
        "DELETE FROM approval WHERE batch_id = :released",
        words="the approval operator-1 of .* of the log is missing",
    ),
    "an operator's key replaced": attack(
        f"UPDATE person SET public_key = '{STRANGER.public_key}' WHERE name = 'operator-2'",
        words="public_key of the person operator-2 is 'ssh-ed25519",
    ),
    "an operator's key and fingerprint replaced": attack(
        f"UPDATE person SET public_key = '{STRANGER.public_key}', fingerprint = 'ab' "
        "WHERE name = 'operator-2'",
        words="public_key of the person operator-2 is .*; fingerprint of the person operator-2",
    ),
    "an operator added": attack(
        f"INSERT INTO person VALUES ('operator-9', 'operator', '{STRANGER.public_key}', 'ab')",
        words="the person operator-9 is not in the log",
    ),
    "an operator removed": attack(
        "DELETE FROM person WHERE name = 'operator-2'",
        words="the person operator-2 of the log is missing",
    ),
    "a custodian turned operator": attack(
        "UPDATE person SET role = 'operator' WHERE name = 'custodian-1'",
        words="role of the person custodian-1 is 'operator', not 'custodian'",
    ),
    "an issuer's certificate replaced": attack(
        "UPDATE issuer SET certificate = (SELECT certificate FROM issuer WHERE name = 'other') "
        "WHERE name = 'test-issuer'",
        words="certificate of the issuer test-issuer is",
    ),
    "an issuer added": attack(
        "INSERT INTO issuer VALUES ('evil', 'x')", words="the issuer evil is not in the log"
    ),
    "a closed batch reopened": attack(
        "UPDATE batch SET state = 'released' WHERE id = :closed",
        words="state of the batch .* is 'released', not 'closed'",
    ),
    "a good card made again": attack(
        f"{GOOD_AGAIN}{FIRST}:made", words="card 1 of batch .* is 'prepared', but good in the log"
    ),
    "a suspect card made again": attack(
        f"{GOOD_AGAIN}number = 2 AND batch_id = :made",
        words="card 2 of batch .* is 'prepared', but suspect in the log",
    ),
    "a good card dispatched": attack(
        f"UPDATE card_job SET state = 'dispatched' WHERE {FIRST}:made",
        words="card 1 of batch .* is 'dispatched', but good in the log",
    ),
    "a state that is none": attack(
        f"UPDATE card_job SET state = 'hope' WHERE {FIRST}:made", words="'hope', but good"
    ),
    "a card at a station": attack(
        f"UPDATE card_job SET station = 'station-9' WHERE {FIRST}:released",
        words="card 1 of batch .* stands at another station",
    ),
    "a card deleted": attack(
        "DELETE FROM card_job WHERE number = 3 AND batch_id = :released",
        words="has 2 card rows, not cards 1 to 3",
    ),
    "a card deleted and the count lowered": attack(
        "DELETE FROM card_job WHERE number = 3 AND batch_id = :released",
        "UPDATE batch SET count = 2 WHERE id = :released",
        words="count of the batch .* is '2', not '3'",
    ),
    "a card added": attack(
        "INSERT INTO card_job SELECT batch_id, 4, display, pseudonym, valid_until, state, record, "
        "record_digest, script, script_digest, station, card_serial, reason FROM card_job "
        f"WHERE {FIRST}:released",
        words="has 4 card rows, not cards 1 to 3",
    ),
    "a batch deleted": attack(
        "DELETE FROM card_job WHERE batch_id = :received",
        "DELETE FROM batch WHERE id = :received",
        words="the batch .* of the log is missing",
    ),
    "a batch of cards that never came": attack(
        "INSERT INTO card_job SELECT 'never', number, display, pseudonym, valid_until, state, "
        "record, "
        "record_digest, script, script_digest, station, card_serial, reason FROM card_job "
        f"WHERE {FIRST}:released",
        words="cards of a batch never are not in the log",
    ),
    "records swapped with their digests": attack(
        "swap record_digest :received",
        words="records of batch .* are not those received",
    ),
    "scripts swapped with their digests": attack(
        "swap script_digest :released",
        words="scripts of batch .* are not those prepared",
    ),
    "a script removed": attack(
        f"UPDATE card_job SET script = NULL, script_digest = NULL WHERE {FIRST}:released",
        words="scripts of batch .* are not those prepared",
    ),
    "pseudonyms swapped": attack(
        "swap pseudonym :released", words="records of batch .* are not those received"
    ),
    "a pseudonym replaced": attack(
        f"UPDATE card_job SET pseudonym = 'ab' WHERE {FIRST}:made",
        words="records of batch .* are not those received",
    ),
    "a date of validity replaced": attack(
        f"UPDATE card_job SET valid_until = 'never' WHERE {FIRST}:made",
        words="records of batch .* are not those received",
    ),
    "a display name replaced": attack(
        f"UPDATE card_job SET display = '11111111' WHERE {FIRST}:made",
        words="records of batch .* are not those received",
    ),
    "chips swapped": attack(
        "swap card_serial :made", words="has another chip's serial than in the log"
    ),
    "a seed replaced": attack(
        "UPDATE batch SET seed = x'00' WHERE id = :released",
        words="seed of batch .*'s data key is not the one in the log",
    ),
    "a seed removed": attack(
        "UPDATE batch SET seed = NULL WHERE id = :released",
        words="seed of batch .*'s data key is not the one in the log",
    ),
    "seeds exchanged": attack(
        "UPDATE batch SET seed = (SELECT seed FROM batch WHERE id = :made) WHERE id = :released",
        words="seed of batch .*'s data key is not the one in the log",
    ),
    "another retention key": attack(
        "UPDATE batch SET retention = 'other/retention/202601' WHERE id = :released",
        words="retention of the batch .* is 'other/retention/202601'",
    ),
    "a check value changed": attack(
        "UPDATE key_record SET kcv = 'des-zero:000000' WHERE key = 'test-issuer/emv-ac/1'",
        words="kcv of the key test-issuer/emv-ac/1 is 'des-zero:000000'",
    ),
    "a key's state changed": attack(
        "UPDATE key_record SET state = 'compromised' WHERE key = 'test-issuer/emv-ac/1'",
        words="state of the key test-issuer/emv-ac/1 is 'compromised', not 'active'",
    ),
    "the site's certificate replaced": attack(
        "UPDATE site SET recipient_certificate = 'x'", words="recipient_certificate of the site"
    ),
    "the verifier key replaced": attack(
        f"UPDATE site SET log_verifier = '{SoftwareSigner('kif-test-site').verifier}'",
        words="not one that this log's key signed",
        audited="log_verifier of the site",
    ),
    "a profile replaced": attack(
        "UPDATE batch SET profile = 'ab' WHERE id = :released", words="profile of the batch"
    ),
    "a product replaced": attack(
        "UPDATE batch SET product = 'gold' WHERE id = :received",
        words="product of the batch .* is 'gold', not 'test-debit'",
    ),
    "an issuer's batch given to another": attack(
        "UPDATE batch SET issuer = 'other' WHERE id = :received",
        words="issuer of the batch .* is 'other', not 'test-issuer'",
    ),
    "an entry changed": attack(
        "UPDATE ledger_entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'station-1', 'station-2') "
        "AS BLOB) WHERE CAST(leaf AS TEXT) LIKE '%job-claimed%'",
        words="remembers a log of .* has other ones",
        audited="released for station-1, not for station-2|signed over other entries",
    ),
    "a middle checkpoint deleted": attack(
        "DELETE FROM ledger_checkpoint WHERE size = "
        "(SELECT size FROM ledger_checkpoint ORDER BY size LIMIT 1 OFFSET 4)",
        words="The checkpoint of size .* is missing",
    ),
    "the last checkpoint deleted": attack(
        "DELETE FROM ledger_checkpoint WHERE size = (SELECT max(size) FROM ledger_checkpoint)",
        words="more entries than its last checkpoint covers",
    ),
    "all entries deleted": attack(
        "DELETE FROM ledger_payload",
        "DELETE FROM ledger_entry",
        "DELETE FROM ledger_checkpoint",
        words="remembers a log of .* ends before that",
        audited="The log has no entries",
    ),
    "an entry forged at the end": attack(
        'INSERT INTO ledger_entry SELECT max("index") + 1, leaf FROM ledger_entry',
        words="more entries than its last checkpoint covers",
    ),
    "an entry of no sense at the end": attack(
        "INSERT INTO ledger_entry SELECT max(\"index\") + 1, 'x' FROM ledger_entry",
        words="more entries than its last checkpoint covers",
    ),
    "a snapshot that the HSM did not make": attack(
        "INSERT INTO ledger_snapshot VALUES (24, '{}', 'mac')",
        words="snapshot of the log at size 24 is not one that the HSM made",
        audited="-",
    ),
    "triggers dropped": attack(
        "SELECT 1", words="the trigger ledger_checkpoint_no_delete, which keeps the log"
    ),
}


def change_of(statement: str, target: Target) -> Callable[[Session], object]:
    """Return the change of a statement: SQL, or ``swap COLUMN :stage``."""
    verb, *rest = statement.split()
    if verb == "swap":
        return swap(rest[0], target.batches[rest[1].removeprefix(":")])
    named = {stage: id_ for stage, id_ in target.batches.items() if f":{stage}" in statement}
    return sql(statement, **named)


def opened(site: TestSite) -> None:
    """Have the real operators open the home; nothing is done in it."""
    with site.oracle():
        pass


@pytest.mark.control("KIF-LOG-04", "KIF-LOG-02")
@pytest.mark.parametrize("case", ROWS)
def test_a_changed_row_is_refused_and_named(target: Target, tmp_path: Path, case: str) -> None:
    made = ROWS[case]
    site = target.copy(tmp_path / "home")
    keep = case != "triggers dropped"
    for statement in made.statements:
        in_database(site.home.path, change_of(statement, target), restore_triggers=keep)
    with pytest.raises(KifError, match=made.words) as refused:
        opened(site)
    assert refused.value.exit_code in (1, 5)
    if made.audit_words == "-":  # it weighs nothing: only an opening could use it
        audit(site.home, target.verifier)
        return
    with pytest.raises(KifError, match=made.audit_words) as named:
        audit(site.home, target.verifier)
    assert named.value.exit_code == 1


def test_the_home_that_is_attacked_is_well(target: Target, tmp_path: Path) -> None:
    """Or the table above would pass whatever it says."""
    site = target.copy(tmp_path / "home")
    audit(site.home, target.verifier)
    in_database(site.home.path, lambda session: None)
    with site.oracle() as oracle:
        good_card(oracle, target.batches["released"])
    audit(site.home, target.verifier)


# -- what lies sealed ---------------------------------------------------------------------------

SEALED = {
    "scripts swapped": "swap script :released",
    "one script for two cards": (
        "UPDATE card_job SET script = (SELECT script FROM card_job o WHERE o.batch_id = "
        ":released AND o.number = 1) WHERE batch_id = :released AND number = 2"
    ),
    "a script changed": (
        "UPDATE card_job SET script = CAST(script || x'00' AS BLOB) WHERE batch_id = :released"
    ),
    "a script emptied": "UPDATE card_job SET script = x'' WHERE batch_id = :released",
}


@pytest.mark.control("KIF-ORA-07")
@pytest.mark.parametrize("case", SEALED)
def test_a_script_that_is_not_the_one_released_makes_its_card_suspect(
    target: Target, tmp_path: Path, case: str
) -> None:
    site = target.copy(tmp_path / "home")
    batch = target.batches["released"]
    in_database(site.home.path, change_of(SEALED[case], target))
    with pytest.raises(KifError, match=r"the script of card \d of batch .* is not the one in"):
        audit(site.home, target.verifier)
    with site.oracle() as oracle:
        found = [new_claim(oracle, batch) for _ in range(3)]
        suspects = [each for each in found if isinstance(each, JobView)]
        assert suspects
        for job in suspects:
            assert job.state is JobState.SUSPECT
            assert "is not the one that the log binds" in (job.reason or "")
        if case == "one script for two cards":  # the others go on
            assert [type(each) for each in found] == [Claim, JobView, Claim]


@pytest.mark.control("KIF-ORA-07")
def test_a_record_that_is_not_the_one_received_makes_its_card_suspect(
    target: Target, tmp_path: Path
) -> None:
    site, batch = target.copy(tmp_path / "home"), target.batches["received"]
    in_database(site.home.path, change_of("swap record :received", target))
    with pytest.raises(KifError, match=r"the record of card 1 of batch .* is not the one in"):
        audit(site.home, target.verifier)
    with site.oracle() as oracle:
        view = prepare_batch(batch, oracle.preparation, require_fit, lambda: None)
        assert view.jobs == {JobState.PREPARED: 1, JobState.SUSPECT: 2}


@pytest.mark.control("KIF-LOG-04")
def test_rows_that_are_changed_while_the_site_is_open_go_on_no_dispatch_list(
    target: Target, tmp_path: Path
) -> None:
    site, batch = target.copy(tmp_path / "home"), target.batches["made"]
    with site.oracle() as oracle:
        store = oracle.gateway.desk.record.store
        for change in (
            "UPDATE card_job SET pseudonym = 'ab' WHERE number = 1 AND batch_id = :batch",
            "UPDATE card_job SET state = 'good' WHERE number = 2 AND batch_id = :batch",
        ):
            with store.transaction() as tx:
                tx.session.execute(text(change), {"batch": batch})
            with pytest.raises(KifError, match="The tables differ from the log"):
                dispatch_batch(batch, oracle.fulfilment, tmp_path / "lists")
        assert not (tmp_path / "lists").exists()


@pytest.mark.control("KIF-CER-05")
def test_a_home_of_0_1_0_is_refused_before_anybody_types_a_passphrase(
    target: Target, tmp_path: Path
) -> None:
    site = target.copy(tmp_path / "home")
    in_database(site.home.path, sql("UPDATE alembic_version SET version_num = '0001'"))
    for command in (("batch", "status"), ("log", "verify"), ("batch", "receive", "x"), ("demo",)):
        result = kif(site.home.path, *command)
        assert result.code == 4
        assert "made by kif 0.1.0, whose log does not decide" in result.err
        assert result.err.count("\n") == 1


# -- what the tables tell beside ----------------------------------------------------------------

TOLD = {
    "another reason": (
        "UPDATE card_job SET reason = 'It is fine.' WHERE batch_id = :made AND number = 2",
        "the reason of card 2 of batch",
    ),
    "a reason for a good card": (
        "UPDATE card_job SET reason = 'Bad.' WHERE batch_id = :made AND number = 1",
        "the reason of card 1 of batch",
    ),
    "another reference": (
        "UPDATE batch SET file_reference = 'OTHER' WHERE id = :made",
        "the reference of batch",
    ),
    "cards of a closed batch": (
        "UPDATE card_job SET state = 'prepared' WHERE batch_id = :closed AND number = 1",
        "cards of batch .* stand otherwise than when it was closed",
    ),
    "a card of a closed batch deleted": (
        "DELETE FROM card_job WHERE batch_id = :closed AND number = 1",
        "cards of batch .* stand otherwise than when it was closed",
    ),
    "a chip of a closed batch": (
        "UPDATE card_job SET card_serial = 'x' WHERE batch_id = :closed AND number = 1",
        "cards of batch .* stand otherwise than when it was closed",
    ),
    "a payload": (
        "UPDATE ledger_payload SET payload = 'x'",
        "payload of entry .* is not the one it was committed to",
    ),
}


@pytest.mark.control("KIF-LOG-04")
@pytest.mark.parametrize("case", TOLD)
def test_what_nothing_is_decided_on_is_named_by_the_audit(
    target: Target, tmp_path: Path, case: str
) -> None:
    statement, words = TOLD[case]
    site = target.copy(tmp_path / "home")
    in_database(site.home.path, change_of(statement, target))
    with pytest.raises(KifError, match=words) as named:
        audit(site.home, target.verifier)
    assert named.value.exit_code == 1


# -- the log put back ---------------------------------------------------------------------------


def work_on(site: TestSite) -> None:
    """A working day goes by."""
    with site.oracle() as oracle:
        oracle.gateway.admit(received_file("LATER", 2, 900), again=True)


@pytest.mark.control("KIF-LOG-05")
def test_a_whole_database_put_back_a_day_is_refused(target: Target, tmp_path: Path) -> None:
    site = target.copy(tmp_path / "home")
    shutil.copytree(site.home.site, tmp_path / "yesterday")
    work_on(site)
    for path in site.home.site.glob("kif.sqlite*"):
        path.unlink()
    for path in (tmp_path / "yesterday").glob("kif.sqlite*"):
        shutil.copy(path, site.home.site)
    with pytest.raises(
        KifError, match=r"HSM remembers a log of \d+ entries, but the database ends"
    ):
        opened(site)
    audit(site.home, target.verifier)  # it can't tell: only the HSM and a witness remember


@pytest.mark.control("KIF-LOG-05")
def test_last_entries_that_are_cut_off_are_refused(target: Target, tmp_path: Path) -> None:
    site = target.copy(tmp_path / "home")
    work_on(site)
    with open_store(site.home.database).reading() as tx:
        sizes = [size for size, _ in tx.ledger.checkpoints()]

    def cut(session: Session) -> None:
        cut_back(session, sizes[-2])

    in_database(site.home.path, cut)
    with pytest.raises(KifError, match="but the database ends before that"):
        opened(site)


@pytest.mark.control("KIF-LOG-05")
def test_the_database_of_another_site_is_refused(target: Target, tmp_path: Path) -> None:
    site, other = target.copy(tmp_path / "home"), make_target(tmp_path / "other").site
    shutil.copy(other.home.database, site.home.database)
    with pytest.raises(KifError, match=r"HSM remembers a log|not one that this log's key signed"):
        opened(site)


# -- files and token ----------------------------------------------------------------------------


def edit(site: TestSite, name: str, old: str, new: str) -> None:
    path = site.home.site / name
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


@pytest.mark.control("KIF-CER-04")
def test_a_library_that_logs_the_pin_does_not_get_it(target: Target, tmp_path: Path) -> None:
    site = target.copy(tmp_path / "home")
    evil = tmp_path / "libsofthsm2.so"
    evil.write_bytes(b"\x7fELF a library that logs the PIN")
    edit(site, "hsm.yaml", str(site.home.token_place().library), str(evil))
    with pytest.raises(
        KifError, match=r"hsm.yaml names the token .* and the library .*The PIN was"
    ):
        site.pin()
    with pytest.raises(KifError, match=r"hsm.yaml names the library"):
        audit(site.home, target.verifier)


@pytest.mark.control("KIF-CER-04")
def test_another_token_does_not_get_the_pin(target: Target, tmp_path: Path) -> None:
    site = target.copy(tmp_path / "home")
    edit(site, "hsm.yaml", "kif-test-site", "evil")
    with pytest.raises(KifError, match=r"names the token 'evil'"):
        site.pin()
    with pytest.raises(KifError, match=r"hsm.yaml names the token 'evil', not 'kif-test-site'"):
        audit(site.home, target.verifier)


@pytest.mark.control("KIF-CER-04")
def test_a_changed_digit_of_the_seal_is_no_wrong_passphrase(target: Target, tmp_path: Path) -> None:
    site = target.copy(tmp_path / "home")
    edit(site, "seal/user-pin/operator-1.json", '"sealed": "', '"sealed": "0')
    with pytest.raises(KifError, match=r"operator-1\.json is damaged, was changed"):
        site.pin()
    with pytest.raises(KifError, match=r"sealed file user-pin/operator-1\.json is not the one"):
        audit(site.home, target.verifier)


LABELS = {
    "test-vendor/card-manager/1": "no key with the label 'test-vendor/card-manager/1'",
    "test-issuer/emv-ac/1": "no key with the label 'test-issuer/emv-ac/1'",
    "site/data-protection/1": "no key with the label 'site/data-protection/1'",
    "site/log-signer/1": "no key with the label 'site/log-signer/1'",
    "site/site-ca/1": "no key with the label 'site/site-ca/1'",
    "kif log-head": "The HSM remembers no log",
}


@pytest.mark.control("KIF-HSM-05", "KIF-LOG-05")
@pytest.mark.parametrize("label", LABELS)
def test_a_token_object_that_is_gone_is_a_sentence(
    target: Target, tmp_path: Path, label: str
) -> None:
    site = target.copy(tmp_path / "home")
    with Token.open(site.home.token_place(), site.pin()) as token:
        name = Attribute.APPLICATION if label == "kif log-head" else Attribute.LABEL
        found = list(token.session.get_objects({name: label}))
        assert found
        for native in found:
            native.destroy()
    with pytest.raises(KifError, match=LABELS[label]) as refused:
        opened(site)
    assert refused.value.exit_code == 3


@pytest.mark.control("KIF-CER-05")
@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 1000])
def test_a_database_that_is_missing_empty_or_none_is_a_sentence(
    target: Target, tmp_path: Path, content: bytes | None
) -> None:
    site = target.copy(tmp_path / "home")
    site.home.database.unlink()
    if content is not None:
        site.home.database.write_bytes(content)
    words = r"no database at|database is empty|not a database"
    with pytest.raises(KifError, match=words):
        opened(site)
    with pytest.raises(KifError, match=words):
        audit(site.home, target.verifier)


def to_link(path: Path) -> None:
    """Put a link in a path's place, to where it was moved."""
    away = path.with_name(f"{path.name}-away")
    path.rename(away)
    path.symlink_to(away)


def to_prey(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parents[1] / "prey")


HOMES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a home that others can write": (lambda home: home.chmod(0o777), "can be written by other"),
    "a home that its group can write": (lambda home: home.chmod(0o770), "can be written by other"),
    "a site that others can write": (
        lambda home: (home / "site").chmod(0o707),
        "can be written by other",
    ),
    "a database that others can write": (
        lambda home: (home / "site" / "kif.sqlite").chmod(0o666),
        "kif.sqlite can be written by other",
    ),
    "a lock that is a link": (lambda home: to_prey(home / "lock"), "lock is a link"),
    "a site that is a link": (lambda home: to_link(home / "site"), "site is a link"),
    "a seal that is a link": (lambda home: to_link(home / "site" / "seal"), "seal is a link"),
}


@pytest.mark.control("KIF-ORA-08")
@pytest.mark.parametrize("case", HOMES)
def test_a_home_that_is_not_its_owners_alone_is_refused(
    target: Target, tmp_path: Path, case: str
) -> None:
    change, words = HOMES[case]
    prey = tmp_path / "prey"
    prey.write_text("precious")
    site = target.copy(tmp_path / "home")
    change(site.home.path)
    with pytest.raises(KifError, match=words) as refused:
        opened(site)
    assert refused.value.exit_code == 4
    with pytest.raises(KifError, match=words):
        audit(site.home, target.verifier)
    assert prey.read_text() == "precious"


@pytest.mark.control("KIF-HSM-02")
def test_a_pin_alone_is_no_pair_of_operators(target: Target, tmp_path: Path) -> None:
    """Whoever has the PIN still has to be two of those whom the genesis appointed."""
    site = target.copy(tmp_path / "home")
    for by in (("operator-1", "operator-1"), ("operator-1", "custodian-1"), ("a", "b")):
        with (
            pytest.raises(KifError, match=r"not different people|not a registered operator"),
            open_oracle(site.home, site.pin(), by),
        ):
            pass
    with (
        pytest.raises(KifError, match="did not accept the PIN"),
        open_oracle(site.home, Secret(b"0000"), OPERATORS),
    ):
        pass


# -- what is told without a passphrase ----------------------------------------------------------


@pytest.mark.control("KIF-LOG-02")
def test_the_recipient_that_issuers_are_told_is_the_one_of_the_genesis(
    target: Target, tmp_path: Path
) -> None:
    """Whoever could have another certificate sent to issuers would get their files."""
    site = target.copy(tmp_path / "home")
    real = kif(site.home.path, "issuer", "recipient").out
    assert real.startswith("-----BEGIN CERTIFICATE-----")
    in_database(site.home.path, sql("UPDATE site SET recipient_certificate = 'evil'"))
    assert kif(site.home.path, "issuer", "recipient", "--verifier", target.verifier).out == real
    in_database(
        site.home.path,
        sql("UPDATE ledger_entry SET leaf = replace(leaf, 'MII', 'MIJ') WHERE \"index\" < 40"),
    )
    refused = kif(site.home.path, "issuer", "recipient", "--verifier", target.verifier)
    assert refused.code == 1
    assert refused.out == ""


def test_an_auditors_copy_that_can_not_be_written_is_audited(
    target: Target, tmp_path: Path
) -> None:
    site = target.copy(tmp_path / "home")
    for path in [site.home.path, *site.home.path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(path.name for path in site.home.path.rglob("*"))
    for command in (("log", "verify"), ("batch", "status"), ("key", "list"), ("log", "show")):
        result = kif(site.home.path, *command)
        assert (result.code, result.err) == (0, "")
    assert sorted(path.name for path in site.home.path.rglob("*")) == before
    for path in [site.home.path, *site.home.path.rglob("*")]:
        path.chmod(0o755)


def test_what_operators_sign_is_shown_out_of_the_log(target: Target, tmp_path: Path) -> None:
    site, batch = target.copy(tmp_path / "home"), target.batches["prepared"]
    told = kif(site.home.path, "batch", "release", batch, "--statement").out
    in_database(site.home.path, sql("UPDATE batch SET count = 9, product = 'gold'"))
    assert kif(site.home.path, "batch", "release", batch, "--statement").out == told
    assert f'"batch":"{batch}"' in told
