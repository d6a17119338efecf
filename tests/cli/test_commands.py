"""A working day by the command line, and what it says when something is wrong."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import select, text

from kif.hsm.form import destroy_master, generate_master
from kif.hsm.key import Algorithm
from kif.hsm.token import Token
from kif.store.engine import open_store
from kif.store.models import Site
from tests.cli.kif import Result, kif, operators
from tests.gateway.sender import certificate_of, make_identity
from tests.ledger.history import SoftwareSigner
from tests.machine import LoadedMachine
from tests.site import PLAN, TestSite, shared_issuer
from tests.vectors import KNOWN_ANSWERS


def issuer_file(site: TestSite, folder: Path, reference: str, count: int, first: int) -> Path:
    home = site.home.path
    issuer = shared_issuer()
    path = folder / f"{reference}.cms"
    issuer.write_file(
        path,
        recipient_certificate=kif(home, "issuer", "recipient").out,
        reference=reference,
        product="test-debit",
        count=count,
        first_number=first,
        today=datetime.now(UTC).date(),
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the test issuer works."""
    return tmp_path_factory.mktemp("issuer")


def sentence(result: Result, code: int, *words: str) -> None:
    """Require one sentence on standard error with a control id, and the exit code."""
    told = result.err.strip().splitlines()[-1]
    assert result.code == code, result.err
    assert told.startswith("kif: ")
    assert told.endswith("]")
    assert "Traceback" not in result.err
    for word in words:
        assert word in told


def test_a_batch_goes_from_file_to_cards(
    site: TestSite, folder: Path, machine: LoadedMachine, tmp_path: Path
) -> None:
    home, opened = site.home.path, operators(site)
    machine.load("vanish@2:6")
    path = issuer_file(site, folder, "DAY-1", 3, 1)
    (batch,) = kif(home, "batch", "receive", path, "--json", given=opened).json()
    assert (batch["state"], batch["count"]) == ("received", 3)
    (batch,) = kif(home, "batch", "prepare", batch["id"], "--json", given=opened).json()
    assert batch["state"] == "prepared"
    for person in ("operator-1", "operator-2"):
        key = site.people.key(person)
        release = ("batch", "release", batch["id"], "--person", person, "--key", key, "--json")
        (batch,) = kif(home, *release, given=opened).json()
    assert batch["state"] == "released"
    station = ("--reader", machine.reader, "--transport", machine.transport)
    run = kif(home, "station", "run", batch["id"], *station, given=opened)
    assert run.code == 3
    assert "Card 2 is SUSPECT" in run.out
    assert "2 good, 1 suspect, 0 blanks rejected." in run.out
    (status,) = kif(home, "batch", "status", "--json").json()
    assert status["jobs"] == {"good": 2, "suspect": 1}
    cards = kif(home, "batch", "show", batch["id"], "--json").json()
    assert [card["state"] for card in cards] == ["good", "suspect", "good"]
    listed = kif(home, "batch", "dispatch", "DAY-1", given=opened)
    assert Path(listed.out.strip()).parent == home / "dispatch"
    assert len(json.loads(Path(listed.out.strip()).read_text())["cards"]) == 2
    (closed,) = kif(home, "batch", "close", batch["id"], "--json", given=opened).json()
    assert (closed["state"], closed["jobs"]) == ("closed", {"dispatched": 2, "suspect": 1})
    assert kif(home, "log", "verify").code == 0
    reported = kif(home, "batch", "report", "DAY-1")
    page = Path(reported.out.strip())
    assert page == home / "report" / f"{batch['id']}.html"
    signed = kif(home, "log", "show", "--kind", "approval-given", "--json").json()[0]
    for told in ("DAY-1", "operator-1", "operator-2", signed["time"][:10], "card-verified"):
        assert told in page.read_text()
    lines = kif(home, "batch", "show", "DAY-1", "--csv").out.splitlines()
    assert lines[0].startswith("batch,number,display,pseudonym,state")
    assert [line.split(",")[4] for line in lines[1:]] == ["dispatched", "suspect", "dispatched"]
    entries = kif(home, "log", "show", "--batch", batch["id"], "--json").json()
    assert [each["kind"] for each in entries].count("card-verified") == 2


@pytest.mark.control("KIF-ORA-05")
def test_a_batch_ends_early_with_a_reason(
    site: TestSite, folder: Path, machine: LoadedMachine
) -> None:
    home, opened = site.home.path, operators(site)
    path = issuer_file(site, folder, "EARLY", 1, 700)
    (batch,) = kif(home, "batch", "receive", path, "--json", given=opened).json()
    ended = kif(home, "batch", "cancel", "EARLY", "--reason", "wrong day", "--json", given=opened)
    assert [each["state"] for each in ended.json()] == ["cancelled"]
    (batch,) = kif(home, "batch", "receive", path, "--json", given=opened).json()
    sentence(kif(home, "batch", "show", "EARLY"), 2, "could be 2 batches", batch["id"])
    kif(home, "batch", "prepare", batch["id"][:8], given=opened)
    for person in ("operator-1", "operator-2"):
        release = ("batch", "release", batch["id"], "--person", person)
        kif(home, *release, "--key", site.people.key(person), given=opened)
    empty = kif(home, "batch", "dispatch", batch["id"], given=opened)
    sentence(empty, 4, "has no good card that is here", "KIF-ORA-04")
    short = kif(home, "batch", "close", batch["id"], given=opened)
    sentence(short, 4, "1 of the 1 cards", "--reason")
    ended = kif(
        home, "batch", "close", batch["id"], "--reason", "no blanks", "--json", given=opened
    )
    assert [each["state"] for each in ended.json()] == ["closed"]
    again = issuer_file(site, folder, "LATER", 1, 700)
    sentence(kif(home, "batch", "receive", again, given=opened), 4, "--again", "KIF-GW-11")
    assert kif(home, "batch", "receive", again, "--again", given=opened).code == 0


def test_ctrl_c_ends_a_station_whose_card_is_mute(
    site: TestSite, folder: Path, machine: LoadedMachine
) -> None:
    home, opened = site.home.path, operators(site)
    machine.load("mute@1:6")
    path = issuer_file(site, folder, "MUTE", 1, 750)
    kif(home, "batch", "receive", path, given=opened)
    kif(home, "batch", "prepare", "MUTE", given=opened)
    for person in ("operator-1", "operator-2"):
        release = ("batch", "release", "MUTE", "--person", person)
        kif(home, *release, "--key", site.people.key(person), given=opened)
    place = ("--reader", machine.reader, "--transport", str(machine.transport))
    command = [sys.executable, "-m", "kif.cli.main", "--home", str(home), "station", "run", "MUTE"]
    pipe = subprocess.PIPE
    station = subprocess.Popen([*command, *place], stdin=pipe, stderr=pipe, text=True)
    assert station.stdin is not None
    station.stdin.write(opened)
    station.stdin.flush()
    end = time.monotonic() + 20
    while kif(home, "batch", "show", "MUTE", "--json").json()[0]["state"] != "personalising":
        assert time.monotonic() < end
    time.sleep(1)
    began = time.monotonic()
    station.send_signal(signal.SIGINT)
    _, said = station.communicate(timeout=25)
    assert time.monotonic() - began < 10  # and not after the 30 seconds that a card has
    assert (station.returncode, "Traceback" in said) == (130, False)
    assert "kif: Interrupted." in said
    run = kif(home, "station", "run", "MUTE", *place, given=opened)
    assert run.code == 0
    (card,) = kif(home, "batch", "show", "MUTE", "--json").json()
    assert card["state"] == "suspect"


@pytest.mark.control("KIF-GW-04")
def test_the_register_is_kept_by_commands(site: TestSite, tmp_path: Path) -> None:
    home, opened = site.home.path, operators(site)
    first, second = make_identity(tmp_path, "first"), make_identity(tmp_path, "second")
    (both := tmp_path / "both.pem").write_text(first.key.read_text() + first.pem)
    sentence(kif(home, "issuer", "register", "new", both), 2, "private key, which was not stored")
    assert kif(home, "issuer", "register", "new", first.certificate, given=opened).code == 0
    sentence(
        *(kif(home, "issuer", "register", "twin", first.certificate, given=opened), 4),
        "registered for 'new' already",
    )
    renew = ("issuer", "renew", "new", second.certificate, "--reason", "expires")
    assert kif(home, *renew, given=opened).code == 0
    found = {each["name"]: each["sha256"] for each in kif(home, "issuer", "list", "--json").json()}
    assert found["new"] == certificate_of(second).fingerprint(SHA256()).hex()
    assert kif(home, "issuer", "withdraw", "new", "--reason", "ended", given=opened).code == 0
    assert "new" not in [each["name"] for each in kif(home, "issuer", "list", "--json").json()]


def test_a_batch_that_is_not_there_is_said_before_a_passphrase_is_asked(site: TestSite) -> None:
    home = site.home.path
    for command in ("prepare", "dispatch", "close", "show"):
        sentence(kif(home, "batch", command, "nowhere"), 2, "There is no batch nowhere")
    sentence(kif(home, "station", "run", "nowhere", "--reader", "x"), 2, "no batch nowhere")


@pytest.mark.control("KIF-GW-02", "KIF-GW-05")
def test_a_tampered_and_a_repeated_file_are_refused(site: TestSite, folder: Path) -> None:
    home, opened = site.home.path, operators(site)
    refused = [each["kind"] for each in kif(home, "log", "show", "--json").json()]
    path = issuer_file(site, folder, "DAY-2", 2, 100)
    raw = path.read_bytes()
    (folder / "bad.cms").write_bytes(raw[:900] + bytes((raw[900] ^ 1,)) + raw[901:])
    bad = kif(home, "batch", "receive", folder / "bad.cms", given=opened)
    assert bad.code == 2
    assert "KIF-GW-0" in bad.err
    before = len(kif(home, "batch", "status", "--json").json())
    assert kif(home, "batch", "receive", path, given=opened).code == 0
    again = kif(home, "batch", "receive", path, given=opened)
    sentence(again, 4, "was received before", "KIF-GW-05")
    assert len(kif(home, "batch", "status", "--json").json()) == before + 1
    kinds = [each["kind"] for each in kif(home, "log", "show", "--json").json()]
    assert kinds.count("file-refused") == refused.count("file-refused") + 2


def test_a_signature_made_elsewhere_releases_too(site: TestSite, folder: Path) -> None:
    home, opened = site.home.path, operators(site)
    path = issuer_file(site, folder, "DAY-3", 1, 200)
    (batch,) = kif(home, "batch", "receive", path, "--json", given=opened).json()
    kif(home, "batch", "prepare", batch["id"], given=opened)
    statement = kif(home, "batch", "release", batch["id"], "--statement").out
    signature = folder / "signature"
    signature.write_text(site.people.sign("operator-2", "kif-release-batch", statement.encode()))
    release = ("batch", "release", batch["id"], "--person", "operator-2", "--json")
    (view,) = kif(home, *release, "--signature", signature, given=opened).json()
    assert view["approvals"] == ["operator-2"]
    nobody = kif(home, "batch", "release", "DAY-3", "--person", "x", "--key", folder / "none")
    sentence(nobody, 2, "no operator 'x'; there are operator-1, operator-2")
    unsigned = kif(home, "batch", "release", "DAY-3", "--person", "x")
    sentence(unsigned, 2, "ssh-keygen -Y sign", "KIF-CLI-01")
    once_more = kif(home, *release, "--signature", signature, given=opened)
    sentence(once_more, 4, "different operator", "KIF-ORA-01")


@pytest.mark.control("KIF-CER-04")
def test_one_operator_or_a_wrong_passphrase_opens_nothing(site: TestSite) -> None:
    home = site.home.path
    first, second, *_ = operators(site).splitlines()
    for given, words in (
        (f"{first}\n{second}\n{first}\n{second}\n", "2 different people"),
        (f"{first}\nwrong\noperator-2\nwrong\n", "does not open the seal"),
        (f"{first}\n{second}\nstranger\nx\n", "holds no part"),
    ):
        result = kif(home, "batch", "receive", PLAN, given=given)
        sentence(result, 4, words, "KIF-CER-04")
    sentence(kif(home, "batch", "receive", PLAN, given="operator-1\n"), 2, "opened by lines")


def test_a_missing_reader_is_a_sentence(
    site: TestSite, folder: Path, machine: LoadedMachine
) -> None:
    home, opened = site.home.path, operators(site)
    (status, *_) = kif(home, "batch", "status", "--json").json()
    station = ("station", "run", status["id"], "--transport", machine.transport)
    sentence(kif(home, *station, "--reader", "Acme", given=opened), 3, "no reader 'Acme'")
    nowhere = ("station", "run", status["id"], "--reader", "x", "--transport", folder / "no")
    sentence(kif(home, *nowhere, given=opened), 3, "card transport does not answer")


@pytest.mark.parametrize(
    "arguments",
    [("key", "list"), ("batch", "status"), ("log", "verify"), ("issuer", "recipient")],
)
@pytest.mark.control("KIF-CER-05")
def test_a_home_without_a_site_says_so(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    sentence(kif(tmp_path, *arguments), 4, "Hold the genesis ceremony first")


def test_an_hsm_that_is_not_there_is_a_sentence(site: TestSite) -> None:
    place = site.home.site / "hsm.yaml"
    content = place.read_text()
    place.write_text(content.replace("libsofthsm2.so", "libnowhere.so"))
    try:
        result = kif(site.home.path, "batch", "receive", PLAN, given=operators(site))
        sentence(result, 3, "no PKCS#11 library", "KIF-HSM-01")
    finally:
        place.write_text(content)


def test_keys_are_listed(site: TestSite) -> None:
    keys = {key["name"]: key for key in kif(site.home.path, "key", "list", "--json").json()}
    assert keys["card-manager"]["kcv"] == "gp-aes-01:504A77"
    assert "card-manager" in kif(site.home.path, "key", "list").out


def test_the_key_ring_tells_each_keys_life(site: TestSite) -> None:
    home = site.home.path
    keys = kif(home, "key", "list", "--purpose", "card-manager", "--json").json()
    assert [row["origin"] for row in keys] == ["components"]
    name = keys[0]["key"]
    assert (keys[0]["state"], keys[0]["algorithm"]) == ("active", "AES-128")
    today = datetime.now(UTC)
    assert keys[0]["valid_until"] == f"{today.year + 3}-{today:%m-%d}"
    (life,) = kif(home, "key", "show", name, "--json").json()
    assert [step["state"] for step in life["steps"]] == ["pre-active", "active"]
    assert life["custodians"] == "custodian-1, custodian-2"
    told = kif(home, "key", "show", name).out
    assert "custodians   custodian-1, custodian-2" in told
    assert "its ceremony was closed" in told
    (values,) = kif(home, "key", "kcv", name, "--json").json()
    assert values["kcv"] == "gp-aes-01:504A77"
    assert values["derived"].startswith("derived-gp-aes-01:")
    sentence(kif(home, "key", "show", "nobody/emv-ac/1"), 2, "There is no key nobody/emv-ac/1")


def test_the_key_ring_is_listed_by_what_it_is_and_as_of_a_day(site: TestSite) -> None:
    home = site.home.path
    whole = kif(home, "key", "list", "--json").json()
    for option, field, value in (
        ("--owner", "owner", "site"),
        ("--algorithm", "algorithm", "AES-256"),
        ("--state", "state", "active"),
        ("--origin", "origin", "components"),
    ):
        found = kif(home, "key", "list", option, value, "--json").json()
        assert found == [row for row in whole if row[field] == value]
        assert len(found) > 0
    assert kif(home, "key", "list", "--version", "1", "--json").json() == [
        row for row in whole if row["key"].endswith("/1")
    ]
    year = datetime.now(UTC).year
    over = kif(home, "key", "list", "--expired-on", f"{year + 4}-12-31", "--json").json()
    assert [row["name"] for row in over] == ["card-manager"]
    assert kif(home, "key", "list", "--expired-on", f"{year}-12-31", "--json").json() == []
    assert kif(home, "key", "list", "--as-of", "2020-01-01", "--json").json() == []
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert kif(home, "key", "list", "--as-of", today, "--json").json() == whole
    assert "no such keys" in kif(home, "key", "list", "--owner", "nobody").out


def test_a_dry_run_is_listed_and_compared(site: TestSite, folder: Path, tmp_path: Path) -> None:
    home, opened = site.home.path, operators(site)
    path = issuer_file(site, folder, "DRY-1", 2, 2200)
    (batch,) = kif(home, "batch", "receive", path, "--json", given=opened).json()
    early = kif(home, "batch", "script", batch["id"], "1", given=opened)
    assert (early.code, "is not prepared yet" in early.err) == (4, True)
    kif(home, "batch", "prepare", batch["id"], given=opened)
    told = kif(home, "batch", "script", batch["id"], "1", "--json", given=opened)
    rows = told.json()
    assert rows[0] == {
        "session": 1,
        "part": 1,
        "command": "00A40400",
        "what": "SELECT of A000000151000000",
    }
    earlier = tmp_path / "earlier.json"
    earlier.write_text(told.out)
    same = kif(home, "batch", "script", "DRY-1", "2", "--against", earlier, given=opened)
    assert (same.code, same.out.strip()) == (0, f"The {len(rows)} commands are those of {earlier}.")
    rows[4]["command"] = "80E28800"
    earlier.write_text(json.dumps(rows))
    other = kif(home, "batch", "script", "DRY-1", "1", "--against", earlier, given=opened)
    assert other.code == 1
    assert "Command 5 is another one. Now: 80E26800 STORE DATA 8000" in other.err
    trace = tmp_path / "trace.txt"
    sent = [bytes.fromhex(row["command"]) for row in told.json()]
    secured = [bytes((raw[0] | 4 * (raw[0] == 0x80), *raw[1:])).hex(" ") for raw in sent]
    trace.write_text("# from a log\n> " + "\n< 9000\n> ".join(secured) + "\n< 9000\n")
    replayed = kif(home, "batch", "script", "DRY-1", "1", "--trace", trace, given=opened)
    assert replayed.out.strip() == f"The {len(rows)} commands are those that {trace} begins with."
    trace.write_text("\n".join([*secured[:6], "80CA9F7F00", *secured[6:]]))
    other = kif(home, "batch", "script", "DRY-1", "1", "--trace", trace, given=opened)
    assert other.code == 1
    assert "Command 7 is another one. The script: 80E2" in other.err
    assert "The trace: 80CA9F7F" in other.err
    trace.write_text("00A4")
    wrong = kif(home, "batch", "script", "DRY-1", "1", "--trace", trace)
    assert (wrong.code, "is no trace: line 1 is no command" in wrong.err) == (2, True)
    earlier.write_text("[1]")
    wrong = kif(home, "batch", "script", "DRY-1", "1", "--against", earlier)
    assert (wrong.code, "is not what 'kif batch script --json' prints" in wrong.err) == (2, True)


def test_keys_are_checked_against_the_token(site: TestSite) -> None:
    result = kif(site.home.path, "key", "check", given=operators(site))
    assert (result.code, result.out) == (
        0,
        "Registry, token and log say the same of every key.\n",
    )
    with Token.open(site.home.token_place(), site.pin()) as token:
        generate_master(token, "stranger/emv-ac/1", Algorithm.TDES_2)
    result = kif(site.home.path, "key", "check", "--json", given=operators(site))
    assert result.code == 1
    (finding,) = result.json()
    assert finding["finding"] == "no ceremony made this secret key."
    with Token.open(site.home.token_place(), site.pin()) as token:
        destroy_master(token, "stranger/emv-ac/1")


def test_the_doctor_finds_softhsm_well_and_leaves_no_trace(tmp_path: Path) -> None:
    result = kif(tmp_path / "home", "hsm", "doctor", "--json")
    assert result.code == 0
    assert {row["available"] for row in result.json()} == {"yes"}
    assert not (tmp_path / "home").exists()


def test_known_answers_pass_and_the_last_line_counts_them(tmp_path: Path) -> None:
    result = kif(tmp_path / "home", "hsm", "kat", KNOWN_ANSWERS)
    assert result.code == 0
    number = len(json.loads(KNOWN_ANSWERS.read_text()))
    assert result.out.splitlines()[-1] == f"{number} passed, 0 failed, 0 skipped"
    some = kif(tmp_path / "home", "hsm", "kat", KNOWN_ANSWERS, "--category", "SCP02", "--json")
    assert [row["verdict"] for row in some.json()] == ["passed"] * 4
    assert not (tmp_path / "home").exists()


def test_a_known_answer_that_fails_ends_with_1(tmp_path: Path) -> None:
    vectors = [each for each in json.loads(KNOWN_ANSWERS.read_text()) if each["cat"] == "KCV"]
    vectors[0]["expect"]["kcv"] = "000000"
    vectors[1]["cat"] = "SOMETHING"
    (tmp_path / "vectors.json").write_text(json.dumps(vectors))
    result = kif(tmp_path / "home", "hsm", "kat", tmp_path / "vectors.json")
    assert result.code == 1
    assert result.out.splitlines()[-1] == f"{len(vectors) - 2} passed, 1 failed, 1 skipped"
    assert "kcv: 08D7B4 instead of 000000" in result.out.replace("08d7b4", "08D7B4")
    absent = kif(tmp_path / "home", "hsm", "kat", KNOWN_ANSWERS, "--category", "NONE")
    sentence(absent, 2, "no vector of the category NONE")
    sentence(kif(tmp_path / "home", "hsm", "kat", tmp_path / "none"), 2, "can't be read")


def test_a_run_of_known_answers_goes_on_the_record(site: TestSite) -> None:
    arguments = ("hsm", "kat", KNOWN_ANSWERS, "--record")
    some = kif(site.home.path, *arguments, "--category", "KCV", given=operators(site))
    assert (some.code, "result of a whole file" in some.err) == (2, True)
    result = kif(site.home.path, *arguments, given=operators(site))
    assert result.code == 0
    (entry,) = kif(site.home.path, "log", "show", "--kind", "library-tested", "--json").json()
    digest = hashlib.sha256(KNOWN_ANSWERS.read_bytes()).hexdigest()
    number = len(json.loads(KNOWN_ANSWERS.read_text()))
    counts = {"passed": number, "failed": 0, "skipped": 0}
    assert entry["subject"].items() >= {"vectors": digest, **counts}.items()
    assert kif(site.home.path, "log", "verify").code == 0


def test_known_answers_without_a_site_are_not_recorded(tmp_path: Path) -> None:
    result = kif(tmp_path, "hsm", "kat", KNOWN_ANSWERS, "--record")
    sentence(result, 4, "Hold the genesis ceremony first")


def test_plans_are_checked(tmp_path: Path) -> None:
    assert "is possible" in kif(tmp_path, "ceremony", "check", PLAN).out
    sentence(kif(tmp_path, "ceremony", "check", tmp_path / "none"), 2, "can't be read")


@pytest.mark.control("KIF-LOG-02")
def test_a_log_is_verified_against_a_key_from_elsewhere(site: TestSite) -> None:
    with open_store(site.home.database).reading() as tx:
        own = tx.session.scalars(select(Site)).one().log_verifier
    assert kif(site.home.path, "log", "verify", "--verifier", own).code == 0
    other = SoftwareSigner("kif-test-site").verifier
    result = kif(site.home.path, "log", "verify", "--verifier", other)
    sentence(result, 1, "not one that this log's key signed", "KIF-LOG-02")


def test_an_altered_ledger_ends_with_1(site: TestSite) -> None:
    store = open_store(site.home.database)
    assert kif(site.home.path, "log", "verify").code == 0
    with store.transaction() as tx:
        tx.session.execute(text("DROP TRIGGER ledger_entry_no_delete"))
        tx.session.execute(text('DELETE FROM ledger_entry WHERE "index" = 3'))
    sentence(kif(site.home.path, "log", "verify"), 1, "stands at place 3", "KIF-LOG-02")
