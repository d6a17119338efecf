"""A home: the folder in which an embedded site lives, and who may work in it.

HOME/lock           held by the one process that works here
HOME/attempts/      records of geneses that were aborted, or stand at a step
HOME/site.partial/  what a genesis that is not closed has made
HOME/backup/        quorums' public files, and masters wrapped under their keys
HOME/dispatch/      the dispatch lists
HOME/pins/          PIN blocks for issuers, PINs sealed to the mailers' printer
HOME/products/      profiles of products of the site's own
HOME/report/        report pages
HOME/site/          made whole by the genesis ceremony, by one rename
    hsm.yaml        which PKCS#11 library and token; bound into the seal
    token/          SoftHSM's directory, when the token is SoftHSM
    kif.sqlite      the database, the ledger in it
    seal/           the token's PINs, sealed to their holders
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from kif.formats.control import Control
from kif.formats.error import BadInput, DeviceFailed, Refused
from kif.formats.keyref import KeyRef
from kif.hsm.token import TokenPlace
from kif.store.engine import read_store

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
    def partial_site(self) -> Path:
        """Where a genesis makes the site, until it is whole."""
        return self.path / "site.partial"

    @property
    def draft(self) -> Path:
        """The record of a genesis that is not closed."""
        return self.attempts / "standing.jsonl"

    def restoring(self, size: int) -> Path:
        """Return where the record of a restore is, before it goes on with a log of this size."""
        return self.attempts / f"restoring-{size}.jsonl"

    @property
    def database(self) -> Path:
        """The embedded database."""
        return self.site / "kif.sqlite"

    @property
    def seal(self) -> Path:
        """The token's PINs, sealed to their holders."""
        return self.site / "seal"

    @property
    def attempts(self) -> Path:
        """The records of geneses that were aborted."""
        return self.path / "attempts"

    @property
    def backup(self) -> Path:
        """Quorums' public files, and masters wrapped under their keys."""
        return self.path / "backup"

    @property
    def pins(self) -> Path:
        """PINs that left: under an issuer's zone key, or sealed to a printer."""
        return self.path / "pins"

    @property
    def exchange(self) -> Path:
        """Keys that left, in key blocks and wrapped to public keys."""
        return self.path / "exchange"

    @property
    def products(self) -> Path:
        """Profiles of products of the site's own."""
        return self.path / "products"

    @property
    def dispatch(self) -> Path:
        """The dispatch lists."""
        return self.path / "dispatch"

    @property
    def reports(self) -> Path:
        """The report pages."""
        return self.path / "report"

    @property
    def exists(self) -> bool:
        """Whether the site is there."""
        return self.site.is_dir()

    def require_site(self) -> None:
        """Raise ``Refused``: SITE without a site of this version, HOME when others write here."""
        if not self.exists:
            raise Refused(
                Control.SITE,
                f"There is no site in {self.path}. Hold the genesis ceremony first: "
                "'kif ceremony run ceremonies/genesis.yaml'.",
            )
        self.require_own()
        read_store(self.database).close()

    def require_own(self) -> None:
        """Require that nobody else can write in the home, and that no link leads out of it."""
        for path in self._entries():
            mode, owner = (found := path.lstat()).st_mode, found.st_uid
            if stat.S_ISLNK(mode):
                raise _not_own(path, "is a link; a home has none", f"Remove {path}")
            if owner not in (0, os.geteuid()):
                raise _not_own(path, "belongs to another user", f"chown it to yourself: {path}")
            shared = stat.S_IWOTH if path not in (self.path, self.site) else 0o022
            if mode & shared:
                raise _not_own(path, "can be written by other users", f"chmod go-w {path}")

    def _entries(self) -> Iterator[Path]:
        if self.path.exists():
            yield self.path
        for folder, folders, files in os.walk(self.path):
            yield from (Path(folder) / name for name in (*folders, *files))

    def token_place(self) -> TokenPlace:
        """Return where the site's token is."""
        return read_token_place(self.site)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the home for one process. Raises ``Refused`` (ONE_PROCESS) when it is in use."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.require_own()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path / "lock", flags, 0o600)
        try:
            _lock(descriptor, self.path)
            yield
        finally:
            os.close(descriptor)


def require_path(path: Path) -> None:
    """Require a path that every part of a site can name (HOME).

    SoftHSM's configuration ends a value at a ``#`` or ``=``, and takes blanks off its end.
    """
    whole = str(path.absolute())
    printable = "".join(sign for sign in whole if sign.isprintable())
    if whole == printable and not set("#=") & set(whole) and whole == whole.rstrip():
        return
    raise BadInput(
        Control.HOME,
        f"The home {printable.strip()} can't be used: its path has a # or =, a blank at its end, "
        "or bytes that are no printable text in UTF-8. Choose another --home.",
    )


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
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError):
        raise DeviceFailed(
            Control.TOKEN_PRESENT,
            f"{path} does not say which library and token the site uses. Restore it from a backup.",
        ) from None


def kept(folder: Path, what: str, key: KeyRef) -> Path:
    """Return where the public file of a quorum (``quorum``), or its backup (``masters``), is."""
    return folder / f"{what}-{key.version}.json"


def put(path: Path, content: bytes) -> None:
    """Put a file in its place whole, and have it on the disk before this returns."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    sync(partial)
    partial.replace(path)
    sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Have everything in a folder, and the folder, on the disk before this returns."""
    for parent, _, files in os.walk(folder, topdown=False):
        for path in (*(Path(parent) / name for name in files), Path(parent)):
            sync(path)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of files, on the disk before this returns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_own(path: Path, what: str, remedy: str) -> Refused:
    return Refused(
        Control.HOME,
        f"{path} {what}, so somebody else could change what happens here. Nothing was done. "
        f"{remedy}.",
    )


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
