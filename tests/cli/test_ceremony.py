"""The genesis ceremony at a real terminal, typed by six people."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kif.ledger.genesis import USER_PIN
from kif.simulator.vendor import TEST_VENDOR
from tests.certificate import issuer_certificate
from tests.cli.kif import kif, operators
from tests.cli.terminal import Terminal
from tests.site import OPERATORS, PLAN, certified, make_bare_site, make_site, shared_scheme

PEOPLE = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
PASSPHRASE = "TEST passphrase of {}"


def test_six_people_hold_a_genesis_at_the_terminal(tmp_path: Path) -> None:
    home, keys = tmp_path / "home", tmp_path / "keys"
    keys.mkdir()
    for name in PEOPLE:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(command, check=True)
    program = [sys.executable, "-m", "kif.cli.main", "--home", str(home)]
    room = Terminal([*program, "ceremony", "run", str(PLAN), "--for", "terminal-site"])
    for name in PEOPLE:
        if name == "alpha":  # slips are asked again
            room.answer("name: ", "../alpha")
            room.expect("A name has 1 to 64 letters")
        room.answer("name: ", name)
        if name == "alpha":
            room.answer("public key file: ", str(PLAN))
            room.expect("Try again.")
        room.answer("public key file: ", str(keys / f"{name}.pub"))
        room.answer("or nobody): ", f"manager of {name}")
    room.answer("agent", str(PLAN))  # not a key at all
    room.expect("could not sign")
    for _ in PEOPLE:
        room.answer("agent", "")  # the default: the private key beside the public one
    room.answer("passphrase: ", "short")
    room.answer("again: ", "short")
    room.expect("It has 5 characters")
    for name in (*PEOPLE[3:], *PEOPLE[:3]):
        room.answer("passphrase: ", PASSPHRASE.format(name))
        room.answer("again: ", PASSPHRASE.format(name))
    for _ in PEOPLE:
        room.answer("agent", "")
    room.expect("The site 'terminal-site' stands in")
    assert room.process.wait(10) == 0
    for secret in (PASSPHRASE.format(name) for name in PEOPLE):
        assert secret not in room.seen
    opened = "".join(f"{name}\n{PASSPHRASE.format(name)}\n" for name in ("zeta", "delta"))
    certificate = keys / "issuer.pem"
    certificate.write_text(issuer_certificate())
    assert kif(home, "issuer", "register", "bank", certificate, given=opened).code == 0


def test_two_custodians_load_a_vendors_key_at_the_terminal(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    home, people = site.home.path, site.people
    program = [sys.executable, "-m", "kif.cli.main", "--home", str(home)]
    plan = PLAN.with_name("vendor-keys.yaml")
    room = Terminal([*program, "ceremony", "run", str(plan), "--for", "test-vendor"])
    for name in OPERATORS:
        room.answer("name: ", name)
        room.answer("passphrase: ", people.passphrase(name, USER_PIN).reveal().decode())
    room.answer("custodian 1", "custodian-1")
    room.answer("custodian 2", "custodian-2")
    for number in (1, 2):
        room.answer("agent: ", str(people.key(f"custodian-{number}")))
    for name in OPERATORS:
        room.answer("agent: ", str(people.key(name)))
    first, second = TEST_VENDOR.sheets(1)
    room.answer("(not shown): ", "not hex")  # refused at once: no check value is asked
    for component, check in ((first[0], "000000"), first, second):
        room.answer("(not shown): ", component)
        room.answer("sheet, hex: ", check)
    room.expect("gp-aes-01:504A77")
    for _ in range(4):
        room.answer("agent", "")  # the same key as at the beginning
    room.expect("Active: test-vendor/card-manager/1")
    assert room.process.wait(10) == 0
    assert not [secret for secret, _ in (first, second) if secret in room.seen]
    listed = {key["key"]: key["kcv"] for key in kif(home, "key", "list", "--json").json()}
    assert listed["test-vendor/card-manager/1"] == "gp-aes-01:504A77"
    kinds = [each["kind"] for each in kif(home, "log", "show", "--json").json()]
    assert kinds.count("step-missed") == 2


@pytest.mark.control("KIF-HSM-12")
def test_a_schemes_certificate_is_taken_in_at_the_terminal(tmp_path: Path) -> None:
    """The request that the pair's ceremony left, the scheme's answer, and its check sum."""
    site = make_site(tmp_path / "home")
    home, people, pair = site.home.path, site.people, "test-issuer/emv-issuer/1"
    request = (home / "exchange" / "test-issuer-emv-issuer-1.csr").read_text()
    answer, empty = tmp_path / "answer.json", tmp_path / "empty.json"
    answer.write_text(certified(request))
    empty.write_text("{}")
    plan = PLAN.with_name("issuer-certificate.yaml")
    program = [sys.executable, "-m", "kif.cli.main", "--home", str(home), "ceremony", "run"]
    room = Terminal([*program, str(plan), "--for", "test-issuer", "--key", pair])
    for name in OPERATORS:
        room.answer("name: ", name)
        room.answer("passphrase: ", people.passphrase(name, USER_PIN).reveal().decode())
    room.answer("custodian 1", "custodian-1")
    room.answer("custodian 2", "custodian-2")
    for name in ("custodian-1", "custodian-2", *OPERATORS):
        room.answer("agent: ", str(people.key(name)))
    room.answer("  file: ", str(empty))
    room.expect("This is no issuer certificate")
    room.answer("  file: ", str(answer))
    room.expect(f"check sum (SHA-1) is {shared_scheme().public.checksum}.")
    room.answer("Is it the check sum that the scheme has published?", "y")
    room.expect(f"{pair} is certified for 999999, until ")
    for _ in range(4):
        room.answer("agent", "")
    assert room.process.wait(10) == 0
    kinds = [each["kind"] for each in kif(home, "log", "show", "--json").json()]
    assert kinds.count("issuer-certified") == 2


@pytest.mark.parametrize(
    ("plan", "options", "words"),
    [
        ("vendor-keys", [], "about one vendor: name it with --for"),
        ("issuer-keys", [], "about one issuer: name it with --for"),
    ],
)
def test_a_ceremony_is_run_for_what_its_plan_makes(
    tmp_path: Path, plan: str, options: list[str], words: str
) -> None:
    done = kif(tmp_path, "ceremony", "run", PLAN.with_name(f"{plan}.yaml"), *options)
    assert done.code == 2
    assert words in done.err


def made_keys(folder: Path) -> Path:
    """Make a TEST key for each of the six people."""
    folder.mkdir()
    for name in PEOPLE:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    return folder


def interrupted(room: Terminal) -> int:
    """Press Ctrl-C until the program ends: Python misses one just before it begins to read."""
    for _ in range(10):
        room.process.send_signal(signal.SIGINT)
        try:
            return room.process.wait(4)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(room.seen)


@pytest.mark.control("KIF-CER-05", "KIF-CER-06")
def test_a_genesis_that_is_killed_at_the_terminal_is_resumed_there(tmp_path: Path) -> None:
    """Ctrl-C while the plan is signed, kill -9 while passphrases are chosen, then to its end."""
    home, keys = tmp_path / "home", made_keys(tmp_path / "keys")
    program = [sys.executable, "-m", "kif.cli.main", "--home", str(home), "ceremony"]
    room = Terminal([*program, "run", str(PLAN), "--for", "killed-site"])
    for name in PEOPLE:
        room.answer("name: ", name)
        room.answer("public key file: ", str(keys / f"{name}.pub"))
        room.answer("or nobody): ", f"manager of {name}")
    room.answer("agent", "")
    room.expect("beta]: ")
    assert interrupted(room) == 130
    room.expect("stands at step 2 (approve)")
    told = kif(home, "ceremony", "status").out
    assert "'genesis' for killed-site stands at step 2 (approve)" in told
    again = kif(home, "ceremony", "run", PLAN, "--for", "other-site")
    assert again.code == 4
    assert "A genesis of killed-site stands at step 2" in again.err
    room = Terminal([*program, "resume"])
    for name in PEOPLE[1:]:  # alpha's signature stands
        room.expect(f"{name} signs this statement")
        room.answer("agent", str(keys / name))
    room.answer("passphrase: ", PASSPHRASE.format("delta"))
    room.answer("again: ", PASSPHRASE.format("delta"))
    room.expect("epsilon alone")
    room.process.kill()
    room.process.wait(10)
    assert "stands at step 3 (seal)" in kif(home, "ceremony", "status").out
    room = Terminal([*program, "resume"])
    for name in (*PEOPLE[3:], *PEOPLE[:3]):
        room.answer("passphrase: ", PASSPHRASE.format(name))
        room.answer("again: ", PASSPHRASE.format(name))
    for name in PEOPLE:
        room.expect(f"{name} signs this statement")
        room.answer("agent", str(keys / name))
    room.expect("The site stands in")
    assert room.process.wait(10) == 0
    kinds = [each["kind"] for each in kif(home, "log", "show", "--json").json()]
    assert kinds.count("ceremony-resumed") == 2
    assert kinds.count("plan-approved") == len(PEOPLE)
    assert kif(home, "log", "verify").code == 0
    assert kif(home, "ceremony", "status").out == "No ceremony stands.\n"


@pytest.mark.control("KIF-CER-06")
def test_custodians_deviate_and_abort_at_the_terminal(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    home, people = site.home.path, site.people
    program = [sys.executable, "-m", "kif.cli.main", "--home", str(home), "ceremony"]

    def opened(*arguments: str) -> Terminal:
        room = Terminal([*program, *arguments])
        for name in OPERATORS:
            room.answer("name: ", name)
            room.answer("passphrase: ", people.passphrase(name, USER_PIN).reveal().decode())
        return room

    plan = str(PLAN.with_name("vendor-keys.yaml"))
    room = opened("run", plan, "--for", "test-vendor")
    room.answer("custodian 1", "custodian-3")
    room.answer("custodian 2", "custodian-3")  # the same person twice is asked again
    room.answer("custodian 2", "custodian-1")
    for name in ("custodian-3", "custodian-1", *OPERATORS):
        room.answer("agent: ", str(people.key(name)))
    for _ in range(3):
        room.answer("(not shown): ", "not hex")
    room.expect("stands at step 3 (form)")
    assert room.process.wait(10) == 2
    room = opened("deviate", "custodian-3", "operator-1", "--reason", "The sheet is torn.")
    for name in ("custodian-3", "operator-1"):
        room.answer("agent: ", str(people.key(name)))
    room.expect("The deviation is on the record.")
    room = opened("abort", "--reason", "A new sheet is needed.")
    room.expect("The ceremony 'vendor-keys' is aborted.")
    assert room.process.wait(10) == 0
    listed = kif(home, "ceremony", "list", "--json").json()
    assert [each["outcome"] for each in listed] == ["closed", "aborted"]
    kinds = [each["kind"] for each in kif(home, "log", "show", "--json").json()]
    assert (kinds.count("step-missed"), kinds.count("ceremony-deviated")) == (3, 1)
    assert kif(home, "log", "verify").code == 0


def test_nothing_stands_where_nothing_began(tmp_path: Path) -> None:
    site = make_bare_site(tmp_path / "home")
    given = operators(site)
    for command in (("resume",), ("abort", "--reason", "x")):
        done = kif(site.home.path, "ceremony", *command, given=given)
        assert (done.code, "No ceremony is running" in done.err) == (4, True)
    for command in (("status",), ("resume",), ("abort", "--reason", "x")):
        done = kif(tmp_path / "nowhere", "ceremony", *command)
        assert (done.code, "There is no site" in done.err) == (4, True)
