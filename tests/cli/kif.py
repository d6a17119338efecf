"""The ``kif`` command as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.site import OPERATORS, TestSite


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def kif(home: Path, *arguments: str | Path, given: str = "") -> Result:
    """Run the command; ``given`` is its standard input."""
    command = [sys.executable, "-m", "kif.cli.main", "--home", str(home), *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


def operators(site: TestSite) -> str:
    """Return what opens the token: two names, each with its passphrase."""
    lines = []
    for name in OPERATORS:
        lines += [name, site.people.passphrase(name, "user-pin").reveal().decode()]
    return "\n".join(lines) + "\n"
