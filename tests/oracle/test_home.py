"""Who may work in a home, and what a home without a site says."""

import subprocess
import sys
from pathlib import Path

import pytest

from kif.formats.error import DeviceFailed, Refused
from kif.formats.secret import Secret
from kif.oracle import home as home_module
from kif.oracle.home import Home, read_token_place
from kif.oracle.local import open_oracle
from tests.site import OPERATORS, TestSite


@pytest.mark.control("KIF-HSM-01")
@pytest.mark.parametrize("content", [None, "", "library: x", ": :", "- a"])
def test_a_home_that_does_not_say_where_its_token_is_is_a_sentence(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "hsm.yaml").write_text(content)
    with pytest.raises(DeviceFailed, match="does not say which library"):
        read_token_place(tmp_path)


HOLD = """
import sys, time
from pathlib import Path
from kif.oracle.home import Home
with Home(Path(sys.argv[1])).alone():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.control("KIF-ORA-06")
def test_a_second_process_waits_and_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_module, "_PATIENCE", 0.2)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Refused, match="Another kif process"), Home(tmp_path).alone():
            pass
        other.kill()
        other.wait()
    with Home(tmp_path).alone():
        pass  # a killed process leaves no lock behind


@pytest.mark.control("KIF-CER-05")
def test_a_home_without_a_site_says_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(Refused, match="Hold the genesis ceremony first"),
        open_oracle(Home(tmp_path), Secret(b"0000"), OPERATORS),
    ):
        pass


@pytest.mark.control("KIF-HSM-02")
def test_a_wrong_pin_is_refused_by_the_token(site: TestSite) -> None:
    with (
        pytest.raises(DeviceFailed, match="did not accept the PIN") as refused,
        open_oracle(site.home, Secret(b"00000000"), OPERATORS),
    ):
        pass
    assert refused.value.exit_code == 3
    assert "00000000" not in str(refused.value)


@pytest.mark.control("KIF-HSM-01")
def test_a_token_that_is_gone_is_a_sentence(site: TestSite) -> None:
    tokens = site.home.site / "token" / "tokens"
    away = tokens.with_name("away")
    tokens.rename(away)
    try:
        with (
            pytest.raises(DeviceFailed, match="no token with the label"),
            open_oracle(site.home, site.pin(), OPERATORS),
        ):
            pass
    finally:
        tokens.rmdir()  # made anew, and empty
        away.rename(tokens)
