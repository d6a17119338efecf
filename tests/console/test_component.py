"""A component goes to the printer, and is taken when it is read back as it was given."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from kif.console.terminal import TerminalPeople
from kif.formats.error import BadInput
from kif.formats.kcv import Kcv
from kif.formats.keyref import KeyRef
from kif.formats.secret import Secret

KEY, KCV = KeyRef("bank", "zone-master", 1), Kcv.parse("gp-aes-01:3FA2B1")
VALUE = bytes(range(0x21, 0x41))
LP = "#!/bin/sh\nexec cat > {}\n"


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a printer that is a file keeps what it was sent."""
    printer, paper = tmp_path / "lp", tmp_path / "paper.pdf"
    printer.write_text(LP.format(paper))
    printer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return paper


def given(typed: str) -> str:
    """Have a custodian put the component on a sheet; return what the screen showed."""
    with CliRunner().isolation(input=typed) as (out, *_):
        TerminalPeople().give_component("custodian-1", KEY, 1, Secret(VALUE), KCV)
        return out.getvalue().decode()


@pytest.mark.control("KIF-CER-03")
def test_a_component_that_is_read_back_is_taken_and_never_shown(printed: Path) -> None:
    groups = VALUE.hex(" ", 2).upper()
    shown = given(f"print\n\n{groups}\n")
    assert printed.read_bytes().startswith(b"%PDF")
    assert not any(group in shown for group in groups.split())


@pytest.mark.control("KIF-CER-03")
def test_a_component_that_is_read_back_wrongly_is_refused(printed: Path) -> None:
    wrong = VALUE[:-1] + b"\x00"
    with pytest.raises(BadInput, match="not the component that was given") as refused:
        given(f"print\n\n{wrong.hex()}\n")
    assert VALUE.hex()[:8] not in str(refused.value)


@pytest.mark.control("KIF-CER-03")
def test_without_a_terminal_nothing_is_written_by_hand() -> None:
    with pytest.raises(BadInput, match="Without a terminal nobody can write it down"):
        given("hand\n")
