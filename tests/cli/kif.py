"""The ``kif`` command as a person runs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.forking import run
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
    return Result(*run(["--home", str(home), *map(str, arguments)], given))


def operators(site: TestSite) -> str:
    """Return what opens the token: two names, each with its passphrase."""
    lines = []
    for name in OPERATORS:
        lines += [name, site.people.passphrase(name, "user-pin").reveal().decode()]
    return "\n".join(lines) + "\n"
