"""Opening a token, each time in a process of its own, as kif does."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pkcs11 import ObjectClass

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.secret import Secret
from kif.hsm.doctor import examine
from kif.hsm.provision import provision
from kif.hsm.token import Token, TokenPlace
from tests.hsm.conftest import TEST_PIN, TEST_SO_PIN

ROOT = Path(__file__).resolve().parents[2]
WRONG_PIN = Secret(b"TEST-WRONG-PIN-7731")


def opened(place: TokenPlace, pin: Secret) -> subprocess.CompletedProcess[bytes]:
    arguments = [str(place.library), place.label, str(place.softhsm_directory)]
    return subprocess.run(
        [sys.executable, "-m", "tests.hsm.opening", *arguments],
        input=pin.reveal(),
        capture_output=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )


def test_a_token_opens_by_its_label_and_pin(place: TokenPlace) -> None:
    result = opened(place, TEST_PIN)
    assert (result.returncode, result.stdout.strip()) == (0, b"SoftHSM v2")


@pytest.mark.control("KIF-HSM-02")
def test_a_wrong_pin_is_refused_in_a_sentence_that_does_not_show_it(place: TokenPlace) -> None:
    result = opened(place, WRONG_PIN)
    assert result.returncode == 3
    assert result.stdout.startswith(b"KIF-HSM-02 3 The HSM did not accept the PIN.")
    assert WRONG_PIN.reveal() not in result.stdout + result.stderr


@pytest.mark.control("KIF-HSM-02")
@pytest.mark.parametrize("pin", [b"", b"1", b"x" * 300], ids=["empty", "short", "long"])
def test_a_pin_of_an_impossible_length_is_refused_too(place: TokenPlace, pin: bytes) -> None:
    result = opened(place, Secret(pin))
    assert (result.returncode, result.stdout[:12]) == (3, b"KIF-HSM-02 3")


@pytest.mark.control("KIF-HSM-02")
def test_a_pin_that_is_not_text_is_refused_without_showing_it(place: TokenPlace) -> None:
    result = opened(place, Secret(b"SECRET\xff\xfe-PIN"))
    assert (result.returncode, result.stdout[:12]) == (3, b"KIF-HSM-02 3")
    assert b"SECRET" not in result.stdout + result.stderr


@pytest.mark.control("KIF-HSM-01")
def test_a_label_that_no_token_has_is_named_in_the_error(place: TokenPlace) -> None:
    result = opened(replace(place, label="nowhere"), TEST_PIN)
    assert result.returncode == 3
    assert b"KIF-HSM-01" in result.stdout
    assert b"no token with the label 'nowhere'" in result.stdout
    assert TEST_PIN.reveal() not in result.stdout + result.stderr


@pytest.mark.control("KIF-HSM-01")
def test_a_library_that_is_not_there_is_named_in_the_error(place: TokenPlace) -> None:
    result = opened(replace(place, library=Path("/nonexistent/libhsm.so")), TEST_PIN)
    assert result.returncode == 3
    assert b"There is no PKCS#11 library at /nonexistent/libhsm.so." in result.stdout


@pytest.mark.control("KIF-HSM-01")
def test_a_file_that_is_no_library_is_refused(place: TokenPlace, tmp_path: Path) -> None:
    file = tmp_path / "libtext.so"
    file.write_text("text")
    result = opened(replace(place, library=file), TEST_PIN)
    assert result.returncode == 3
    assert b"libtext.so does not start as a PKCS#11 library" in result.stdout


def test_a_directory_that_is_not_there_gives_no_token(place: TokenPlace, tmp_path: Path) -> None:
    result = opened(replace(place, softhsm_directory=tmp_path / "new"), TEST_PIN)
    assert (result.returncode, result.stdout[:12]) == (3, b"KIF-HSM-01 3")


def test_processes_that_start_at_once_on_one_directory_all_succeed(place: TokenPlace) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in range(6):
            results = list(pool.map(lambda _: opened(place, TEST_PIN), range(4)))
            assert [(each.returncode, each.stderr) for each in results] == [(0, b"")] * 4


def test_a_token_describes_itself(token: Token) -> None:
    description = token.describe()
    assert description.manufacturer == "SoftHSM project"
    assert description.model == "SoftHSM v2"
    assert len(description.serial) == 16
    assert description.firmware.startswith("2.")


@pytest.mark.control("KIF-HSM-05")
def test_a_key_that_is_not_there_is_named_in_the_error(token: Token) -> None:
    with pytest.raises(DeviceFailed, match="no key with the label 'absent'") as caught:
        token.find("absent", ObjectClass.SECRET_KEY)
    assert caught.value.control is Control.KEY_FOUND


def test_a_public_value_is_kept_and_read(token: Token) -> None:
    token.keep_public("test public value", b"\x00\x01\x02")
    assert token.public_value("test public value") == b"\x00\x01\x02"


@pytest.mark.control("KIF-HSM-05")
def test_a_public_value_that_is_not_there_is_named_in_the_error(token: Token) -> None:
    with pytest.raises(DeviceFailed, match="no data object 'absent'") as caught:
        token.public_value("absent")
    assert caught.value.control is Control.KEY_FOUND


@pytest.mark.control("KIF-HSM-01")
def test_a_library_in_use_is_not_started_again(
    token: Token, place: TokenPlace, tmp_path: Path
) -> None:
    """0.1.0 initialised it a second time, which ended the sessions that were open."""
    other = TokenPlace(place.library, "kif-other", tmp_path / "other")
    for attempt in (
        lambda: Token.open(place, TEST_PIN),
        lambda: Token.open(other, TEST_PIN),
        lambda: provision(place.library, "kif-other", TEST_SO_PIN, TEST_PIN),
    ):
        with pytest.raises(DeviceFailed, match="has a token open") as refused:
            attempt()
        assert refused.value.control is Control.TOKEN_PRESENT
    examine(place.library)
    assert token.describe().model  # and the session still lives
