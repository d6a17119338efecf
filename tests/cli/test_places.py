"""Odd places, closed streams, and faults: a sentence and its exit code each, never a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kif.cli import main as main_module
from kif.formats.error import BadInput
from kif.oracle.home import require_path
from tests.cli.kif import Result, kif
from tests.site import PLAN, TestSite

COMMAND = [sys.executable, "-m", "kif.cli.main"]


def told(result: Result, code: int, *words: str) -> None:
    assert result.code == code, result.err
    assert result.err.startswith("kif: ")
    assert result.err.count("\n") == 1
    assert [word for word in words if word not in result.err] == []


def test_a_home_has_any_name_that_the_hsm_can_read(tmp_path: Path) -> None:
    home = tmp_path / "hö me?a%b ключ"
    assert kif(home, "demo", "--cards", "1").code == 0
    assert kif(home, "log", "verify").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [home.name]


@pytest.mark.control("KIF-ORA-08")
@pytest.mark.parametrize("name", ["a#b", "a=b", "blank ", "two\nlines", "bytes \udcff"])
def test_another_name_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="can't be used"):
        require_path(tmp_path / name)
    told(kif(tmp_path / name, "demo"), 2, "can't be used", "KIF-ORA-08")
    assert not list(tmp_path.iterdir())


def test_a_home_that_can_not_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told(kif(tmp_path / "file" / "home", "demo"), 5, "Not a directory")
    told(kif(Path("/proc/nothing/home"), "demo"), 5, "No such file or directory")


def test_a_full_or_closed_stream_is_a_sentence(site: TestSite) -> None:
    whole = [*COMMAND, "--home", str(site.home.path)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*whole, "key", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    told(Result(done.returncode, "", done.stderr), 5, "The output can't be written", "No space")
    for closed, arguments, words in (
        ("<&-", ("batch", "receive", "/dev/null"), "opened by lines on standard input"),
        (">&-", ("key", "list"), ""),
    ):
        done = subprocess.run(
            ["sh", "-c", f'"$@" {closed}', "sh", *whole, *arguments],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert words in done.stderr


def test_a_fault_of_kif_is_a_sentence_and_a_report_without_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(**_: object) -> None:
        found: dict[str, str] = {}
        try:
            found["4000001234567899"]
        except KeyError as cause:
            raise ValueError("4000001234567899") from cause

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(main_module, "kif", fail)
    with pytest.raises(SystemExit) as ended:
        main_module.main()
    assert ended.value.code == 70
    said = capsys.readouterr().err
    (report,) = tmp_path.iterdir()
    assert said.startswith("kif: A fault of kif itself (ValueError)")
    assert said.strip().endswith(str(report))
    content = report.read_text()
    assert "builtins.ValueError" in content
    assert "builtins.KeyError" in content
    assert "test_places.py" in content
    assert "4000001234567899" not in content + said
    assert report.stat().st_mode & 0o077 == 0


def test_what_is_interrupted_says_so() -> None:
    running = subprocess.Popen(
        [*COMMAND, "simulate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=20)
    assert "Traceback" not in said


def test_names_that_are_not_there_are_said_before_a_passphrase_is_asked(site: TestSite) -> None:
    home = site.home.path
    state = ("key", "state", "nobody/emv-ac/1", "suspended", "--reason", "x")
    told(kif(home, *state), 2, "There is no key nobody/emv-ac/1", "KIF-HSM-05")
    withdraw = ("issuer", "withdraw", "nobody", "--reason", "x")
    told(kif(home, *withdraw), 2, "There is no issuer 'nobody'")
    plan = PLAN.with_name("issuer-keys.yaml")
    told(kif(home, "ceremony", "run", plan, "--for", "nobody"), 2, "There is no issuer 'nobody'")
    told(kif(home, "log", "show", "--batch", "nowhere"), 2, "There is no batch nowhere")
    assert "is not one of" in kif(home, "log", "show", "--kind", "nothing").err


def test_the_root_of_the_log_at_a_size_is_shown(site: TestSite) -> None:
    home = site.home.path
    (whole,) = kif(home, "log", "verify", "--json").json()
    (last,) = kif(home, "log", "show", "--size", str(whole["entries"]), "--json").json()
    assert last == {"size": whole["entries"], "root": whole["root"], "signed": True}
    (first,) = kif(home, "log", "show", "--size", "1", "--json").json()
    assert (first["size"], first["signed"]) == (1, False)
    assert first["root"] != whole["root"]
    told(kif(home, "log", "show", "--size", "999999"), 2, "it never had 999999")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_completion_is_printed(tmp_path: Path, shell: str) -> None:
    assert "_KIF_COMPLETE" in kif(tmp_path, "completion", shell).out
    asked = {"_KIF_COMPLETE": "bash_complete", "COMP_WORDS": "kif ba", "COMP_CWORD": "1"}
    command = [str(Path(sys.executable).parent / "kif")]
    done = subprocess.run(
        command, env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert "batch" in done.stdout
