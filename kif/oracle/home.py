"""A home: the folder in which an embedded site lives, and who may work in it.

HOME/site/          made whole by the genesis ceremony, by one rename
    hsm.yaml        which PKCS#11 library and token
    token/          SoftHSM's directory, when the token is SoftHSM
    kif.sqlite      the database, the ledger in it
    seal/           the token's PIN in two sealed halves
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from kif.formats.control import Control
from kif.formats.error import DeviceFailed, Refused
from kif.hsm.token import TokenPlace

_PATIENCE = 5.0
"""Seconds to wait for a process that is just ending."""


@dataclass(frozen=True)
class Home:
    """The paths of a home; ``site`` is not there before the genesis ceremony."""

    path: Path

    @property
    def site(self) -> Path:
        """The site's own folder."""
        return self.path / "site"

    @property
    def database(self) -> Path:
        """The embedded database."""
        return self.site / "kif.sqlite"

    @property
    def seal(self) -> Path:
        """The sealed halves of the token's PIN."""
        return self.site / "seal"

    @property
    def exists(self) -> bool:
        """Whether the site is there."""
        return self.site.is_dir()

    def require_site(self) -> None:
        """Raise ``Refused`` (SITE) when the genesis ceremony has not been held."""
        if not self.exists:
            raise Refused(
                Control.SITE,
                f"There is no site in {self.path}. Hold the genesis ceremony first: "
                "'kif ceremony run ceremonies/genesis.yaml'.",
            )

    def token_place(self) -> TokenPlace:
        """Return where the site's token is."""
        return read_token_place(self.site)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the home for one process. Raises ``Refused`` (ONE_PROCESS) when it is in use."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as file:
            _lock(file.fileno(), self.path)
            yield


def write_token_place(site: Path, place: TokenPlace) -> None:
    """Write ``hsm.yaml``; SoftHSM's directory is the site's own ``token``."""
    own = place.softhsm_directory is not None
    content = {"library": str(place.library), "token": place.label, "softhsm": own}
    (site / "hsm.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def read_token_place(site: Path) -> TokenPlace:
    """Read ``hsm.yaml``. Raises ``DeviceFailed`` (TOKEN_PRESENT) when it does not say where."""
    path = site / "hsm.yaml"
    try:
        content = yaml.safe_load(path.read_text())
        directory = site / "token" if content["softhsm"] else None
        return TokenPlace(Path(content["library"]), content["token"], directory)
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        raise DeviceFailed(
            Control.TOKEN_PRESENT,
            f"{path} does not say which library and token the site uses. Restore it from a backup.",
        ) from None


def _lock(descriptor: int, path: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise Refused(
                    Control.ONE_PROCESS,
                    f"Another kif process is working in {path}. Wait for it to end, or use "
                    "another --home.",
                ) from None
            time.sleep(0.05)
