"""A folder in the temporary directory that a dead run does not leave behind for good.

Its owner holds a lock on it (flock(2)), and the kernel lets go of the lock whatever ends the
process. The next run removes the folders that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

_PREFIX = "kif-sim-"
_LONGEST = 60
"""A Unix socket's path has at most 107 bytes (unix(7)); this leaves room for names below."""
_YOUNG = 10.0
"""Seconds in which a folder may still have to be locked by the run that made it."""


class RunFolder:
    """A private folder, mode 0700, removed at the end of the ``with`` block."""

    def __enter__(self) -> Path:
        parent = Path(tempfile.gettempdir())
        if len(os.fsencode(parent)) > _LONGEST:
            parent = Path("/tmp")  # noqa: S108 - mkdtemp makes it exclusively
        remove_abandoned(parent)
        self._path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self._path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned(parent: Path) -> None:
    """Remove this user's run folders whose owner has died."""
    for path in parent.glob(f"{_PREFIX}*"):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # Another run removed it first, or it is not ours to open.
        try:
            if _abandoned(lock):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)


def _abandoned(folder: int) -> bool:
    status = os.fstat(folder)
    if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _YOUNG:
        return False
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
