"""A process that is killed with -9 at one exact place: just before or just after a call.

Run as ``python -m tests.killing HOME WORK MODULE:NAME before|after``; it ends by SIGKILL when the
place is reached, and with 0 when it is not.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from tests.site import TestSite, found_site, received_file, rehearsing_people

ROOT = Path(__file__).parents[1]
_MANY = (4, 9)


def killings(places: Iterable[str]) -> list[ParameterSet]:
    """Return each place with both moments, of which before and after in turns are usual.

    Of many places every other or third one is usual. What is not is soaked.
    """
    there = list(places)
    usual = 1 + sum(len(there) > many for many in _MANY)

    def marks(at: int, late: int) -> list[pytest.MarkDecorator]:
        chosen = at % usual == 0 and (at // usual) % 2 == late
        return [] if chosen else [pytest.mark.soak]

    return [
        pytest.param(place, when, marks=marks(at, late))
        for at, place in enumerate(there)
        for late, when in enumerate(("before", "after"))
    ]


def killed_at(home: Path, work: str, place: str, when: str) -> bool:
    """Do some work in a process that is killed there; return whether it was."""
    command = [sys.executable, "-m", "tests.killing", str(home), work, place, when]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def arm(place: str, when: str) -> None:
    """Replace a function or method by one that kills this process, before or after its work."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for each in outer:
        owner = getattr(owner, each)
    real = getattr(owner, name)

    def deadly(*arguments: Any, **named: Any) -> Any:
        if when == "after":
            real(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, deadly)


def _genesis(home: Path, armed: Callable[[], None]) -> None:
    armed()
    found_site(home)


def _vendor_keys(home: Path, armed: Callable[[], None]) -> None:
    from kif.oracle.home import Home
    from kif.simulator.vendor import TEST_VENDOR

    site = TestSite(Home(home), rehearsing_people(home))
    with site.oracle() as oracle:
        armed()
        site.load_keys(oracle, "vendor-keys", TEST_VENDOR.name)


def _resume(home: Path, armed: Callable[[], None]) -> None:
    from kif.ceremony.hold import resume
    from kif.oracle.home import Home

    site = TestSite(Home(home), rehearsing_people(home))
    with site.oracle() as oracle:
        armed()
        resume(oracle.ceremonies, site.people)


def _hold(home: Path, work: str, armed: Callable[[], None]) -> None:
    """Hold a shipped plan, with the security officer's PIN opened; a key's name may follow it."""
    from kif.ceremony.hold import hold
    from kif.formats.keyref import KeyRef
    from kif.ledger.plan import About
    from kif.oracle.home import Home
    from tests.ceremony.test_backup import opened
    from tests.site import ISSUER, shipped

    site = TestSite(Home(home), rehearsing_people(home))
    with opened(site) as oracle:
        armed()
        name, _, named = work.partition(" ")
        plan = shipped(name)
        subject = "site" if plan.about is About.SITE else ISSUER
        key = KeyRef.parse(named) if named else None
        hold(oracle.ceremonies, plan, subject, site.people, key)


def _restore(home: Path, armed: Callable[[], None]) -> None:
    """Go on with a site whose token is gone."""
    from kif.ceremony.restoring import restore_site
    from kif.oracle.home import Home
    from tests.site import shipped

    site = TestSite(Home(home), rehearsing_people(home))
    with site.home.alone():
        armed()
        restore_site(site.home, shipped("restore"), site.people)


def _erase(home: Path, armed: Callable[[], None]) -> None:
    from kif.oracle.home import Home

    with TestSite(Home(home), rehearsing_people(home)).oracle() as oracle:
        (window,) = oracle.privacy.windows()
        armed()
        oracle.privacy.erase_window(window.key, "It was due.")


def _admit(home: Path, armed: Callable[[], None]) -> None:
    from kif.oracle.home import Home

    with TestSite(Home(home), rehearsing_people(home)).oracle() as oracle:
        armed()
        oracle.gateway.admit(received_file("KILLED", 2, 700), again=True)


if __name__ == "__main__":
    folder, chosen, spot, moment = sys.argv[1:]
    works = {
        "genesis": _genesis,
        "vendor-keys": _vendor_keys,
        "resume": _resume,
        "restore": _restore,
        "admit": _admit,
        "erase": _erase,
    }
    hold_plan = partial(_hold, work=chosen)
    works.get(chosen, hold_plan)(Path(folder), armed=lambda: arm(spot, moment))
