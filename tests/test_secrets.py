"""Nothing that is secret lies about: not in a file of the home, not in what a run says."""

import subprocess
import sys
from pathlib import Path

import pytest

from kif.ceremony.seal import unseal
from kif.formats.keyref import KeyRef
from kif.formats.pan import with_check_digit
from kif.oracle.home import Home
from kif.simulator.issuer import TestIssuer
from kif.simulator.sheets import test_sheets
from kif.simulator.vendor import TEST_VENDOR
from tests.site import ISSUER, OPERATORS, rehearsing_people

CARDS = 3
PURPOSES = ("emv-ac", "emv-smi", "emv-smc", "pin-zone", "pin-verification", "card-verification")
VENDOR_KEY = KeyRef(TEST_VENDOR.name, "card-manager", 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A demo's home, and everything that it said, with a card of each fault in it."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "kif.cli.main", "--home", str(home), "demo"]
    command += ["--cards", str(CARDS), "--product", "test-credit", "--fault", "vanish@2:9"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return home, done.stdout + done.stderr


def forms(secret: bytes) -> list[bytes]:
    """Return a secret as bytes and as hex in both cases."""
    return [secret, secret.hex().encode(), secret.hex().upper().encode()]


def secrets_of(home: Path) -> list[bytes]:
    people = rehearsing_people(home)
    given = {name: people.passphrase(name, "user-pin") for name in OPERATORS}
    pin = unseal(Home(home).seal, "user-pin", given, None).reveal()
    pans = [with_check_digit(f"99999900{number:07}") for number in range(1, CARDS + 1)]
    packed = [bytes.fromhex(pan) for pan in pans]
    keys = [KeyRef(ISSUER, purpose, 1) for purpose in PURPOSES]
    sheets = [sheet for key in (VENDOR_KEY, *keys) for sheet in test_sheets(key)]
    components = [bytes.fromhex(value) for value, _ in sheets]
    masters = [TestIssuer(home, ISSUER).master_key(key.purpose) for key in keys]
    names = [b"TEST/CARDHOLDER", b"CARDHOLDER AA"]
    passphrases = [each.reveal() for each in given.values()]
    plain = [pin, *passphrases, *(pan.encode() for pan in pans), *names]
    return [
        *plain,
        *packed,
        *(form for key in (*components, *masters, TEST_VENDOR.keys[0]) for form in forms(key)),
    ]


@pytest.mark.control("KIF-ORA-07", "KIF-HSM-04")
def test_no_secret_is_in_any_file_or_in_anything_said(run: tuple[Path, str]) -> None:
    home, said = run
    wanted = secrets_of(home)
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    found = {
        str(path.relative_to(home))
        for path, content in files.items()
        for secret in wanted
        if secret in content
    }
    assert found == set()
    assert not [secret for secret in wanted if secret in said.encode()]


def test_the_search_would_find_one(run: tuple[Path, str]) -> None:
    home, _ = run
    planted = home / "planted"
    planted.write_bytes(b"x" + secrets_of(home)[0] + b"y")
    assert any(secret in planted.read_bytes() for secret in secrets_of(home))
    planted.unlink()
