"""The demo, killed with -9 at random moments and started again: no card lost, none twice."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kif import kif

CARDS, KILLS = 12, 10


def start(home: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "kif.cli.main", "--home", str(home)]
    return subprocess.Popen(
        [*command, "demo", "--cards", str(CARDS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill_after(process: "subprocess.Popen[str]", seconds: float) -> bool:
    """Let the process run for a while, then kill it; False when it ended before."""
    try:
        out, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    assert process.returncode == 0, out
    return False


def check_summary(home: Path) -> None:
    summary = json.loads((home / "summary.json").read_text())
    assert summary["cards"] == CARDS
    assert summary["personalised"] + summary["suspect"] == CARDS
    assert summary["cryptograms_verified"] == summary["personalised"]
    assert summary["ledger"]["verified"] is True


def entries(home: Path, kind: str) -> list[dict[str, Any]]:
    listed = kif(home, "log", "show", "--kind", kind, "--json").json()
    return [entry["subject"] for entry in listed]


@pytest.mark.control("KIF-ORA-03", "KIF-ORA-05", "KIF-LOG-03")
def test_ten_kills_lose_no_card_and_double_none(tmp_path: Path) -> None:
    survive(tmp_path, KILLS)


@pytest.mark.soak
def test_a_hundred_kills_lose_no_card_and_double_none(tmp_path: Path) -> None:
    survive(tmp_path, 10 * KILLS)


def survive(tmp_path: Path, wanted: int) -> None:
    """Kill the demo that many times, let it finish, and account for every card."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    moments, kills = random.Random(seed), 0  # noqa: S311
    while kills < wanted:
        if kill_after(start(tmp_path), moments.uniform(0.4, 3.2)):
            kills += 1
        else:
            check_summary(tmp_path)
    assert not kill_after(start(tmp_path), 120)
    check_summary(tmp_path)
    assert kif(tmp_path, "log", "verify").code == 0
    check_cards(tmp_path)


def check_cards(home: Path) -> None:
    """Every job ended once, every chip served one job, and the machine's own witness agrees."""
    batches = kif(home, "batch", "status", "--json").json()
    assert {batch["state"] for batch in batches} == {"closed"}
    done = Counter((each["batch"], each["number"]) for each in entries(home, "card-verified"))
    suspect = Counter((each["batch"], each["number"]) for each in entries(home, "card-suspect"))
    assert max(done.values()) == 1
    assert not suspect or max(suspect.values()) == 1
    assert not set(done) & set(suspect)
    assert len(done) + len(suspect) == sum(batch["count"] for batch in batches)
    used = {
        (each["batch"], each["number"]): each["chip"]
        for each in entries(home, "injection-authorised")
    }
    assert len(set(used.values())) == len(used)
    witness = [json.loads(line) for line in (home / "stacks.jsonl").read_text().splitlines()]
    good = {each["serial"] for each in witness if each["stack"] == "good"}
    assert good <= {used[card] for card in done}
    assert all(each["personalised"] for each in witness if each["stack"] == "good")
